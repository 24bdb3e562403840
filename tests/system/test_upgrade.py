"""A rolling restart to a program that speaks a newer peer protocol, and a
database of a newer program.

tests/raftsc-next is the same program, built to speak one version more than
there is."""

import os
import re
import signal
import sqlite3
import subprocess
import sys

from cluster import Cluster, Error, main, program, until
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


def same_key(cluster, payload):
    """Submits it with one key to every node, until each has an answer: they
    are all the same."""
    def ask(node):
        try:
            return node.call("SUBMIT", payload, "KEY", "once", "SINCE", 0)
        except Error as error:
            assert error.code in ("NOLEADER", "UNCERTAIN", "BUSY"), error
            return None
    found = {until("a key is found", lambda n=node: ask(n))
             for node in cluster.nodes}
    assert len(found) == 1, found
    return found.pop()


def same_digest(cluster, index):
    found = set()
    for node in cluster.nodes:
        node.call("WAIT", index, 60000)
        found.add(tuple(node.call("DIGEST", index)))
    assert len(found) == 1, found


def test_nodes_are_upgraded_one_by_one_and_back_under_load():
    with Cluster(3) as cluster:
        cluster.leader()
        all_speak(cluster, lambda a, b: 1)
        with Load(cluster) as load:
            index = same_key(cluster, "first")
            for version in (NEXT, "raftsc"):
                for node in cluster.nodes:
                    restart(node, version)
                    all_speak(cluster, lambda a, b: 2 if
                              a.program == b.program == NEXT else 1)
                    wanted = load.acknowledged() + 50
                    until("load", lambda: load.acknowledged() >= wanted)
                    assert same_key(cluster, node.program) == index
        log = cluster.settle()
        judge(load.attempts, log)
        same_digest(cluster, max(log))
        for node in cluster.nodes:
            assert "later version" not in node.said()


def test_a_database_of_a_newer_schema_is_refused_and_left_alone():
    with Cluster(1) as cluster:
        node = cluster.leader()
        assert node.kill(signal.SIGTERM) == 0
        path = os.path.join(node.directory, "raft.db")
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA user_version = 999")
            database.execute(
                "UPDATE state SET value = '9.9' WHERE name = 'written_by'")
        database.close()
        tool = program("raftctl")
        other = os.path.join(cluster.directory, "other")
        for command in (
                [program("raftsc"), "-c", node.conf],
                [tool, "inspect", node.directory],
                [tool, "verify", node.directory],
                [tool, "backup", node.directory, other],
                [tool, "restore", path, other],
                [tool, "recover", "--yes", "--members", "0=a:1",
                 node.directory]):
            done = subprocess.run(command, timeout=60, capture_output=True,
                                  check=False, encoding="utf-8")
            assert done.returncode == (65 if "-c" in command else 1), done
            assert "schema version 999, written by raftsc 9.9" in done.stderr, (
                done)
        with sqlite3.connect(path) as database:
            assert database.execute("PRAGMA user_version").fetchone() == (999,)
        database.close()


if __name__ == "__main__":
    main(sys.modules[__name__])
