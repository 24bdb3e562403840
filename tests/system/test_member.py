"""Changes of members with real processes: added, removed, replaced, moved,
while nodes die at the worst moment."""

import sys

from cluster import Cluster, Error, main, submit, until
from history import Load, judge

FAST = {"election_timeout": "300ms", "heartbeat_interval": "50ms"}


def member(cluster, number, role=""):
    return "%d=%s%s" % (number, cluster.peer(number), role)


def members(cluster, *numbers):
    return [member(cluster, number) for number in numbers]


def refusal(node, *words):
    """The error that a command must be answered with."""
    try:
        answer = node.call(*words)
    except Error as error:
        return error
    raise AssertionError("%r was answered %r" % (words, answer))


def first_of(cluster, *numbers):
    """A cluster of the nodes `numbers` of one that has no list."""
    first = cluster.nodes[numbers[0]].wait_answers()
    assert first.call("CONFIG", "BOOTSTRAP",
                      member(cluster, numbers[0])) == 1
    if len(numbers) > 1:
        change(cluster, "ADD", *members(cluster, *numbers[1:]))
    return first


def change(cluster, *words):
    """A change asked of whoever leads, until it is made."""
    def asked():
        leader = cluster.leader()
        try:
            return leader.call("CONFIG", *words)
        except Error as error:
            assert error.code in ("NOLEADER", "UNCERTAIN", "CONFLICT"), error
            return None
    return until("the members change", asked)


def voters(node):
    return sorted(int(line.split(b"=")[0]) for line in node.call("CONFIG")
                  if line.endswith(b" voter"))


def test_the_first_session_one_node_then_two_then_three():
    with Cluster(3, start=1, bootstrap=None) as cluster:
        zero, one, two = cluster.nodes
        zero.wait_answers()
        assert zero.call("CONFIG", "BOOTSTRAP", member(cluster, 0)) == 1
        one.start()
        index = until("the leader of one", cluster.leader_now).call(
            "CONFIG", "CHANGE", *members(cluster, 0, 1))
        assert index > 1
        two.start()
        later = zero.call("CONFIG", "CHANGE", *members(cluster, 0, 1, 2))
        assert later > index
        at = submit(zero, b"hello")
        for node in cluster.nodes:
            node.call("WAIT", at, 60000)
            assert node.call("READ", at)[0][2] == b"hello"
            assert voters(node) == [0, 1, 2]
        assert [line[3] for line in two.call("CONFIG", "HISTORY")][0] == (
            b"0=%s voter" % cluster.peer(0).encode())


def test_all_members_are_replaced_by_others_under_load():
    with Cluster(6, bootstrap=None, **FAST) as cluster:
        first_of(cluster, 0, 1, 2)
        with Load(cluster) as load:
            until("load", lambda: load.acknowledged() > 50)
            change(cluster, "CHANGE", *members(cluster, 3, 4, 5))
            wanted = load.acknowledged() + 50
            until("load", lambda: load.acknowledged() >= wanted)
        for node in cluster.nodes[3:]:
            until("it votes", lambda: voters(node) == [3, 4, 5])
        for node in cluster.nodes[:3]:
            until("it is out", lambda: node.role()[0] == b"idle")
            assert refusal(node, "SUBMIT", b"no").code == "NOCONFIG"
            node.kill()
        judge(load.attempts, cluster.settle())


def test_what_cannot_be_is_refused_in_words():
    with Cluster(2, start=1, bootstrap=None) as cluster:
        node = first_of(cluster, 0)
        cluster.leader()
        for words in (["REMOVE", "7"], ["REMOVE", "0"], ["DEMOTE", "0"],
                      ["PROMOTE", "7"], ["ADD", "x"], ["ADD", "7"],
                      ["ADD", "1=a:1", "1=b:1"], ["REPLACE", "7"],
                      ["REPLACE", "0"], ["ADD", "0=elsewhere:1"], ["ABORT"],
                      ["CHANGE", "0=a:1/learner"]):
            error = refusal(node, "CONFIG", *words)
            assert error.code == "ERR", (words, error)
        assert refusal(node, "TRANSFER", "7").code == "ERR"
        assert node.call("TRANSFER", "0") == "OK"
        now = node.call("CONFIG", "HISTORY")[-1][0]
        assert node.call("CONFIG", "ADD", member(cluster, 0)) == now
        assert node.call("CONFIG", "CHANGE", member(cluster, 0)) == now


if __name__ == "__main__":
    main(sys.modules[__name__])
