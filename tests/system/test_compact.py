#!/usr/bin/env python3
"""COMPACT: the log is cut, and what hangs on it stays."""

import sys

from cluster import Cluster, Error, main, until


def submit(client, payloads):
    """Their indexes, asked in one go."""
    for payload in payloads:
        client.send("SUBMIT", payload)
    return [client.reply() for _ in payloads]


def error_of(client, *words):
    try:
        client.call(*words)
    except Error as error:
        return str(error)
    raise AssertionError("%r did not fail" % (words,))


def wait_needed(node, index):
    until("node %d knows that all have entry %d" % (node.number, index),
          lambda: int(node.info()["needed_index"]) >= index)


def test_a_log_is_cut_and_stays_so():
    with Cluster(1) as cluster:
        node = cluster.leader()
        with node.client() as client:
            first = client.call("SUBMIT", "keyed", "KEY", "k")
            last = submit(client, ["entry %d" % i for i in range(5000)])[-1]
            digest = client.call("DIGEST", last)
            history = client.call("CONFIG", "HISTORY")
            assert client.call("COMPACT", last - 10) == last - 9
            assert client.call("COMPACT", last - 100) == last - 9
            assert error_of(client, "COMPACT", last + 1).startswith("ERR ")
            assert error_of(client, "COMPACT", last, "ALL").startswith("ERR ")
            compacted = "COMPACTED %d " % (last - 9)
            assert error_of(client, "READ", last - 10).startswith(compacted)
            assert error_of(client, "ACK", last - 11).startswith(compacted)
            assert error_of(client, "DIGEST", last - 11).startswith(compacted)
            assert client.call("ACK", last - 10) == "OK"
            assert len(client.call("READ", last - 9)) == 10
        node.kill()
        node.start().wait_answers()
        with node.client() as client:
            assert client.call("WAIT", last) >= last
            assert client.call("DIGEST", last) == digest
            assert client.call("CONFIG", "HISTORY") == history
            assert client.call("SUBMIT", "again", "KEY", "k") == first
            assert error_of(client, "READ", 1).startswith(compacted)
            assert len(client.call("READ", last - 9)) == 10
            # The whole of it, the last entry too.
            last = client.call("SUBMIT", "one more")
            assert client.call("COMPACT", last) == last + 1
            assert client.call("SUBMIT", "behind the base") == last + 1
            with node.client() as stream:
                stream.send("FOLLOW", 1)
                assert stream.reply().code == "COMPACTED"
            with node.client() as stream:
                stream.send("FOLLOW", last + 1)
                assert stream.reply()[3] == b"behind the base"


def test_rows_go_and_their_room_is_used_again():
    with Cluster(1) as cluster:
        node = cluster.leader()
        with node.client() as client:
            last = submit(client, ["x" * 1000] * 3000)[-1]
            assert client.call("COMPACT", last) == last + 1
            until("there is free room",
                  lambda: int(node.info()["free_bytes"]) > 2500000)
            before = int(node.info()["db_bytes"])
            submit(client, ["y" * 1000] * 2000)
            until("the room is used", lambda: int(
                node.info()["free_bytes"]) < 1500000)
            # The WAL is put into the database in parts of some MiB.
            assert int(node.info()["db_bytes"]) < before + 8000000


def test_what_a_member_needs_is_kept():
    with Cluster(3) as cluster:
        leader = cluster.leader()
        away = next(n for n in cluster.nodes if n is not leader)
        other = next(n for n in cluster.nodes if n not in (leader, away))
        with leader.client() as client:
            seen = submit(client, ["before"] * 10)[-1]
            away.call("WAIT", seen)
            wait_needed(leader, seen)
            away.kill()
            last = submit(client, ["after"] * 10)[-1]
            other.call("WAIT", last)
            for node in (leader, other):
                wait_needed(node, seen)
                first = node.call("COMPACT", last)
                assert seen < first <= last, (seen, first, last)
                assert int(node.info()["first_index"]) == first
            away.start().wait_answers()
            away.call("WAIT", last)
            assert len(away.entries()) == 20
            for node in (leader, other, away):
                wait_needed(node, last)
                assert node.call("COMPACT", last) == last + 1
            assert client.call("SUBMIT", "on") == last + 1


def test_what_the_app_has_not_acknowledged_is_kept():
    with Cluster(1, compact_keep_unacked=100) as cluster:
        node = cluster.leader()
        with node.client() as client, node.client() as stream:
            last = submit(client, ["entry"] * 50)[-1]
            stream.send("FOLLOW", 1)
            assert stream.reply()[0] == b"entry"
            client.call("ACK", last - 20)
            assert client.call("COMPACT", last) == last - 19
            last = submit(client, ["entry"] * 200)[-1]
            assert client.call("COMPACT", last) == last - 99
        with node.client() as client:
            until("nobody follows",
                  lambda: node.info()["followers"] == "0")
            assert client.call("COMPACT", last) == last + 1


if __name__ == "__main__":
    main(sys.modules[__name__])
