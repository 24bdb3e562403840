"""More of the points where an error is given, beside test_errors.py: queued,
forwarded, appended and lost again, stopping.

Every point, and the test that provokes it ("no": asserts that the payload is in
no log once the cluster is whole; "perhaps": that it is there once at most):

ERR        malformed, unknown, wrong count, on a stream        test_errors: err
           CONFIG BOOTSTRAP with a configuration, not in list  test_errors: err
TOOBIG     SUBMIT: no                                          test_errors: toobig
           PING, ECHO of more than can be sent back            here
NOCONFIG   before the birth: no; a wiped disk                  test_errors, test_cluster
NOTLEADER  at the door: no                                     test_errors: notleader
           of what is queued when forwarding goes off: no      here
NOLEADER   none in time: no; BARRIER without one               test_errors: noleader
           another leader's entry took its place: no           here
           the node stops, queued and new: no                  here
BUSY       too much waits here: no                             test_errors: busy
           too much waits at the leader: no                    here
FENCED     here and forwarded: no                              test_errors: fenced
STALE      here and forwarded: no                              test_errors: stale
FORGOTTEN  here and forwarded: no                              test_errors: forgotten
DISK       this node's disk: no                                test_errors: disk
           the leader's disk, forwarded: no; ACK               here
UNCERTAIN  not committed in time: perhaps                      test_errors: uncertain
           the leader lost with it: perhaps                    test_errors: uncertain
           the leader does not answer: perhaps                 here
TIMEOUT    WAIT, BARRIER, CONFIG BOOTSTRAP                     test_errors: timeout, conflict
CONFLICT   another birth list                                  test_errors: conflict
CORRUPT    READ and FOLLOW                                     test_errors: corrupt
"""

import os
import signal
import subprocess
import sys
import tempfile

from cluster import (FAST, Client, Cluster, Error, main, refused, submit,
                     until)
from test_errors import absent, mount_small


def once_at_most(cluster, payload):
    found = [p for _, p in cluster.settle().values()]
    assert found.count(payload) <= 1


def others_of(cluster, node):
    return [each for each in cluster.nodes if each is not node]


def test_toobig_of_a_message_that_would_be_sent_back():
    with Cluster(1, max_payload="4KiB") as cluster:
        node = cluster.nodes[0].wait_answers()
        for word in ("PING", "ECHO"):
            refused(node, "TOOBIG", word, b"x" * (32 << 20))


def test_notleader_of_what_was_queued_when_forwarding_goes_off():
    with Cluster(3, **FAST) as cluster:
        away = cluster.follower()
        away.kill()
        # It will lack an entry, so that it cannot lead.
        submit(cluster.leader(), b"before")
        rest = others_of(cluster, away)
        for node in rest:
            node.kill()
        away.start().wait_answers()
        with away.client() as client:
            client.send("SUBMIT", b"queued", "TIMEOUT", 0)
            client.send("CONFIG", "SET", "forward", "no")
            for node in rest:
                node.start()
            answer = client.reply()
            assert answer.code == "NOTLEADER", answer
            assert client.reply() == "OK"
        absent(cluster, b"queued")


def test_noleader_when_another_leaders_entry_took_the_place():
    with Cluster(3, **FAST) as cluster:
        old = cluster.leader()
        submit(old, b"before")
        rest = others_of(cluster, old)
        for node in rest:
            node.kill()
        with old.client() as client:
            client.send("SUBMIT", b"overwritten", "TIMEOUT", 0)
            until("it is appended", lambda: int(old.info()["last_index"]) >
                  int(old.info()["commit_index"]))
            old.pause()
            for node in rest:
                node.start()
            submit(cluster.leader(), b"another")
            old.go_on()
            answer = client.reply()
            assert answer.code == "NOLEADER", answer
            assert "not in the log" in str(answer), answer
        absent(cluster, b"overwritten")


def test_noleader_when_the_node_stops():
    with Cluster(3, start=2, **FAST) as cluster:
        cluster.nodes[2].start()
        submit(cluster.leader(), b"before")
        alone = cluster.follower()
        for node in others_of(cluster, alone):
            node.kill()
        until("it knows no leader", lambda: alone.role()[2] == -1)
        with alone.client() as client:
            client.send("SUBMIT", b"queued", "TIMEOUT", 0)
            until("it waits", lambda: int(alone.info()["pending_bytes"]) > 0)
            alone.process.send_signal(signal.SIGTERM)
            answer = client.reply()
            assert answer.code == "NOLEADER", answer
        assert alone.process.wait(30) == 0
        alone.process = None
        for node in cluster.nodes:
            node.start()
        absent(cluster, b"queued")


