#!/usr/bin/env python3
"""Changes of the members through raftctl, against real nodes."""

import json
import signal
import subprocess
import sys

from cluster import FAST, Cluster, main, program, submit, until
from test_member import first_of, member, members, voters


def run(node, *words, status=0):
    """What raftctl printed, and its complaints, which end with `status`."""
    done = subprocess.run([program("raftctl"), "-s", node.socket, *words],
                          capture_output=True, timeout=60, check=False,
                          text=True)
    assert done.returncode == status, done
    return done.stdout, done.stderr


def test_the_first_session_through_raftctl():
    with Cluster(3, start=1, bootstrap=None, **FAST) as cluster:
        zero, one, two = cluster.nodes
        zero.wait_answers()
        assert run(zero, "bootstrap", member(cluster, 0))[0] == "1\n"
        one.start().wait_answers()
        cluster.leader()
        assert "step 1: node 1 is dialled" in run(
            zero, "plan", *members(cluster, 0, 1))[0]
        run(zero, "change", *members(cluster, 0, 1))
        two.start()
        index = json.loads(run(one, "--json", "change",
                               *members(cluster, 0, 1, 2))[0])["index"]
        at = int(run(two, "submit", "hello")[0])
        assert at > index
        for node in cluster.nodes:
            run(node, "wait", str(at))
            assert run(node, "read", str(at))[0].endswith("hello\n")
            assert run(node, "members")[0].count("voter") == 3
        history = run(two, "history")[0]
        assert "1=%s incoming" % cluster.peer(1) in history, history


def test_add_demote_promote_transfer_and_remove():
    with Cluster(3, bootstrap=None, **FAST) as cluster:
        first = first_of(cluster, 0, 1)
        run(first, "add", member(cluster, 2, "/learner"))
        assert voters(first) == [0, 1]
        until("it knows that it is one",
              lambda: cluster.nodes[2].role()[0] == b"learner")
        run(cluster.nodes[2], "promote", "2")
        assert voters(first) == [0, 1, 2]
        run(first, "demote", "1")
        assert run(first, "transfer", "2")[0] == "2\n"
        assert "is no voter" in run(first, "transfer", "1", status=1)[1]
        run(first, "remove", "2")
        until("node 2 is idle", lambda: cluster.nodes[2].role()[0] == b"idle")
        assert voters(first) == [0]
        submit(first, b"alone")
        assert "no change is under way" in run(first, "abort", status=1)[1]


def test_a_change_goes_on_when_raftctl_is_interrupted_or_waits_no_longer():
    with Cluster(3, bootstrap=None, **FAST) as cluster:
        first = first_of(cluster, 0, 1)
        cluster.nodes[2].wait_answers().pause()
        with subprocess.Popen(
                [program("raftctl"), "-s", first.socket, "add",
                 member(cluster, 2)], stderr=subprocess.PIPE,
                text=True) as waiting:
            leader = cluster.leader()
            until("it is dialled",
                  lambda: leader.info()["change_stage"] == "reaching")
            assert "change   under way: reaching\n" in run(leader, "status")[0]
            waiting.send_signal(signal.SIGINT)
            assert "the change goes on" in waiting.stderr.read()
            assert waiting.wait(60) == -signal.SIGINT
        assert "another change is under way: node 2 is being reached" in run(
            first, "--timeout", "30", "remove", "1", status=1)[1]
        cluster.nodes[2].go_on()
        until("it is made", lambda: voters(first) == [0, 1, 2])
        cluster.nodes[2].kill()
        cluster.nodes[1].pause()
        said = run(first, "--timeout", "0.2", "remove", "2", status=4)[1]
        assert "no answer within 200ms; the change goes on" in said, said
        cluster.nodes[1].go_on()
        until("it is made", lambda: voters(first) == [0, 1])


def test_abort_ends_a_change_and_its_asker_is_told():
    with Cluster(3, bootstrap=None, **FAST) as cluster:
        first = first_of(cluster, 0, 1)
        cluster.nodes[2].wait_answers().pause()
        with subprocess.Popen(
                [program("raftctl"), "-s", first.socket, "add",
                 member(cluster, 2)], stderr=subprocess.PIPE,
                text=True) as waiting:
            leader = cluster.leader()
            until("it is dialled",
                  lambda: leader.info()["change_stage"] == "reaching")
            run(cluster.follower(), "abort")
            assert "given up by CONFIG ABORT" in waiting.stderr.read()
            assert waiting.wait(60) == 1
        assert voters(first) == [0, 1]


if __name__ == "__main__":
    main(sys.modules[__name__])
