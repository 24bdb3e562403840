#!/bin/sh
# Core, wire and node need nothing of the system.  A build with sanitizers
# brings symbols of its own: nothing is to be seen there.
build=${top_builddir:-.}
if nm -u "$build/src/core/libcore.a" 2>/dev/null | grep -q -E '__(asan|ubsan)_'; then
    echo "built with sanitizers"
    exit 77
fi
exec "${srcdir:-.}/scripts/symbols" "$build"
