"""Changes of members with real processes: added, removed, replaced, moved,
while nodes die at the worst moment."""

import signal
import socket
import sys
import time

from cluster import FAST, Cluster, Error, main, refusal, submit, until
from history import Load, judge


def member(cluster, number, role=""):
    return "%d=%s%s" % (number, cluster.peer(number), role)


def members(cluster, *numbers):
    return [member(cluster, number) for number in numbers]


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


def plan(node, *wanted):
    return [line.decode() for line in node.call("CONFIG", "PLAN", *wanted)]


def test_a_plan_tells_the_steps_the_quorums_and_what_speaks_against_it():
    with Cluster(6, bootstrap=None, **FAST) as cluster:
        first_of(cluster, 0, 1, 2)
        before = cluster.nodes[0].call("CONFIG", "HISTORY")
        asked = cluster.follower()
        lines = plan(asked, *members(cluster, 3, 4, 5))
        assert not [line for line in lines if line.startswith("refused")], lines
        assert any("quorum after: 2 of 3 voters are needed; alive: 3, 4, 5; "
                   "missing: none; 1 more can be lost" in line
                   for line in lines), lines
        assert any("which leads, hands leadership over" in line
                   for line in lines), lines
        cluster.nodes[4].kill()
        cluster.nodes[5].kill()
        lines = plan(asked, *members(cluster, 3, 4, 5))
        refused = [line for line in lines if line.startswith("refused")]
        assert len(refused) == 3, lines
        assert "node 4 at" in refused[0] and "node 5 at" in refused[1], lines
        assert refused[2].endswith("4, 5 missing"), lines
        lines = plan(asked, member(cluster, 0), member(cluster, 3, "/learner"))
        assert "step 2: the joint configuration" in lines[1], lines
        assert plan(asked, *members(cluster, 0, 1, 2))[0].startswith("nothing")
        assert any("note: node 0 announces %s" % cluster.peer(0) in line
                   for line in plan(asked, "0=elsewhere:1"))
        assert plan(asked, member(cluster, 0, "/learner")) == [
            "refused: no voter would be left"]
        assert cluster.nodes[0].call("CONFIG", "HISTORY") == before


def test_a_change_to_voters_that_are_dead_wants_force():
    with Cluster(3, bootstrap=None, **FAST) as cluster:
        first_of(cluster, 0, 1, 2)
        change(cluster, "DEMOTE", "1", "2")
        leader = cluster.leader()
        assert leader is cluster.nodes[0]
        # Then the catch-up of both has nothing left to do.
        until("they have the log", lambda: all(
            ",lag=0," in leader.info()["peer_%d" % number]
            for number in (1, 2)))
        cluster.nodes[1].kill()
        cluster.nodes[2].kill()
        wanted = members(cluster, 1, 2)
        until("both are missed", lambda: any(
            line.startswith("refused") for line in plan(leader, *wanted)))
        now = leader.call("CONFIG", "HISTORY")[-1][0]
        error = refusal(leader, "CONFIG", "CHANGE", *wanted)
        assert error.code == "ERR" and "1, 2 missing" in str(error), error
        assert leader.call("CONFIG", "HISTORY")[-1][0] == now
        with leader.client() as asker:
            asker.send("CONFIG", "CHANGE", *wanted, "FORCE")
            until("it is joint",
                  lambda: leader.info()["change_stage"] == "joint")
            until("WHY says what to do", lambda: b"raftctl abort\n" in
                  leader.call("WHY"))
            back = leader.call("CONFIG", "ABORT")
            error = asker.reply()
        assert error.code == "ERR", error
        assert "turned back by CONFIG ABORT: entry %d" % back in str(error)
        leader.call("CONFIG", "SET", "catch-up-timeout", "500ms")
        error = refusal(leader, "CONFIG", "CHANGE", *wanted, "FORCE")
        assert error.code == "TIMEOUT", error
        assert "node 1 made no progress" in str(error), error


def pushes_of_change(events):
    """The stages of a change, and who was caught up, until it is over."""
    stages, caught_up = [], set()
    while "none" not in stages:
        push = events.reply()
        if push[0] == b"change":
            stages.append(push[1].decode())
        elif push[0] == b"catch-up":
            assert push[2] <= push[3] and push[4] >= 1, push
            caught_up.add(push[1])
    return stages, caught_up


def test_events_and_info_tell_how_far_a_change_is():
    with Cluster(4, bootstrap=None, **FAST) as cluster:
        first_of(cluster, 0, 1, 2)
        leader = cluster.leader()
        for _ in range(8):
            submit(leader, bytes(100000))
        assert leader.info()["change_stage"] == "none"
        cluster.nodes[3].wait_answers().pause()
        with leader.client() as events, leader.client() as asker:
            events.send("EVENTS")
            asker.send("CONFIG", "ADD", member(cluster, 3))
            until("it is dialled",
                  lambda: leader.info()["change_stage"] == "reaching")
            assert b"change: node 3 is being reached" in leader.call("WHY")
            cluster.nodes[3].go_on()
            index = asker.reply()
            assert pushes_of_change(events) == (
                ["reaching", "catch-up", "joint", "new", "none"], {3})
        assert leader.info()["config_index"] == str(index)
        assert b"change: none is under way" in leader.call("WHY")


