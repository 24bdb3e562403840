#!/bin/sh
# Three hundred seeds; the first ten twice, which must give the same trace to
# the byte; and those that once found something.  Slower builds take fewer.
set -e
sim=${top_builddir:-.}/tests/sim/sim
if [ -n "${RAFTSC_QUICK:-}" ]; then
    exec "$sim" --first=1 --seeds=60
fi
"$sim" --first=1 --seeds=10 --twice
for seed in $(sed -n 's/^\([0-9][0-9]*\).*/\1/p' "${srcdir:-.}/tests/sim/found.txt"); do
    "$sim" --seed="$seed" >/dev/null || "$sim" --seed="$seed"
done
exec "$sim" --first=1 --seeds=300