def test_busy_when_too_much_waits_at_the_leader():
    with Cluster(3, election_timeout="3s") as cluster:
        leader = cluster.leader()
        follower = cluster.follower()
        submit(follower, b"before")
        assert leader.call("CONFIG", "SET", "max-pending", "4KiB") == "OK"
        payloads = [b"%d" % number + b"x" * 3000 for number in range(200)]
        with follower.client() as client:
            for payload in payloads:
                client.send("SUBMIT", payload, "TIMEOUT", 20000)
            answers = [client.reply() for _ in payloads]
        codes = {answer.code for answer in answers
                 if isinstance(answer, Error)}
        assert codes == {"BUSY"}, codes
        absent(cluster, *[payload for payload, answer in
                          zip(payloads, answers) if isinstance(answer, Error)])


def test_uncertain_when_the_leader_does_not_answer():
    with Cluster(3, election_timeout="3s") as cluster:
        leader = cluster.leader()
        follower = cluster.follower()
        submit(follower, b"before")
        leader.pause()
        refused(follower, "UNCERTAIN", "SUBMIT", b"perhaps", "TIMEOUT", 200)
        leader.go_on()
        once_at_most(cluster, b"perhaps")


def test_disk_of_the_leader_is_told_to_whom_forwarded():
    with tempfile.TemporaryDirectory() as top:
        mounted = []
        try:
            for number in range(3):
                path = os.path.join(top, str(number))
                os.mkdir(path)
                if not mount_small(path, 3 << 20):
                    print("no file system can be mounted: not tried")
                    return
                mounted.append(path)
            with Cluster(3, start=0, election_timeout="3s",
                         disk_stall_timeout="60s") as cluster:
                full_leader(cluster, mounted)
        finally:
            for path in mounted:
                subprocess.run(["umount", "-l", path], check=True)


def full_leader(cluster, mounted):
    for node, path in zip(cluster.nodes, mounted):
        node.set_conf(data_dir=path)
        node.start()
    leader = cluster.leader()
    submit(leader, b"before")
    follower = cluster.follower()
    for node in others_of(cluster, leader):
        subprocess.run(["mount", "-o", "remount,size=200m",
                        mounted[node.number]], check=True)
    told = []

    def disk():
        try:
            follower.call("SUBMIT", b"%d " % len(told) + b"f" * 50000,
                          "TIMEOUT", 300)
            told.append(True)
        except Error as error:
            assert error.code in ("DISK", "UNCERTAIN"), error
            told.append(error.code != "DISK")
            return error.code == "DISK"
        return False
    until("the leader's disk is full", disk)
    refused(follower, "DISK", "SUBMIT", b"no room")
    # What cannot be saved yet is answered all the same, and saved later.
    refused(leader, "DISK", "ACK", 3)
    refused(leader, "DISK", "ACK", 2)
    subprocess.run(["mount", "-o", "remount,size=200m",
                    mounted[leader.number]], check=True)
    until("there is room", lambda: leader.info()["disk"] == "ok")
    assert leader.call("ACK", 3) == "OK"
    absent(cluster, b"no room", *[b"%d " % number + b"f" * 50000
                                  for number, kept in enumerate(told)
                                  if not kept])


def test_noleader_for_what_comes_while_the_node_stops():
    with Cluster(3, election_timeout="3s") as cluster:
        leader = cluster.leader()
        submit(leader, b"before")
        for node in others_of(cluster, leader):
            node.pause()
        with leader.client() as first, Client(leader.socket) as second:
            # One that is under way keeps the node for a while.
            first.send("SUBMIT", b"perhaps", "TIMEOUT", 0)
            until("it is appended", lambda: int(
                leader.info()["pending_bytes"]) > 0)
            leader.process.send_signal(signal.SIGTERM)
            until("it stops", lambda: "stopping on SIGTERM" in
                  leader.said())
            second.send("SUBMIT", b"late")
            answer = second.reply()
            assert answer.code == "NOLEADER", answer
            assert "stopping" in str(answer), answer
        assert leader.process.wait(30) == 0
        leader.process = None
        for node in cluster.nodes:
            if node.stopped:
                node.go_on()
        leader.start()
        absent(cluster, b"late")
        once_at_most(cluster, b"perhaps")


if __name__ == "__main__":
    main(sys.modules[__name__])
