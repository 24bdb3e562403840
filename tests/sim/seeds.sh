#!/bin/sh
# Three hundred seeds, in which everything that can happen must happen; the
# first ten twice, which must give the same trace to the byte; and those that
# once found something; and the plays, with twenty seeds each.  With RAFTSC_QUICK, for slower builds, fewer.
set -e
sim=${top_builddir:-.}/tests/sim/sim
found=${srcdir:-.}/tests/sim/found.txt
for play in $("$sim" --plays); do
    for store in model sqlite; do
        set -- --play="$play" --store="$store" --seeds=20
        "$sim" "$@" >/dev/null || "$sim" "$@"
    done
done
if [ -n "${RAFTSC_QUICK:-}" ]; then
    "$sim" --first=1 --seeds=3 --twice >/dev/null || "$sim" --first=1 --seeds=3 --twice
    exec "$sim" --first=1 --seeds=60
fi
"$sim" --first=1 --seeds=10 --twice
sed -n 's/^\([0-9][0-9]*\)\(\( --[^ ]*\)*\).*/--seed=\1\2/p' "$found" |
    while read -r run; do
        # shellcheck disable=SC2086 # the seed and its options
        "$sim" $run >/dev/null || "$sim" $run
    done
exec "$sim" --first=1 --seeds=300 --every
