#!/bin/sh
# A hundred seeds in all; five of them twice, which must give the same trace to
# the byte.  Slower builds take fewer.
sim=${top_builddir:-.}/tests/sim/sim
if [ -n "${RAFTSC_QUICK:-}" ]; then
    exec "$sim" --first=1 --seeds=30
fi
"$sim" --first=1 --seeds=5 --twice && exec "$sim" --first=1 --seeds=100
