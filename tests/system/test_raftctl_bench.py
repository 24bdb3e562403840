#!/usr/bin/env python3
"""raftctl bench, against a scripted node."""

import json
import os
import pty
import re
import signal
import subprocess
import sys

from raftctl_script import (
    CLOSE,
    PATIENCE,
    SILENCE,
    Error,
    Node,
    Raw,
    ends,
    equal,
    main,
    read_until,
    run,
    start,
    test,
)
from raftctl_said import CONFIG, INFO_IDLE, INFO_LEADER


def node_that(work):
    """A leader, which answers what a bench sends with work(words)."""

    def answer(words):
        if words == [b"INFO"]:
            return INFO_LEADER
        if words == [b"CONFIG"]:
            return CONFIG
        return work(words)

    return Node(answer)


def replies(words):
    if words[0] == b"READ":
        return [[int(words[1]), 1, "payload\r\n-ERR not a reply\r\n"]]
    return 7


def asked(node):
    """The requests of the bench itself."""
    return [r for r in node.requests if r not in ([b"INFO"], [b"CONFIG"])]


@test
def bench_sends_what_it_was_told_and_counts_the_answers():
    with node_that(replies) as node:
        result = run(
            node,
            "bench",
            "--yes",
            "--json",
            "-c",
            "3",
            "-P",
            "4",
            "-d",
            "2KiB",
            "--requests",
            "500",
        )
        ends(result, 0)
        equal(len(asked(node)), 500)
        equal({r[0] for r in asked(node)}, {b"SUBMIT"})
        equal({len(r[1]) for r in asked(node)}, {2048})
        # One connection to ask who the node is, and three of the bench.
        equal(len(node.connections), 4)
        said = json.loads(result.out)
        equal(said["sent"], 500)
        equal(said["unanswered"], 0)
        equal(said["errors"], {})
        equal(said["clients"], 3)
        equal(said["depth"], 4)
        equal(said["payload_bytes"], 2048)
        (submit,) = said["requests"]
        equal(submit["request"], "submit")
        equal(submit["answered"], 500)
        equal(sum(count for _, count in submit["histogram"]), 500)
        latency = submit["latency_us"]
        assert latency["min"] <= latency["p50"] <= latency["p99"], latency
        assert latency["p99"] <= latency["p9999"] <= latency["max"], latency


@test
def each_submit_has_a_key_of_its_own():
    with node_that(replies) as node:
        for size in ("5", "300000"):  # the larger ones go in many pieces
            ends(run(node, *"bench --yes --keys --requests 200 -c 3 -P 70"
                     .split(), "-d", size), 0)
        equal(len(asked(node)), 400)
        keys = set()
        for number, words in enumerate(asked(node)):
            equal(words[0::2], [b"SUBMIT", b"KEY"])
            equal(len(words[1]), 5 if number < 200 else 300000)
            assert re.fullmatch(b"[0-9a-f]{32}", words[3]), words
            keys.add(words[3])
        equal(len(keys), 400)


@test
def bench_mixes_and_reads_what_is_committed():
    with node_that(replies) as node:
        result = run(
            node,
            *"bench --yes --json --requests 600".split(),
            *"--mix submit,barrier=2,read=3 -c 2 -P 3".split(),
        )
        ends(result, 0)
        said = json.loads(result.out)
        answered = {r["request"]: r["answered"] for r in said["requests"]}
        equal(sum(answered.values()), 600)
        assert 50 < answered["submit"] < 150, answered
        assert 130 < answered["barrier"] < 270, answered
        assert 220 < answered["read"] < 380, answered
        for request in asked(node):
            if request[0] == b"READ":
                assert 1 <= int(request[1]) <= 42, request
                equal(request[2:], [b"COUNT", b"1"])


@test
def bench_prints_a_table_and_a_histogram_in_eighty_columns():
    with node_that(replies) as node:
        result = run(
            node,
            *"bench --mix read,barrier --requests 300".split(),
        )
        ends(result, 0)
        lines = result.out.splitlines()
        equal(
            lines[0], "node 0 of cluster demo, leader, 2 voters, raftsc 0.1.0"
        )
        assert lines[1].startswith("64 clients, depth 1"), result
        assert re.search(r"^all +300 +0 +\d+ ", result.out, re.M), result
        assert re.search(r"\.\. [\d.]+ +[\d.]+% #+", result.out), result
        for line in lines:
            assert len(line) <= 80, line


