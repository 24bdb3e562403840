#!/bin/sh
# Every mutant still applies to the code as it is (scripts/mutants runs them):
# whoever changes those lines takes the patch along.
cd "${srcdir:-.}" || exit 1
passed=0
failed=0
for patch in tests/mutants/*.patch; do
    if patch -s -f -F0 -p1 --dry-run <"$patch" >/dev/null 2>&1; then
        passed=$((passed + 1))
    else
        echo "$patch does not apply: $(head -n 1 "$patch")"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
