"""A rolling restart to a program that speaks a newer peer protocol.

tests/raftsc-next is the same program, built to speak one version more than
there is."""

import re
import signal
import sys

from cluster import Cluster, main, until
from history import Load, judge

NEXT = "tests/raftsc-next"


def versions(node):
    """{peer: protocol version} of the links that are up."""
    found = {}
    for key, value in node.info().items():
        spoken = re.search(r",protocol=(\d+)", value)
        if key.startswith("peer_") and spoken:
            found[int(key[5:])] = int(spoken.group(1))
    return found


def restart(node, program):
    assert node.kill(signal.SIGTERM) == 0
    node.program = program
    node.start().wait_answers()


def all_speak(cluster, wanted):
    """Waits until every pair of nodes speaks what it should."""
    for node in cluster.nodes:
        expected = {other.number: wanted(node, other)
                    for other in cluster.nodes if other is not node}
        until("node %d speaks %s" % (node.number, expected),
              lambda n=node, e=expected: versions(n) == e)


def test_nodes_are_upgraded_one_by_one_and_back_under_load():
    with Cluster(3) as cluster:
        cluster.leader()
        all_speak(cluster, lambda a, b: 1)
        with Load(cluster) as load:
            for program in (NEXT, "raftsc"):
                for node in cluster.nodes:
                    restart(node, program)
                    all_speak(cluster, lambda a, b: 2 if
                              a.program == b.program == NEXT else 1)
                    wanted = load.acknowledged() + 50
                    until("load", lambda: load.acknowledged() >= wanted)
        judge(load.attempts, cluster.settle())
        for node in cluster.nodes:
            with open(node.log, encoding="utf-8") as log:
                assert "later version" not in log.read()


if __name__ == "__main__":
    main(sys.modules[__name__])