@test
def bench_asks_before_it_writes_and_only_then():
    with node_that(replies) as node:
        result = run(node, "bench", "--requests", "10", stdin=b"no\n")
        ends(result, 1)
        assert "into the log of cluster demo, for good" in result.err, result
        equal(asked(node), [])
        ends(run(node, "bench", "--requests", "10", stdin=b"yes\n"), 0)
        equal(len(asked(node)), 10)
        ends(run(node, "bench", "--requests", "10", "--mix", "barrier"), 0)
        equal(len(asked(node)), 20)


@test
def bench_keeps_to_its_rate():
    with node_that(replies) as node:
        result = run(
            node, *"bench --yes --json --rate 200 --duration 0.5".split()
        )
        ends(result, 0)
        sent = json.loads(result.out)["sent"]
        # A machine that is slow sends what was due late, and never more.
        assert 1 <= sent <= 101, sent


@test
def bench_counts_refusals_by_their_code():
    state = {"count": 0}

    def work(_):
        state["count"] += 1
        if state["count"] % 4 == 0:
            return Error("BUSY too much is pending")
        return 1

    with node_that(work) as node:
        arguments = "bench --yes --requests 100 -c 1".split()
        result = run(node, "--json", *arguments)
        ends(result, 1)
        said = json.loads(result.out)
        equal(said["errors"], {"BUSY": 25})
        equal(said["requests"][0]["answered"], 75)
        equal(said["requests"][0]["errors"], 25)
        result = run(node, *arguments)
        assert "25 times BUSY too much is pending" in result.out, result


@test
def bench_ends_when_a_connection_is_lost_or_nothing_comes():
    with node_that(lambda words: CLOSE) as node:
        result = run(node, "bench", "--yes", "--requests", "100")
        ends(result, 3)
        assert "closed a connection" in result.err, result
    with node_that(lambda words: SILENCE) as node:
        result = run(
            node,
            *"bench --yes -c 3 --duration 0.05 --timeout 1".split(),
        )
        ends(result, 3)
        assert "3 requests have no answer" in result.err, result
    with node_that(lambda words: Raw(b"HTTP/1.1 400\r\n\r\n")) as node:
        ends(run(node, *"bench --yes -c 1 --requests 9".split()), 3)
    with node_that(lambda words: Raw(b":1\r\n:2\r\n")) as node:
        result = run(node, *"bench --yes -c 1 --requests 9".split())
        ends(result, 3)
        assert "what nobody asked for" in result.err, result
    ends(run("/nonexistent/sock", "bench", "--yes"), 3)


@test
def bench_reads_nothing_where_there_is_nothing():
    def answer(words):
        return INFO_IDLE if words == [b"INFO"] else []

    with Node(answer) as node:
        result = run(node, "bench", "--mix", "read")
        ends(result, 1)
        assert "no entries to read" in result.err, result


@test
def an_interrupted_bench_tells_its_figures():
    with node_that(replies) as node:
        leader, follower = pty.openpty()
        process = start(
            node,
            *"bench --yes --json --duration 1000 -c 2".split(),
            stdout=subprocess.PIPE,
            stderr=follower,
        )
        os.close(follower)
        shown = read_until(leader, b" left")
        assert re.search(rb"\[-+\] +0%  \d+/s  p50 [\d.]+", shown), shown
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=PATIENCE)
        equal(process.returncode, 0)
        said = json.loads(out)
        equal(said["unanswered"], 0)
        equal(said["requests"][0]["answered"], said["sent"])
        os.close(leader)


@test
def a_bench_that_makes_no_sense_is_status_2():
    with node_that(replies) as node:
        for arguments, says in (
            ("-c 0", "--clients: expected a number above 0, not '0'"),
            ("-c x", "--clients: expected a number above 0"),
            ("-c 10001", "--clients: at most 10000"),
            ("-P 0", "--depth: expected a number above 0"),
            ("-P 10001", "--depth: at most 10000"),
            ("-d 1x", "--payload: expected a number of bytes"),
            ("-d 65MiB", "--payload: at most 67108864"),
            ("--requests 0", "--requests: expected a number above 0"),
            ("--rate 0", "--rate: expected a number above 0"),
            ("--duration 0", "--duration: expected a number of seconds"),
            ("--mix write", "--mix: expected submit, barrier or read"),
            ("--mix read=x", "--mix: expected submit, barrier or read"),
            ("--mix read=0", "--mix: there is nothing in it"),
            ("more", "too many arguments"),
        ):
            result = run(node, "bench", "--yes", *arguments.split())
            ends(result, 2)
            assert says in result.err, (arguments, result)
        equal(node.requests, [])
        ends(run(node, "status", "-c", "3"), 2)


if __name__ == "__main__":
    sys.exit(main())
