#!/usr/bin/env python3
"""raftctl add, remove, promote, demote, change, replace, plan, abort,
transfer: what they send and say, against a scripted node."""

import json
import os
import pty
import signal
import subprocess
import sys

from raftctl_script import (
    CLOSE,
    OK,
    PATIENCE,
    SILENCE,
    Error,
    Node,
    Raw,
    encode,
    ends,
    equal,
    main,
    read_until,
    run,
    start,
    test,
)
from raftctl_said import INFO_LOST, status_node

JOINT = [
    "0=127.0.0.1:7000 voter",
    "1=127.0.0.1:7001 outgoing",
    "2=127.0.0.1:7002 outgoing",
    "3=127.0.0.1:7003 incoming",
    "4=127.0.0.1:7004 learner",
]


@test
def changes_send_their_arguments_and_print_the_index():
    for arguments, words in (
        (["add", "3=c:3", "4=d:4/learner"], ["ADD", "3=c:3", "4=d:4/learner"]),
        (["remove", "3", "1"], ["REMOVE", "3", "1"]),
        (["promote", "4"], ["PROMOTE", "4"]),
        (["demote", "0", "2"], ["DEMOTE", "0", "2"]),
        (["change", "0=[::1]:1", "1=b:2"], ["CHANGE", "0=[::1]:1", "1=b:2"]),
        (["change", "0=a:1, 1=b:2,2=c:3"], ["CHANGE", "0=a:1", "1=b:2", "2=c:3"]),
        (["replace", "2"], ["REPLACE", "2"]),
        (["replace", "2=c:9"], ["REPLACE", "2=c:9"]),
        (["abort"], ["ABORT"]),
        (["add", "--force", "3=c:3"], ["ADD", "3=c:3", "FORCE"]),
        (["--force", "change", "3=c:3"], ["CHANGE", "3=c:3", "FORCE"]),
        (["remove", "--force", "3"], ["REMOVE", "3", "FORCE"]),
        (["replace", "--force", "3"], ["REPLACE", "3", "FORCE"]),
    ):
        with Node(lambda words: 17) as node:
            result = run(node, *arguments)
            ends(result, 0)
            equal(result.out, "17\n")
            equal(result.err, "")
            equal(node.requests, [[b"CONFIG"] + [w.encode() for w in words]])
    with Node(lambda words: 17) as node:
        result = run(node, "--json", "remove", "3")
        equal(json.loads(result.out), {"index": 17})


@test
def wrong_members_are_named_before_anything_is_sent():
    many = ["%d=a:1" % number for number in range(65)]
    with Node(lambda words: 17) as node:
        for arguments, says in (
            (["add", "3"], "'3': a member is id=host:port"),
            (["add", "x=a:1"], "'x=a:1': a member is id=host:port"),
            (["add", "4294967295=a:1"], "with an id of 0 to 4294967294"),
            (["add", "3=a"], "'3=a': a member's address is host:port"),
            (["add", "3=a:99999"], "a member's address is host:port"),
            (["add", "3=a:1/voter"], "a member's address is host:port"),
            (["add", "3=a:1", "3=b:1"], "'3=b:1': the id is named twice"),
            (["add", ""], "an argument is empty"),
            (["change"] + many, "more than 64 members"),
            (["change", "3=a:1/learner"], "none of these members votes"),
            (["plan", "3=a:1/learner"], "none of these members votes"),
            (["bootstrap", "3=a:1/learner"], "none of these members votes"),
            (["bootstrap", "3:a=1"], "bootstrap: '3:a=1': a member is"),
            (["add", "3=" + "a" * 400 + ":1"], "longer than any member is"),
            (["remove", "3=a:1"], "'3=a:1': expected the id of a node"),
            (["promote", "-1", "--"], "there is no option"),
            (["demote", "1", "1"], "'1': the id is named twice"),
            (["replace", "3=a:1/learner"], "takes the role that the node had"),
            (["replace", "a:1"], "expected the id of a node"),
            (["transfer", "a"], "transfer: 'a': expected the id of a node"),
            (["abort", "1"], "too many arguments"),
            (["add"], "too few arguments"),
            (["plan", "--force", "0=a:1"], "plan takes no option --force"),
            (["transfer", "--force"], "transfer takes no option --force"),
        ):
            result = run(node, *arguments)
            ends(result, 2)
            assert says in result.err, (arguments, result)
            equal(result.out, "")
        equal(node.requests, [])


@test
def refused_and_uncertain_changes_have_their_status():
    answers = {
        b"ADD": Error("TIMEOUT node 3 made no progress for 60s; nothing changed"),
        b"REMOVE": Error("CONFLICT another change is under way"),
        b"PROMOTE": Error("UNCERTAIN the leader was lost"),
        b"DEMOTE": CLOSE,
        b"ABORT": Error("ERR no change is under way"),
    }
    with Node(lambda words: answers[words[1]]) as node:
        result = run(node, "add", "3=c:3")
        ends(result, 1)
        assert "TIMEOUT node 3 made no progress" in result.err, result
        ends(run(node, "remove", "3"), 1)
        ends(run(node, "promote", "3"), 4)
        result = run(node, "demote", "3")
        ends(result, 4)
        assert "raftctl members tells" in result.err, result
        ends(run(node, "abort"), 1)
    with Node(lambda words: "strange") as node:
        ends(run(node, "add", "3=c:3"), 4)
    ends(run("/nonexistent/sock", "add", "3=c:3"), 3)


