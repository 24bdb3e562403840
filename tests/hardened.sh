#!/bin/sh
# What is shipped is hardened: position-independent, with a read-only table of
# what it links, all of it bound at start, and stack protectors; and its asserts
# are on.
build=${top_builddir:-.}
if nm "$build/raftsc" | grep -q -E '__(asan|ubsan)_'; then
    echo "built with sanitizers"
    exit 77
fi
failed=0
for program in "$build/raftsc" "$build/raftctl"; do
    has() { # WHAT PATTERN, in what readelf and nm say
        if ! { readelf -W -h -l -d "$program" && nm -u "$program"; } | grep -q -E "$2"; then
            echo "$program: no $1"
            failed=$((failed + 1))
        fi
    }
    has "position-independent code" 'Type: +DYN'
    has "read-only relocations" 'GNU_RELRO'
    has "binding at start" 'FLAGS_1.*NOW'
    has "stack protector" '__stack_chk_fail'
    has "asserts" '__assert_fail'
done
echo "$((10 - failed)) passed, $failed failed"
[ "$failed" = 0 ]
