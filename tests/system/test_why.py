"""WHY and raftctl why: what they say of a cluster that is whole, is not born,
has lost one node, and has lost its majority.
"""

import json
import os
import subprocess
import sys

from cluster import FAST, Cluster, main, program, says, submit


def test_before_the_birth_it_names_whom_to_start():
    with Cluster(3, start=2) as cluster:
        node = cluster.nodes[0].wait_answers()
        says(node, "waiting for node 2 at " + cluster.peer(2),
             "next: start the nodes that are waited for")


def test_a_node_without_a_list_is_told_how_to_begin():
    with Cluster(1, bootstrap=None) as cluster:
        node = cluster.nodes[0].wait_answers()
        says(node, "next: for a new cluster: raftctl bootstrap 0=" +
             cluster.peer(0))
        node.kill()
        node.start().wait_answers()
        says(node, "disk: ok\n")  # of no save there is nothing to say


def test_a_whole_cluster_needs_nothing_and_its_logs_are_level():
    with Cluster(3, **FAST) as cluster:
        last = submit(cluster.leader(), b"before")
        leader = cluster.leader()
        says(leader, "missing: none", "has the log to %d, 0 behind" % last,
             "disk: ok", "change: none", "next: nothing needs to be done")
        says(cluster.follower(), "node %d at %s leads" % (
            leader.number, cluster.peer(leader.number)),
            "next: nothing needs to be done")


def test_one_loss_is_named_by_the_leader():
    with Cluster(3, **FAST) as cluster:
        victim = cluster.follower()
        victim.kill()
        leader = cluster.leader()
        says(leader, "missing: %d\n" % victim.number, "not connected: ",
             "next: bring back node %d: one more loss" % victim.number)


def test_a_lost_majority_is_named_without_a_leader():
    with Cluster(3, **FAST) as cluster:
        submit(cluster.leader(), b"before")
        alone = cluster.follower()
        others = [node for node in cluster.nodes if node is not alone]
        others[0].kill()
        others[1].pause()  # its connections stand, but it says nothing
        names = ", ".join(str(node.number) for node in others)
        says(alone, "no leader is known", "missing: %s\n" % names,
             "next: bring back 1 of the nodes " + names)
        said = subprocess.run(
            [program("raftctl"), "-s", alone.socket, "--json", "why"],
            capture_output=True, timeout=60, check=True).stdout
        lines = json.loads(said)["why"]
        assert lines[-1].startswith("next: bring back 1"), lines
        others[1].go_on()
        others[0].start()
        says(alone, "next: nothing needs to be done")


def test_a_wiped_disk_is_to_be_replaced():
    with Cluster(3, **FAST) as cluster:
        submit(cluster.leader(), b"before")
        victim = cluster.follower()
        victim.kill()
        for name in os.listdir(victim.directory):
            if name.startswith("raft.db"):
                os.unlink(os.path.join(victim.directory, name))
        victim.start().wait_answers()
        says(victim, "another data directory",
             "raftctl replace %d" % victim.number)


if __name__ == "__main__":
    main(sys.modules[__name__])
