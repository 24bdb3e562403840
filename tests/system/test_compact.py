#!/usr/bin/env python3
"""COMPACT: the log is cut, and what hangs on it stays."""

import random
import sys

from cluster import Cluster, download, main, refused, until, upload


def submit(client, payloads):
    """Their indexes, asked in one go."""
    for payload in payloads:
        client.send("SUBMIT", payload)
    return [client.reply() for _ in payloads]


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
            refused(client, "ERR", "COMPACT", last + 1)
            refused(client, "ERR", "COMPACT", last, "ALL")
            compacted = "COMPACTED %d " % (last - 9)
            assert refused(client, "COMPACTED", "READ", last - 10).startswith(
                compacted)
            assert refused(client, "COMPACTED", "ACK", last - 11).startswith(
                compacted)
            assert refused(client, "COMPACTED", "DIGEST", last - 11).startswith(
                compacted)
            assert client.call("ACK", last - 10) == "OK"
            assert len(client.call("READ", last - 9)) == 10
        node.kill()
        node.start().wait_answers()
        with node.client() as client:
            assert client.call("WAIT", last) >= last
            assert client.call("DIGEST", last) == digest
            assert client.call("CONFIG", "HISTORY") == history
            assert client.call("SUBMIT", "again", "KEY", "k") == first
            assert refused(client, "COMPACTED", "READ", 1).startswith(
                compacted)
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


def error_of_stream(node, *words):
    with node.client() as stream:
        stream.send(*words)
        return str(stream.reply())


def test_a_member_that_lags_behind_gets_the_base():
    with Cluster(3) as cluster:
        leader = cluster.leader()
        away = cluster.follower()
        with leader.client() as client:
            keyed = client.call("SUBMIT", "keyed", "KEY", "k")
            seen = submit(client, ["before"] * 10)[-1]
            away.call("WAIT", seen)
            away.kill()
            last = submit(client, ["x" * 1000] * 500)[-1]
            assert client.call("COMPACT", last, "FORCE") == last + 1
            behind = client.call("SUBMIT", "behind the base")
            away.start().wait_answers()
            assert away.call("WAIT", behind) >= behind
            assert int(away.info()["first_index"]) == last + 1
            assert list(away.entries(last + 1).values())[0][1] == (
                b"behind the base")
            assert error_of_stream(away, "FOLLOW").startswith(
                "COMPACTED %d " % (last + 1))
            for words in (("DIGEST", behind), ("OUTCOME", "k"), ("CONFIG",),
                          ("CONFIG", "HISTORY")):
                assert away.call(*words) == client.call(*words), words
            assert away.call("OUTCOME", "k") == keyed
            # It has forgotten nothing over a restart, and can lead.
            away.kill()
            away.start().wait_answers()
            until("node %d is up again" % away.number, lambda: (
                away.role() or [0, 0, -1])[2] == leader.number)
            assert client.call("SUBMIT", "again", "KEY", "k") == keyed
            assert client.call("TRANSFER", away.number) == "OK"
            assert away.call("SUBMIT", "again", "KEY", "k") == keyed
            assert away.call("SUBMIT", "goes on") > behind
            digest = away.call("DIGEST")
            for node in cluster.nodes:
                node.call("WAIT", digest[0])
                assert node.call("DIGEST", digest[0]) == digest


def test_a_new_member_starts_where_the_log_starts():
    with Cluster(2, start=1, bootstrap=None) as cluster:
        node, comer = cluster.nodes
        node.wait_answers()
        assert node.call("CONFIG", "BOOTSTRAP",
                         "0=%s" % cluster.peer(0)) == 1
        with node.client() as client:
            last = submit(client, ["x" * 100] * 3000)[-1]
            assert client.call("COMPACT", last - 5) == last - 4
            comer.start().wait_answers()
            index = client.call(
                "CONFIG", "ADD", "%d=%s" % (
                    comer.number, cluster.peer(comer.number)))
            assert index > last
            assert comer.call("WAIT", index) >= index
            assert int(comer.info()["first_index"]) == last - 4
            assert len(comer.entries(last - 4)) == 5
            assert comer.call("DIGEST", index) == client.call("DIGEST", index)


