#!/usr/bin/env python3
"""raftctl wait, barrier, read, follow, events."""

import base64
import json
import signal
import subprocess
import sys

from raftctl_script import (
    CLOSE,
    PATIENCE,
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
from raftctl_said import CLUSTER_ID

@test
def wait_and_barrier_print_an_index():
    def answer(words):
        if words[-1] == b"9999":
            return Error("TIMEOUT index 5 is not committed")
        return 17

    with Node(answer) as node:
        equal(run(node, "wait", "5").out, "17\n")
        equal(
            json.loads(run(node, "--json", "wait", "5", "10").out),
            {"commit_index": 17},
        )
        ends(run(node, "wait", "5", "9999"), 1)
        equal(run(node, "barrier").out, "17\n")
        equal(json.loads(run(node, "--json", "barrier").out), {"index": 17})
        equal(
            node.requests,
            [
                [b"WAIT", b"5"],
                [b"WAIT", b"5", b"10"],
                [b"WAIT", b"5", b"9999"],
                [b"BARRIER"],
                [b"BARRIER"],
            ],
        )
        ends(run(node, "wait", "soon"), 2)
        ends(run(node, "wait", "5", "soon"), 2)


@test
def outcome_prints_the_index_or_none():
    answers = {b"here": 17, b"gone": None, b"odd": b"17",
               b"lost": Error("FORGOTTEN keys up to 5 are forgotten")}
    with Node(lambda words: answers[words[1]]) as node:
        equal(run(node, "outcome", "here").out, "17\n")
        result = run(node, "outcome", "gone", "--since", "0")
        ends(result, 0)
        equal(result.out, "none\n")
        for name, index in (("here", 17), ("gone", None)):
            equal(json.loads(run(node, "--json", "outcome", name).out),
                  {"index": index})
        ends(run(node, "outcome", "lost"), 1)
        ends(run(node, "outcome", "odd"), 3)
        equal(node.requests[:2], [[b"OUTCOME", b"here"],
                                  [b"OUTCOME", b"gone", b"SINCE", b"0"]])
        count = len(node.requests)
        ends(run(node, "outcome"), 2)
        ends(run(node, "outcome", ""), 2)
        ends(run(node, "outcome", "k" * 129), 2)
        ends(run(node, "outcome", "k", "--since", "soon"), 2)
        equal(len(node.requests), count)


@test
def digest_prints_an_index_and_the_digest():
    def answer(words):
        if len(words) > 1 and words[1] == b"99":
            return Error("ERR 99 is not committed here yet")
        return [int(words[1]) if len(words) > 1 else 42, b"0a" * 16, "later"]

    with Node(answer) as node:
        equal(run(node, "digest").out, "42 %s\n" % ("0a" * 16))
        equal(run(node, "digest", "7").out, "7 %s\n" % ("0a" * 16))
        equal(json.loads(run(node, "--json", "digest").out),
              {"index": 42, "digest": "0a" * 16})
        ends(run(node, "digest", "99"), 1)
        ends(run(node, "digest", "soon"), 2)
    with Node(lambda words: [1, 2]) as node:
        ends(run(node, "digest"), 3)


@test
def compact_prints_what_is_left():
    with Node(lambda words: 6) as node:
        equal(run(node, "compact", "5").out, "6\n")
        equal(
            json.loads(run(node, "--json", "compact", "--force", "5").out),
            {"first_index": 6},
        )
        equal(
            node.requests,
            [[b"COMPACT", b"5"], [b"COMPACT", b"5", b"FORCE"]],
        )
        ends(run(node, "compact"), 2)
        ends(run(node, "compact", "all"), 2)
    with Node(lambda words: Error("ERR 5 is not committed here")) as node:
        ends(run(node, "compact", "5"), 1)


PAYLOADS = {3: b"hello", 4: b'tab\t"q" \\ \x00\xff', 7: "\u00e9".encode()}


def read_answer(words):
    first, limit = int(words[1]), int(words[3])
    found = [[i, 2, p, "later"] for i, p in PAYLOADS.items() if i >= first]
    return found[:limit]


@test
def read_prints_entries_with_escapes():
    with Node(read_answer) as node:
        result = run(node, "read", "1")
        ends(result, 0)
        equal(
            result.out,
            "3 2 hello\n"
            '4 2 tab\\t"q" \\\\ \\x00\\xff\n'
            "7 2 \\xc3\\xa9\n",
        )
        equal(node.requests[0], [b"READ", b"1", b"COUNT", b"100"])
        equal(run(node, "read", "1", "2").out.count("\n"), 2)
        equal(run(node, "read", "8").out, "")
        ends(run(node, "read", "1", "0"), 2)
        ends(run(node, "read", "-1"), 2)


@test
def read_as_json_tells_text_from_bytes():
    with Node(read_answer) as node:
        lines = run(node, "--json", "read", "1").out.splitlines()
        coded = base64.b64encode(PAYLOADS[4]).decode()
        equal(
            [json.loads(line) for line in lines],
            [
                {"index": 3, "term": 2, "payload": "hello"},
                {"index": 4, "term": 2, "payload_base64": coded},
                {"index": 7, "term": 2, "payload": "\u00e9"},
            ],
        )


@test
def read_raw_prints_payloads_to_the_byte():
    with Node(read_answer) as node:
        result = run(node, "read", "--raw", "1", "2")
        equal(
            result.out.encode("utf-8", "surrogateescape"),
            b'hello\ntab\t"q" \\ \x00\xff\n',
        )
        ends(run(node, "read", "--raw", "--json", "1"), 2)


@test
def read_goes_on_where_one_reply_does_not_hold_all():
    def answer(words):
        first, limit = int(words[1]), int(words[3])
        last = min(first + min(limit, 300), 2001)  # the node's own limit
        return [[i, 1, b"%d" % i] for i in range(first, last)]

    with Node(answer) as node:
        result = run(node, "read", "1", "1500")
        ends(result, 0)
        expected = ["%d 1 %d" % (i, i) for i in range(1, 1501)]
        equal(result.out.splitlines(), expected)
        equal(len(run(node, "read", "1500", "10000").out.splitlines()), 501)


@test
def a_reply_of_many_megabytes_is_read():
    entries = [[i, 1, b"%07d" % i * 20] for i in range(1, 1001)]
    big = [[1, 1, b"z" * (16 * 1024 * 1024)]]

    def answer(words):
        if words[3] == b"1":
            return big
        return entries if words[1] == b"1" else []

    with Node(answer) as node:
        result = run(node, "read", "1", "1")
        ends(result, 0)
        equal(len(result.out), 16 * 1024 * 1024 + 5)
        result = run(node, "read", "1", "5000")
        equal(len(result.out.splitlines()), 1000)


@test
def a_compacted_log_is_a_refusal():
    with Node(lambda words: Error("COMPACTED 100")) as node:
        result = run(node, "read", "1")
        ends(result, 1)
        equal(result.err, "raftctl: COMPACTED 100\n")
        ends(run(node, "follow", "1"), 1)


@test
def follow_prints_pushes_until_an_interrupt_which_is_its_good_end():
    pushes = [["entry", i, 1, b"p%d\n" % i] for i in range(5, 8)]
    stream = Raw(b"".join(encode(push) for push in pushes))
    for arguments, expected in (
        (["follow", "5"], b"5 1 p5\\n\n6 1 p6\\n\n7 1 p7\\n\n"),
        (["follow", "--raw"], b"p5\n\np6\n\np7\n\n"),
    ):
        with Node(lambda words: stream) as node:
            process = start(node, *arguments, stdout=subprocess.PIPE)
            shown = read_until(process.stdout.fileno(), expected[-6:])
            equal(shown, expected)
            process.send_signal(signal.SIGINT)
            equal(process.wait(PATIENCE), 0)
            process.stdout.close()
            words = [a.encode() for a in arguments[1:] if a[0] != "-"]
            equal(node.requests, [[b"FOLLOW"] + words])


@test
def a_stream_that_the_node_ends_is_unreachable():
    def answer(words):
        return CLOSE

    with Node(answer) as node:
        ends(run(node, "follow"), 3)
        ends(run(node, "events"), 3)


@test
def follow_says_where_a_snapshot_stands_for_what_is_gone():
    stream = Raw(encode(["snapshot", 7, 4096]) + encode(["entry", 9, 1, b"p"]))
    for form, expected in (([], b"9 1 p\n"), (
            ["--json"], b'{"index":9,"term":1,"payload":"p"}\n')):
        with Node(lambda words: stream) as node:
            process = start(node, "follow", "1", *form, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)
            equal(read_until(process.stdout.fileno(), expected), expected)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=PATIENCE)[1].decode()
            equal(process.returncode, 0)
            assert "log up to entry 7 is gone" in said, said
            assert "4096 bytes" in said and "from 8 on" in said, said


