#!/usr/bin/env python3
"""raftctl members, bootstrap, history, config; and what is printable."""

import json
import sys

from raftctl_script import (
    CLOSE,
    OK,
    Error,
    Node,
    Raw,
    encode,
    ends,
    equal,
    main,
    run,
    test,
)
from raftctl_said import CONFIG, INFO_IDLE

@test
def members_are_listed():
    with Node(lambda words: CONFIG) as node:
        equal(
            run(node, "members").out,
            "ID  ADDRESS         ROLE\n"
            " 0  127.0.0.1:7000  voter\n"
            " 1  127.0.0.1:7001  voter\n"
            " 2  127.0.0.1:7002  learner\n",
        )
        lines = run(node, "members", "--json").out.splitlines()
        equal(
            json.loads(lines[2]),
            {"id": 2, "address": "127.0.0.1:7002", "role": "learner"},
        )
        equal(len(lines), 3)
        equal(node.requests[0], [b"CONFIG"])


@test
def members_of_a_node_without_configuration_are_none():
    with Node(lambda words: []) as node:
        result = run(node, "members")
        ends(result, 0)
        equal(result.out, "")
        assert "no configuration" in result.err


@test
def bootstrap_hands_its_members_on():
    with Node(lambda words: 1) as node:
        result = run(node, "bootstrap", "0=a:1", "1=b:2/learner")
        ends(result, 0)
        equal(result.out, "1\n")
        equal(
            node.requests,
            [[b"CONFIG", b"BOOTSTRAP", b"0=a:1", b"1=b:2/learner"]],
        )
        ends(run(node, "bootstrap"), 2)


@test
def a_bootstrap_whose_answer_is_lost_is_uncertain():
    with Node(lambda words: CLOSE) as node:
        ends(run(node, "bootstrap", "0=a:1"), 4)


@test
def a_bootstrap_that_goes_on_is_uncertain_and_a_change_in_time_refused():
    error = Error("TIMEOUT the cluster is not born yet: waiting for node 1 at "
                  "b:2; the bootstrap goes on")
    with Node(lambda words: error) as node:
        result = run(node, "bootstrap", "0=a:1", "1=b:2")
        ends(result, 4)
        equal(result.err, "raftctl: %s\n" % error)
        ends(run(node, "add", "1=b:2"), 1)
        ends(run(node, "wait", "1"), 1)
    with Node(lambda words: Error("TIMEOUTS are no TIMEOUT")) as node:
        ends(run(node, "bootstrap", "0=a:1"), 1)


@test
def history_is_a_table_with_times():
    rows = [
        [1, 1, 1700000000123, "0=a:1 voter"],
        [9, 2, 1700000060000, "0=a:1 voter, 1=b:2 learner", "more"],
    ]
    with Node(lambda words: rows) as node:
        equal(
            run(node, "history").out,
            "INDEX  TERM  TIME                  MEMBERS\n"
            "    1     1  2023-11-14T22:13:20Z  0=a:1 voter\n"
            "    9     2  2023-11-14T22:14:20Z  "
            "0=a:1 voter, 1=b:2 learner\n",
        )
        lines = run(node, "--json", "history").out.splitlines()
        equal(
            json.loads(lines[1]),
            {
                "index": 9,
                "term": 2,
                "unix_ms": 1700000060000,
                "members": [
                    {"id": 0, "address": "a:1", "role": "voter"},
                    {"id": 1, "address": "b:2", "role": "learner"},
                ],
            },
        )
        equal(node.requests[0], [b"CONFIG", b"HISTORY"])


@test
def config_get_and_set_speak_of_parameters():
    def answer(words):
        if words[1] == b"GET":
            return ["log-level", "info", "log-format", "text"]
        if words[2] == b"log-level":
            return OK
        return Error("ERR 'id' cannot change at run time")

    with Node(answer) as node:
        equal(
            run(node, "config", "get", "log-*").out,
            "log-level = info\nlog-format = text\n",
        )
        result = run(node, "--json", "config", "get", "log-*")
        equal(
            json.loads(result.out.splitlines()[0]),
            {"key": "log-level", "value": "info"},
        )
        result = run(node, "config", "set", "log-level", "debug")
        ends(result, 0)
        equal(result.out, "")
        equal(node.requests[-1], [b"CONFIG", b"SET", b"log-level", b"debug"])
        result = run(node, "config", "set", "id", "7")
        ends(result, 1)
        equal(result.err, "raftctl: ERR 'id' cannot change at run time\n")


@test
def nothing_that_a_node_sends_reaches_the_terminal_as_control():
    evil = "\033[2Jboo"

    def answer(words):
        if words[0] == b"INFO":
            return INFO_IDLE.replace("1=127.0.0.1:7001", evil)
        if words[0] == b"READ":
            return [[1, 1, evil]]
        if words == [b"CONFIG"]:
            return ["0=" + evil + " voter"]
        if words == [b"WHY"]:
            return "a line\n" + evil + "\n"
        if words == [b"DIGEST"]:
            return [1, evil]
        if words[0] == b"SNAPSHOT":
            return [1, 1, 1, evil]
        if words[0] == b"EVENTS":
            return Raw(encode(["role", evil, 1]) + encode(["config", 1, evil])
                       + encode(Error("ERR it is over")))
        if words[:2] == [b"CONFIG", b"PLAN"]:
            return [evil]
        if words[:2] == [b"CONFIG", b"HISTORY"]:
            return [[1, 1, 1, "0=" + evil + " voter"]]
        if words[0] == b"CONFIG":
            return [evil, evil]
        return Error("ERR " + evil)

    with Node(answer) as node:
        for arguments in (
            ["status"],
            ["members"],
            ["history"],
            ["config", "get", "*"],
            ["read", "1", "1"],
            ["submit", "x"],
            ["why"],
            ["digest"],
            ["snapshot", "info"],
            ["events"],
            ["plan", "0=a:1"],
            ["--json", "status"],
            ["--json", "history"],
        ):
            result = run(node, *arguments)
            assert "boo" in result.out + result.err, (arguments, result)
            assert "\033" not in result.out + result.err, (arguments, result)
        equal(run(node, "why").out, "a line\n?[2Jboo\n")


@test
def what_is_long_is_printed_whole():
    long = ", ".join("%d=%s:7000 voter" % (i, "a" * 253) for i in range(64))

    def answer(words):
        if words[0] == b"EVENTS":
            return Raw(encode(["config", 1, long]) + encode(Error("ERR over")))
        return [long] if words[1] == b"PLAN" else ["bootstrap", long]

    with Node(answer) as node:
        equal(run(node, "config", "get", "*").out, "bootstrap = %s\n" % long)
        equal(run(node, "plan", "0=a:1").out, "%s\n" % long)
        equal(run(node, "events").out, "config 1 %s\n" % long)


if __name__ == "__main__":
    sys.exit(main())
