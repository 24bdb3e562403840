#!/bin/sh
# Every script must give the trace that it says.  To take over what they give
# now, after a look at the difference: tests/core/script --rewrite FILE...
exec "${top_builddir:-.}/tests/core/script" "${srcdir:-.}"/tests/core/*.txt