@test
def follow_ends_quietly_when_its_reader_has_gone():
    stream = Raw(encode(["entry", 1, 1, b"x" * 100]) * 10000)
    with Node(lambda words: stream) as node:
        process = start(
            node,
            "follow",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL),
        )
        process.stdout.read(10)
        process.stdout.close()
        equal(process.wait(PATIENCE), -signal.SIGPIPE)
        equal(process.stderr.read(), b"")
        process.stderr.close()


EVENTS = [
    ["role", "leader", 3],
    ["leader", 1, "127.0.0.1:7001", 3],
    ["leader", -1, "", 4],
    ["config", 12, "0=a:1 voter, 1=b:2 learner"],
    ["change", "catch-up", 12],
    ["catch-up", 1, 250, 1000, 2],
    ["cluster", CLUSTER_ID, 5],
]


@test
def events_are_printed_one_a_line():
    stream = Raw(b"".join(encode(event) for event in EVENTS))
    with Node(lambda words: stream) as node:
        process = start(node, "events", stdout=subprocess.PIPE)
        shown = read_until(process.stdout.fileno(), b"epoch 5\n")
        equal(
            shown.decode(),
            "role leader term 3\n"
            "leader 1 127.0.0.1:7001 term 3\n"
            "leader none term 4\n"
            "config 12 0=a:1 voter, 1=b:2 learner\n"
            "change catch-up index 12\n"
            "catch-up 1 match 250 of 1000 round 2\n"
            "cluster %s epoch 5\n" % CLUSTER_ID,
        )
        process.terminate()
        equal(process.wait(PATIENCE), 0)
        process.stdout.close()


@test
def events_as_json_have_names():
    stream = Raw(b"".join(encode(event) for event in EVENTS))
    with Node(lambda words: stream) as node:
        process = start(node, "--json", "events", stdout=subprocess.PIPE)
        shown = read_until(process.stdout.fileno(), b'"epoch":"5"}\n')
        process.terminate()
        equal(process.wait(PATIENCE), 0)
        process.stdout.close()
    equal(
        [json.loads(line) for line in shown.splitlines()],
        [
            {"event": "role", "role": "leader", "term": 3},
            {
                "event": "leader",
                "leader": 1,
                "address": "127.0.0.1:7001",
                "term": 3,
            },
            {"event": "leader", "leader": None, "address": None, "term": 4},
            {
                "event": "config",
                "index": 12,
                "members": [
                    {"id": 0, "address": "a:1", "role": "voter"},
                    {"id": 1, "address": "b:2", "role": "learner"},
                ],
            },
            {"event": "change", "stage": "catch-up", "index": 12},
            {
                "event": "catch-up",
                "id": 1,
                "match": 250,
                "target": 1000,
                "round": 2,
            },
            {"event": "cluster", "cluster_id": CLUSTER_ID, "epoch": "5"},
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
