#!/usr/bin/env python3
"""Snapshots on their way to a member: over crashes of either end, from another
leader, damaged ones; and what WHY and INFO tell meanwhile."""

import os
import random
import sqlite3
import sys
import urllib.request

from cluster import MIB, Cluster, download, main, says, submit, until, upload

WINDOW = 4 * MIB  # that may be on its way when a connection breaks


def some_bytes(size, seed):
    return random.Random(seed).randbytes(size)


def numbers(node):
    return {key: int(value) for key, value in node.info().items()
            if value.isdigit()}


def sent(node):
    return numbers(node)["installs_sent_bytes"]


def peer(node, other):
    """The fields of other's line in node's INFO."""
    line = node.info().get("peer_%d" % other.number, "")
    return dict(field.split("=", 1) for field in line.split(",")
                if "=" in field)


def why(node):
    return node.call("WHY").decode()


def lagging(cluster):
    """(leader, other, a member that is down, the last entry of both)"""
    leader = cluster.leader()
    away = cluster.follower()
    other = next(node for node in cluster.nodes
                 if node not in (leader, away))
    away.kill()
    for count in range(20):
        last = submit(leader, b"%d" % count)
    other.call("WAIT", last)
    return leader, other, away, last


def cut(node, index):
    assert node.call("COMPACT", index, "FORCE") == index + 1


def begun(away, size):
    """Waits until that many bytes are there."""
    until("%d bytes are there" % size,
          lambda: numbers(away)["install_bytes"] > size)


def whole(away, last, data):
    """Waits until it has the log, and the snapshot."""
    assert away.call("WAIT", last) >= last
    assert download(away) == data


def test_another_leader_goes_on_where_the_first_was():
    data = some_bytes(30 * MIB, 1)
    with Cluster(3, snapshot_send_rate="12MiB") as cluster:
        leader, other, away, last = lagging(cluster)
        for node in (leader, other):
            upload(node, last, data)
            cut(node, last)
        away.start().wait_answers()
        begun(away, 8 * MIB)
        before = sent(leader)
        leader.kill()
        assert before >= 8 * MIB
        whole(away, last, data)
        assert sent(other) < len(data) - 8 * MIB + WINDOW, sent(other)


def test_the_same_leader_goes_on_after_its_restart():
    data = some_bytes(30 * MIB, 2)
    with Cluster(3, snapshot_send_rate="12MiB") as cluster:
        leader, other, away, last = lagging(cluster)
        upload(leader, last, data)
        cut(leader, last)
        away.start().wait_answers()
        begun(away, MIB)
        other.kill()  # nobody else can lead now: the log of `away` is behind
        for size in (6 * MIB, 14 * MIB):
            begun(away, size)
            leader.kill()
            leader.start().wait_answers()
        whole(away, last, data)
        assert sent(leader) < len(data) - 14 * MIB + WINDOW, sent(leader)


def test_another_leaders_snapshot_is_begun_anew():
    first, second = some_bytes(30 * MIB, 3), some_bytes(5 * MIB, 4)
    with Cluster(3, snapshot_send_rate="12MiB") as cluster:
        leader, other, away, last = lagging(cluster)
        upload(leader, last, first)
        upload(other, last - 2, second)
        cut(leader, last)
        cut(other, last - 3)
        away.start().wait_answers()
        begun(away, 8 * MIB)
        leader.kill()
        whole(away, last, second)
        assert away.call("SNAPSHOT", "INFO")[0] == last - 2
        files = [name for name in os.listdir(away.directory)
                 if name.startswith("snapshot-")]
        assert len(files) == 1, files


def test_the_receiver_keeps_the_bytes_over_its_restart():
    data = some_bytes(30 * MIB, 5)
    with Cluster(3, snapshot_send_rate="12MiB") as cluster:
        leader, _, away, last = lagging(cluster)
        upload(leader, last, data)
        cut(leader, last)
        away.start().wait_answers()
        for size in (9 * MIB, 18 * MIB):
            begun(away, size)
            away.kill()
            away.start().wait_answers()
        whole(away, last, data)
        # Of what is lost each time, a step of eight MiB is not synced yet.
        assert sent(leader) < len(data) + 2 * (8 * MIB + WINDOW), sent(leader)


