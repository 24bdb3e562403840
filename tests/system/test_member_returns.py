#!/usr/bin/env python3
"""Nodes that were removed, wiped, copied or replaced, and come back."""

import os
import shutil
import socket
import subprocess
import sys

from cluster import (FAST, Cluster, Error, main, program, refusal, says, submit,
                     until)
from test_member import change, first_of, member, members, voters


def raftctl(node, *words):
    """What it printed; its status is 0."""
    return subprocess.run([program("raftctl"), "-s", node.socket, *words],
                          capture_output=True, timeout=60, check=True,
                          text=True).stdout


def database(node):
    return [name for name in os.listdir(node.directory)
            if name.startswith("raft.db")]


def wipe(node):
    for name in database(node):
        os.unlink(os.path.join(node.directory, name))


def copy_to(node, directory):
    os.makedirs(directory, exist_ok=True)
    for name in database(node):
        shutil.copy(os.path.join(node.directory, name), directory)


def is_out(node):
    until("it says that it is out", lambda: node.role()[0] == b"idle"
          and "no member since entry" in node.call("WHY").decode())
    until("it knows no leader", lambda: node.role()[2] == -1)
    assert "is not a member" in node.info()["waiting_for"]
    error = refusal(node, "SUBMIT", "no")
    assert error.code == "NOCONFIG" and "is not a member" in str(error), error


def test_a_node_that_was_removed_while_it_was_down_learns_of_it():
    with Cluster(4, bootstrap=None, **FAST) as cluster:
        first_of(cluster, 0, 1, 2, 3)
        kept = submit(cluster.leader(), b"kept")
        gone = cluster.follower()
        gone.call("WAIT", kept, 60000)
        gone.kill()
        change(cluster, "REMOVE", str(gone.number))
        term = cluster.leader().role()[1]
        gone.start().wait_answers()
        is_out(gone)
        until("it has told what it has", lambda: [
            entry[2] for entry in gone.call("READ", kept)] == [b"kept"])
        cluster.settle_of(node for node in cluster.nodes if node is not gone)
        assert cluster.leader().role()[1] == term  # it disturbed nobody
        change(cluster, "ADD", member(cluster, gone.number))
        assert gone.role()[0] == b"follower"
        cluster.settle()


def leads(cluster, node):
    """Whoever leads hands over to it, if that can be done now."""
    if cluster.leader() is node:
        return True
    try:
        cluster.leader().call("TRANSFER", node.number)
    except Error:
        pass
    return False


def test_a_learner_that_has_moved_is_promoted_where_it_is():
    with Cluster(3, bootstrap=None, catch_up_timeout="5s", **FAST) as cluster:
        first_of(cluster, 0, 2)
        change(cluster, "ADD", member(cluster, 1, "/learner"))
        cluster.settle()
        leader, moved = cluster.nodes[:2]
        for node in leader, moved:  # neither will know where the other one is
            node.kill()
            cluster.move(node.number)
        leader.start().wait_answers()
        until("it leads", lambda: leads(cluster, leader))
        moved.start()
        change(cluster, "CHANGE", *members(cluster, 0, 1, 2))
        assert voters(leader) == [0, 1, 2]
        cluster.settle()