def test_a_leader_that_leaves_costs_no_election_timeout():
    with Cluster(5, bootstrap=None, **FAST) as cluster:
        first_of(cluster, 0, 1, 2, 3, 4)
        submit(cluster.leader(), b"first")
        for node in cluster.nodes:
            node.call("CONFIG", "SET", "election-timeout", "60s")
        submit(cluster.leader(), b"all have heard of it")
        started = time.monotonic()
        for how in ("transfer", "signal", "remove"):
            left = cluster.leader()
            others = [node for node in cluster.running() if node is not left]
            if how == "transfer":
                others[0].call("TRANSFER", others[1].number)
                assert cluster.leader() is others[1]
            elif how == "signal":
                assert left.kill(signal.SIGTERM) == 0
            else:
                others[0].call("CONFIG", "REMOVE", left.number)
                until("it is out", lambda: left.role()[0] == b"idle")
            submit(others[0], how)
        assert time.monotonic() - started < 20


def addresses(node):
    return [line.split(b" ")[0].split(b"=")[1].decode()
            for line in node.call("CONFIG")]


def test_a_node_that_comes_back_elsewhere_is_reached_and_recorded():
    with Cluster(3, bootstrap=None, **FAST) as cluster:
        first_of(cluster, 0, 1, 2)
        mover = cluster.follower()
        mover.kill()
        cluster.move(mover.number)
        mover.start()
        wanted = [cluster.peer(number) for number in range(3)]
        for node in cluster.nodes:
            until("it is recorded", lambda: node.wait_answers()
                  and addresses(node) == wanted)
        cluster.settle()


def test_all_nodes_come_back_elsewhere_at_once():
    with Cluster(3, **FAST) as cluster:
        kept = submit(cluster.nodes[0].wait_answers(), b"kept")
        cluster.settle()
        history = len(cluster.leader().call("CONFIG", "HISTORY"))
        for node in cluster.nodes:
            node.kill()
            cluster.move(node.number)
        wanted = [cluster.peer(number) for number in range(3)]
        for node in cluster.nodes:
            node.set_conf(bootstrap=", ".join(members(cluster, 0, 1, 2)))
            node.start()
        for node in cluster.nodes:
            until("all are recorded", lambda: node.wait_answers()
                  and addresses(node) == wanted)
        assert cluster.settle()[kept][1] == b"kept"
        leader = cluster.leader()
        assert len(leader.call("CONFIG", "HISTORY")) <= history + 3
        change(cluster, "DEMOTE", str(cluster.follower().number))


def mute(address):
    """Something that accepts connections there, and says nothing."""
    host, port = address.rsplit(":", 1)
    return socket.create_server((host, int(port)), backlog=100)


def test_hosts_that_swallow_everything_do_not_hide_where_the_nodes_are():
    with Cluster(3, **FAST) as cluster:
        submit(cluster.nodes[0].wait_answers(), b"before")
        cluster.settle()
        for node in cluster.nodes:
            node.kill()
        walls = [mute(cluster.peer(number)) for number in range(3)]
        for node in cluster.nodes:
            cluster.move(node.number)
        for node in cluster.nodes:
            node.set_conf(bootstrap=", ".join(members(cluster, 0, 1, 2)))
            node.start()
        started = time.monotonic()
        cluster.settle()
        assert time.monotonic() - started < 9
        for wall in walls:
            wall.close()


def test_a_new_member_that_cannot_be_had_changes_nothing():
    with Cluster(2, start=1, bootstrap=None, **FAST) as cluster:
        node = first_of(cluster, 0)
        before = cluster.leader().call("CONFIG", "HISTORY")
        node.call("CONFIG", "SET", "catch-up-timeout", "300ms")
        error = refusal(node, "CONFIG", "ADD", member(cluster, 1))
        assert error.code == "TIMEOUT", error
        assert "node 1 at %s cannot be reached" % cluster.peer(1) in str(error)
        stranger = cluster.nodes[1]
        stranger.set_conf(cluster="other")
        stranger.start().wait_answers()
        error = refusal(node, "CONFIG", "ADD", member(cluster, 1))
        assert error.code == "ERR" and "of cluster other" in str(error), error
        error = refusal(node, "CONFIG", "ADD", "1=%s" % cluster.peer(0))
        assert error.code == "ERR" and "cannot be a member" in str(error)
        assert node.call("CONFIG", "HISTORY") == before


if __name__ == "__main__":
    main(sys.modules[__name__])