@test
def a_change_that_is_not_waited_for_goes_on_and_raftctl_says_so():
    with Node(lambda words: SILENCE) as node:
        result = run(node, "--timeout", "0.1", "add", "3=c:3")
        ends(result, 4)
        assert "no answer within 100ms; the change goes on" in result.err, result
        assert "raftctl abort" in result.err, result
        result = run(node, "--timeout", "0.1", "abort")
        ends(result, 4)
        assert "the order stands" in result.err, result


@test
def an_interrupted_change_says_that_it_goes_on_and_ends_by_the_signal():
    for number in (signal.SIGINT, signal.SIGTERM):
        with Node(lambda words: SILENCE) as node:
            process = start(
                node,
                "add",
                "3=c:3",
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            node.wait_for_requests(1)
            process.send_signal(number)
            out, err = process.communicate(timeout=PATIENCE)
            equal(process.returncode, -number)
            equal(out, b"")
            assert b"interrupted; the change goes on" in err, err
            assert b"raftctl members" in err, err
            assert b"raftctl abort" in err, err


@test
def a_terminal_shows_how_far_the_change_is():
    pushes = [
        ["role", "leader", 3],
        ["leader", 0, "a:1", 3],
        ["config", 1, "0=a:1 voter"],
        ["change", "catch-up", 1],
        ["catch-up", 3, 250, 1000, 1],
    ]

    def answer(words):
        if words == [b"EVENTS"]:
            return Raw(b"".join(encode(push) for push in pushes))
        return SILENCE

    with Node(answer) as node:
        leader, follower = pty.openpty()
        process = start(
            node,
            "add",
            "3=c:3",
            stdout=subprocess.DEVNULL,
            stderr=follower,
        )
        os.close(follower)
        shown = read_until(leader, b"left")
        assert b"node 3 [" in shown, shown
        assert b"25%  250 of 1000" in shown, shown
        # The answer, on the connection that asked, which came first.
        node.connections[0].sendall(b":9\r\n")
        read_until(leader, b"\r\033[K")
        equal(process.wait(PATIENCE), 0)
        os.close(leader)


@test
def a_terminal_does_without_events_where_there_are_none():
    def answer(words):
        return CLOSE if words == [b"EVENTS"] else SILENCE

    with Node(answer) as node:
        leader, follower = pty.openpty()
        process = start(
            node,
            "add",
            "3=c:3",
            stdout=subprocess.DEVNULL,
            stderr=follower,
        )
        os.close(follower)
        read_until(leader, b"0:01")
        node.connections[0].sendall(b":9\r\n")
        equal(process.wait(PATIENCE), 0)
        os.close(leader)


@test
def plan_prints_its_lines_and_its_status_says_whether_it_is_refused():
    lines = ["step 1: node 3 is caught up", "quorum after: 2 of 3 alive"]
    with Node(lambda words: lines) as node:
        result = run(node, "plan", "0=a:1", "3=c:3")
        ends(result, 0)
        equal(result.out, "\n".join(lines) + "\n")
        equal(node.requests, [[b"CONFIG", b"PLAN", b"0=a:1", b"3=c:3"]])
        result = run(node, "--json", "plan", "0=a:1")
        equal(json.loads(result.out), {"plan": lines, "refused": False})
    lines.append("refused: nodes 3 and 4 are not alive")
    with Node(lambda words: lines) as node:
        ends(run(node, "plan", "0=a:1", "3=c:3"), 1)
        result = run(node, "--json", "plan", "0=a:1")
        ends(result, 1)
        equal(json.loads(result.out)["refused"], True)
    with Node(lambda words: [["nested"]]) as node:
        ends(run(node, "plan", "0=a:1"), 3)


@test
def transfer_prints_who_leads_then():
    def answer(words):
        return OK if words[0] == b"TRANSFER" else ["follower", 4, 2, 17]

    with Node(answer) as node:
        result = run(node, "transfer", "2")
        ends(result, 0)
        equal(result.out, "2\n")
        result = run(node, "--json", "transfer")
        equal(json.loads(result.out), {"leader": 2, "term": 4})
        equal(
            node.requests,
            [[b"TRANSFER", b"2"], [b"ROLE"], [b"TRANSFER"], [b"ROLE"]],
        )
    with Node(lambda words: Error("TIMEOUT node 2 is not caught up")) as node:
        ends(run(node, "transfer", "2"), 1)
    with Node(lambda words: CLOSE) as node:
        ends(run(node, "transfer"), 4)


@test
def members_of_a_joint_configuration_are_said_to_be_on_their_way():
    with Node(lambda words: JOINT) as node:
        result = run(node, "members")
        assert " 1  127.0.0.1:7001  outgoing\n" in result.out, result
        assert " 3  127.0.0.1:7003  incoming\n" in result.out, result
        assert "A change is under way" in result.out, result
        lines = run(node, "members", "--json").out.splitlines()
        equal(json.loads(lines[3])["role"], "incoming")
        equal(len(lines), 5)


@test
def status_without_a_leader_counts_both_majorities_of_a_joint_configuration():
    with status_node(INFO_LOST, JOINT) as node:
        result = run(node, "status")
        assert (
            "leader   none; 1 of 3 old voters in touch, 2 needed; "
            "1 of 2 new voters in touch, 2 needed\n" in result.out
        ), result


if __name__ == "__main__":
    sys.exit(main())