def test_a_removal_that_is_compacted_away_is_still_told():
    with Cluster(4, bootstrap=None, **FAST) as cluster:
        first_of(cluster, 0, 1, 2, 3)
        submit(cluster.leader(), b"before")
        cluster.settle()
        gone = cluster.follower()
        gone.kill()
        change(cluster, "REMOVE", str(gone.number))
        last = submit(cluster.leader(), b"after")
        others = [node for node in cluster.nodes if node is not gone]
        for node in others:
            node.call("WAIT", last, 60000)
            assert node.call("COMPACT", last, "FORCE") == last + 1
        for node in others:  # what they knew besides their logs is forgotten
            node.kill()
            node.start()
        submit(cluster.leader(), b"they go on")
        path = os.path.join(cluster.directory, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(path)
            systemd.settimeout(60)
            os.environ["NOTIFY_SOCKET"] = path
            try:
                gone.start().wait_answers()
            finally:
                del os.environ["NOTIFY_SOCKET"]
            is_out(gone)
            while not systemd.recv(1000).startswith(b"STATUS=idle of term"):
                pass


def test_a_wiped_node_is_refused_until_it_is_replaced():
    with Cluster(3, **FAST) as cluster:
        submit(cluster.nodes[0].wait_answers(), b"before")
        cluster.settle()
        wiped = cluster.follower()
        aside = os.path.join(cluster.directory, "aside")
        wiped.kill()
        copy_to(wiped, aside)
        wipe(wiped)
        wiped.start().wait_answers()
        remedy = "raftctl replace %d" % wiped.number
        says(wiped, "another data directory", "next: put this node's own",
             remedy)
        assert remedy in str(refusal(wiped, "SUBMIT", "no"))
        says(cluster.leader(), remedy, "next: put the old data directory")
        assert int(raftctl(cluster.leader(), "replace", str(wiped.number))) > 1
        assert wiped.role()[0] == b"follower"
        cluster.settle()
        # The lost disk is found again: it is nobody's any more.
        wiped.kill()
        wipe(wiped)
        for name in os.listdir(aside):
            shutil.copy(os.path.join(aside, name), wiped.directory)
        wiped.start().wait_answers()
        is_out(wiped)


def test_a_lost_host_is_replaced_by_another_one():
    with Cluster(3, **FAST) as cluster:
        submit(cluster.nodes[0].wait_answers(), b"before")
        cluster.settle()
        lost = cluster.follower()
        lost.kill()
        wipe(lost)
        cluster.move(lost.number)
        lost.set_conf(bootstrap=None)
        lost.start().wait_answers()
        raftctl(cluster.leader(), "replace", member(cluster, lost.number))
        assert lost.role()[0] == b"follower"
        assert member(cluster, lost.number) in raftctl(lost, "history")
        cluster.settle()


def test_a_member_that_is_well_is_replaced_with_force_only():
    with Cluster(3, **FAST) as cluster:
        submit(cluster.nodes[0].wait_answers(), b"before")
        leader, other = cluster.leader(), cluster.follower()
        error = refusal(leader, "CONFIG", "REPLACE", other.number)
        assert error.code == "ERR" and "is alive" in str(error), error
        leader.call("CONFIG", "SET", "catch-up-timeout", "300ms")
        error = refusal(leader, "CONFIG", "REPLACE", other.number, "FORCE")
        assert error.code == "TIMEOUT", error
        assert "the removal of node %d" % other.number in str(error), error
        is_out(other)


def test_a_copied_data_directory_does_not_run_twice():
    with Cluster(3, **FAST) as cluster:
        submit(cluster.nodes[0].wait_answers(), b"before")
        cluster.settle()
        first = cluster.follower()
        first.kill()
        copy = os.path.join(cluster.directory, "copy")
        copy_to(first, copy)
        first.start().wait_answers()
        cluster.settle()
        # The copy has counted as many starts as the one that runs.
        second = cluster.twin(first, copy).start()
        second.wait_answers()
        says(second, "runs twice")
        cluster.settle()
        # Started once more it has counted more: now the first one is out.
        second.kill()
        second.start().wait_answers()
        until("it is a follower", lambda: second.role()[2] >= 0)
        says(first, "runs twice")


def test_data_that_was_lost_is_refused_and_not_asserted_on():
    with Cluster(3, **FAST) as cluster:
        submit(cluster.nodes[0].wait_answers(), b"before")
        cluster.settle()
        leader, victim = cluster.leader(), cluster.follower()
        victim.kill()
        old = os.path.join(cluster.directory, "old")
        copy_to(victim, old)
        victim.start().wait_answers()
        for _ in range(3):
            submit(leader, b"later")
        cluster.settle()
        term = leader.role()[1]
        victim.kill()
        wipe(victim)
        for name in os.listdir(old):
            shutil.copy(os.path.join(old, name), victim.directory)
        for _ in range(2):  # to be no copy it must have been started more often
            victim.start().wait_answers()
            victim.kill()
        victim.start().wait_answers()
        says(leader, "has lost entries that it had acknowledged",
             "next: put the old data directory of node %d" % victim.number)
        assert leader.role()[0:2] == [b"leader", term]
        submit(leader, b"the others go on")


if __name__ == "__main__":
    main(sys.modules[__name__])