def test_both_ends_tell_how_far_it_is():
    data = some_bytes(40 * MIB, 6)
    with Cluster(3, snapshot_send_rate="4MiB") as cluster:
        leader, _, away, last = lagging(cluster)
        upload(leader, last, data)
        cut(leader, last)
        away.start().wait_answers()
        begun(away, 2 * MIB)
        what = "the base at %d and a snapshot of 40.0 MiB" % last
        says(leader, "install: node %d is sent %s: " % (away.number, what),
             " % done, ", " MiB/s\n")
        says(away, "install: this node is sent %s by node %d: " % (
            what, leader.number), " % done, ", " MiB/s\n")
        told = until("it is told", lambda: (
            lambda fields: fields.get("install") == "sending" and fields)(
                peer(leader, away)))
        assert int(told["install_index"]) == last
        assert 2 * MIB < int(told["install_have"]) < int(told["install_size"])
        assert int(told["install_rate"]) > 0
        told = numbers(away)
        assert told["install_from"] == leader.number
        assert told["install_index"] == last
        assert told["install_size"] > len(data)
        assert told["install_rate"] > 0
        # One that hangs: who waits for it says so, and then that it is gone.
        # What is sent until then has room in the buffers of its socket.
        leader.call("CONFIG", "SET", "snapshot-send-rate", "128KiB")
        away.pause()
        says(leader, "; waits for node %d to take what was sent, last heard "
             % away.number)
        assert int(peer(leader, away)["install_rate"]) >= 0
        says(leader, "; waits for a connection to node %d: " % away.number)
        assert peer(leader, away)["install"] == "connecting"
        away.go_on()
        begun(away, 3 * MIB)
        leader.call("CONFIG", "SET", "snapshot-send-rate", "0")
        whole(away, last, data)
        assert "install:" not in why(away)
        until("it is over", lambda: "install:" not in why(leader))


def test_the_metrics_have_what_is_sent():
    data = some_bytes(20 * MIB, 7)
    with Cluster(3, snapshot_send_rate="4MiB") as cluster:
        for node in cluster.nodes:
            node.kill()
            node.set_conf(http_listen="%s:%d" % (cluster.address,
                                                 8000 + node.number))
            node.start()
        leader, _, away, last = lagging(cluster)
        upload(leader, last, data)
        cut(leader, last)
        away.start().wait_answers()
        begun(away, 2 * MIB)

        def metric(node, name):
            with urllib.request.urlopen("http://%s:%d/metrics" % (
                    cluster.address, 8000 + node.number), timeout=30) as page:
                lines = page.read().decode().splitlines()
            return next(int(line.split()[1]) for line in lines
                        if line.startswith("raftsc_%s " % name))

        assert metric(leader, "installs_sending") == 1
        assert metric(leader, "installs_sent_bytes_total") > 2 * MIB
        assert metric(away, "install_bytes") > 2 * MIB
        assert metric(away, "install_size_bytes") > len(data)
        assert metric(away, "snapshot_damaged") == 0
        leader.call("CONFIG", "SET", "snapshot-send-rate", "0")
        whole(away, last, data)
        assert metric(away, "installs_total") == 1
        assert metric(away, "install_size_bytes") == 0


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def damage(node, *statement):
    name = next(name for name in os.listdir(node.directory)
                if name.startswith("snapshot-") and name.endswith(".db"))
    with sqlite3.connect(os.path.join(node.directory, name)) as base:
        base.execute(*statement)


def heals(cluster, leader, away, last):
    """It is found, told, not offered again, and over with a new one."""
    until("it is found", lambda: numbers(leader)["snapshot_damaged"] == 1)
    says(leader, "install: node %d needs entries that are gone; waits for a new"
         " snapshot: that of entry %d is damaged on this disk" % (
             away.number, last),
         "next: have the app take a new snapshot on this node")
    assert peer(leader, away)["install"] == "damaged"
    before = sent(leader)
    more = submit(leader, b"more")
    data = some_bytes(2 * MIB, 9)
    assert sent(leader) == before
    assert leader.said().count("damaged on this disk: no node is sent") == 1
    upload(leader, more, data)
    whole(away, more, data)
    assert numbers(leader)["snapshot_damaged"] == 0
    assert "damaged" not in why(leader)
    del cluster


def test_rot_is_found_by_who_sends_it():
    with Cluster(3) as cluster:
        leader, _, away, last = lagging(cluster)
        upload(leader, last, some_bytes(3 * MIB, 8))
        cut(leader, last)
        damage(leader, "UPDATE chunk SET data = zeroblob(length(data))"
                       " WHERE seq = 1")
        away.start().wait_answers()
        heals(cluster, leader, away, last)


def test_a_hash_that_is_wrong_makes_the_sender_look_at_its_file():
    with Cluster(3) as cluster:
        leader, _, away, last = lagging(cluster)
        upload(leader, last, some_bytes(200000, 8))
        cut(leader, last)
        other = bytes(200000)  # of one row
        damage(leader, "UPDATE chunk SET data = ?, checksum = ?",
               (other, crc32c(other)))
        away.start().wait_answers()
        heals(cluster, leader, away, last)
        assert "had not the hash that was said" in leader.said()
        assert "had not the hash that was said" in away.said()


def test_an_app_that_finds_rot_finds_it_for_all():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        last = submit(node, b"x")
        upload(node, last, some_bytes(3 * MIB, 8))
        damage(node, "DELETE FROM chunk WHERE seq = 2")
        for _ in range(2):
            with node.client() as client:
                client.send("SNAPSHOT", "READ", 0, 3 * MIB)
                assert client.reply().code == "CORRUPT"
        assert numbers(node)["snapshot_damaged"] == 1
        says(node, "snapshot: that of entry %d is damaged" % last,
             "next: have the app take a new snapshot")
        assert node.said().count("damaged on this disk") == 1


if __name__ == "__main__":
    main(sys.modules[__name__])