def test_a_record_that_is_larger_than_a_window_comes_in_parts():
    with Cluster(3, snapshot_send_rate="4MiB") as cluster:
        leader = cluster.leader()
        away = cluster.follower()
        with leader.client() as client:
            away.kill()
            for part in range(40):
                for i in range(1000):
                    client.send("SUBMIT", "", "KEY",
                                ("%d " % (part * 1000 + i)).ljust(128, "k"))
                last = [client.reply() for _ in range(1000)][-1]
            assert client.call("COMPACT", last, "FORCE") == last + 1
            away.start().wait_answers()
            # A crash in the middle of it, and another one.
            for _ in range(2):
                until("it is under way", lambda: int(
                    away.info()["install_bytes"]) > 100000)
                away.kill()
                away.start().wait_answers()
            assert away.call("WAIT", last) >= last
            assert int(away.info()["first_index"]) == last + 1
            assert int(away.info()["keys"]) == 40000
            assert client.call("SUBMIT", "on") == last + 1


def lagging(cluster, count):
    """(leader, a member that is down, the last of `count` entries)"""
    leader = cluster.leader()
    away = cluster.follower()
    away.kill()
    with leader.client() as client:
        return leader, away, submit(client, ["x" * 100] * count)[-1]


def test_the_snapshot_of_the_app_goes_with_the_base():
    data = random.Random(7).randbytes(3000001)
    with Cluster(3) as cluster:
        leader, away, last = lagging(cluster, 200)
        upload(leader, last - 50, data)
        assert leader.call("COMPACT", last - 60, "FORCE") == last - 59
        away.start().wait_answers()
        assert away.call("WAIT", last) >= last
        assert away.call("SNAPSHOT", "INFO") == leader.call("SNAPSHOT", "INFO")
        assert download(away) == data
        assert int(away.info()["first_index"]) == last - 49
        with away.client() as stream:
            stream.send("FOLLOW", 1)
            assert stream.reply() == [b"snapshot", last - 50, len(data)]
            assert [stream.reply()[1] for _ in range(50)] == list(
                range(last - 49, last + 1))
        away.kill()
        away.start().wait_answers()
        assert download(away) == data


def test_an_empty_snapshot_goes_with_the_base_too():
    with Cluster(3) as cluster:
        leader, away, last = lagging(cluster, 20)
        upload(leader, last, b"")
        assert leader.call("COMPACT", last, "FORCE") == last + 1
        away.start().wait_answers()
        assert away.call("WAIT", last) >= last
        assert away.call("SNAPSHOT", "INFO") == leader.call("SNAPSHOT", "INFO")


def test_a_snapshot_goes_on_where_it_was():
    data = random.Random(8).randbytes(30000000)
    with Cluster(3, snapshot_send_rate="12MiB") as cluster:
        leader, away, last = lagging(cluster, 20)
        upload(leader, last, data)
        assert leader.call("COMPACT", last, "FORCE") == last + 1
        sent = int(leader.info()["installs_sent_bytes"])
        assert sent == 0
        away.start().wait_answers()
        for part in (5000000, 10000000):
            until("%d bytes are there" % part, lambda: int(
                away.info()["install_bytes"]) > part)
            away.kill()
            away.start().wait_answers()
        # A newer one does not disturb it.
        until("it goes on", lambda: int(
            away.info()["install_bytes"]) > 11000000)
        newer = leader.call("SUBMIT", "one more")
        upload(leader, newer, b"newer")
        assert away.call("WAIT", newer) >= newer
        assert away.call("SNAPSHOT", "INFO")[0] == last
        assert download(away) == data
        sent = int(leader.info()["installs_sent_bytes"])
        # Four MiB may have been on the way each time.
        assert sent < len(data) + 3 * 5000000, sent


def test_the_log_before_a_snapshot_goes_but_for_a_tail():
    with Cluster(1, snapshot_tail=30) as cluster:
        node = cluster.leader()
        with node.client() as client:
            last = submit(client, ["entry"] * 5000)[-1]
            upload(node, last - 10, b"state")
            until("the log is cut", lambda: int(
                node.info()["first_index"]) == last - 39)
            assert refused(client, "COMPACTED", "READ", 1).startswith(
                "COMPACTED %d " % (last - 39))
            assert client.call("SNAPSHOT", "INFO")[0] == last - 10


if __name__ == "__main__":
    main(sys.modules[__name__])
