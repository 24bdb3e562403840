#!/usr/bin/env python3
"""raftctl whose standard input or output is closed or full, or whose node goes
away, is late, or says something else, in each of its commands."""

import subprocess
import sys
import tempfile

from raftctl_script import (
    CLOSE,
    OK,
    PATIENCE,
    RAFTCTL,
    SILENCE,
    Error,
    Node,
    Raw,
    Result,
    encode,
    ends,
    equal,
    main,
    read_until,
    run,
    start,
    start_lines,
    test,
)
from raftctl_said import CONFIG, INFO_LEADER, status_node


def run_redirected(node, redirection, *arguments, stdin=b""):
    """raftctl as a shell starts it with this redirection behind it."""
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" ' + redirection, "sh", RAFTCTL, "-s",
         node.path, *arguments],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=PATIENCE,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@test
def a_closed_output_is_an_error_and_nothing_goes_to_the_node():
    entries = [[1, 1, b"SUBMIT boo"], [2, 1, b"SUBMIT boo"]]

    def answer(words):
        return entries if words[0] == b"READ" else 1

    for arguments, request in (
        (["submit", "-"], b"SUBMIT"),
        (["read", "1", "2", "--raw"], b"READ"),
    ):
        with Node(answer) as node:
            result = run_redirected(node, ">&-", *arguments, stdin=b"a\n")
            ends(result, 1)
            assert "cannot write to standard output" in result.err, result
        equal([words[0] for words in node.requests], [request])


@test
def a_closed_output_for_errors_keeps_them_from_the_node():
    with Node(lambda words: SILENCE) as node:
        ends(run_redirected(node, "2>&-", "--timeout", "10ms", "wait", "1"), 3)
        node.wait_for_requests(1)
    equal(node.requests, [[b"WAIT", b"1"]])


@test
def a_closed_input_is_an_error():
    for arguments in (["submit", "-"], ["submit", "-f", "-"]):
        with Node(lambda words: SILENCE) as node:
            result = run_redirected(node, "<&-", *arguments)
            ends(result, 1)
            assert "standard input: Bad file descriptor" in result.err, result
            equal(node.requests, [])


@test
def lines_under_way_are_awaited_where_nobody_reads_their_indexes():
    def answer(words):
        return {b"a": 1, b"e": 2}.get(words[1], SILENCE)

    with Node(answer) as node:
        process = start_lines(node)
        process.stdout.close()
        process.stdin.write(b"b\nc\nd\ne\n")
        process.stdin.flush()
        equal(
            read_until(process.stderr.fileno(), b"\n"),
            b"raftctl: cannot write to standard output: Broken pipe\n",
        )
        node.connections[0].sendall(b"".join(map(encode, (3, 4, 5))))
        said = process.stderr.read()
        equal(process.wait(PATIENCE), 1)
        equal(
            said,
            b"raftctl: 5 lines are in the log; nothing after line 5 was "
            b"sent\n",
        )
        process.stdin.close()
        process.stderr.close()


@test
def an_output_that_is_full_is_told_once():
    entries = [[i, 1, b"x" * 1000] for i in range(1, 101)]

    def answer(words):
        return entries if words[0] == b"READ" else 1

    for arguments in (
        ["submit", "a"],
        ["submit", "-"],
        ["barrier"],
        ["read", "1", "100"],
        ["read", "1", "500"],
        ["bootstrap", "0=a:1"],
        ["help"],
        ["--version"],
    ):
        with Node(answer) as node:
            result = run_redirected(node, ">/dev/full", *arguments,
                                    stdin=b"a\n")
            ends(result, 1)
            told = "cannot write to standard output: No space"
            equal((arguments, result.err.count(told)), (arguments, 1))


# What only asks, and what changes something.
ASKING = [
    ["status"],
    ["watch"],
    ["why"],
    ["members"],
    ["plan", "0=a:1"],
    ["history"],
    ["outcome", "key"],
    ["digest"],
    ["wait", "1"],
    ["barrier"],
    ["read", "1"],
    ["read", "1", "--raw"],
    ["config", "get", "*"],
    ["snapshot", "info"],
    ["snapshot", "save", "-"],
    ["snapshot", "load", "1", "/dev/null"],
    ["backup", "/nonexistent/file"],
    ["bench", "--yes"],
]
STREAMS = [["follow"], ["follow", "1", "--raw"], ["events"]]
CHANGING = [
    ["bootstrap", "0=a:1"],
    ["add", "0=a:1"],
    ["remove", "0"],
    ["promote", "0"],
    ["demote", "0"],
    ["change", "0=a:1"],
    ["replace", "0"],
    ["abort"],
    ["transfer"],
    ["submit", "a"],
    ["submit", "-f", "-"],
    ["submit", "-"],
    ["compact", "1"],
    ["config", "set", "log-level", "info"],
]


def all_end(commands, answer, status, said, options=()):
    with Node(answer) as node:
        for arguments in commands:
            result = run(node, *options, *arguments, stdin=b"a\n")
            about = (arguments, result)
            assert result.status == status, about
            assert said in result.err, about
            assert result.out == "", about
            assert result.err.endswith("\n"), about


@test
def a_bench_puts_nothing_into_the_log_whose_figures_nobody_can_read():
    with status_node(INFO_LEADER, CONFIG) as node:
        result = run_redirected(node, ">/dev/full", "bench", "--yes")
        ends(result, 1)
        equal(result.err.count("cannot write to standard output"), 1)
        equal([words[0] for words in node.requests], [b"INFO", b"CONFIG"])


@test
def without_an_answer_only_a_change_is_uncertain():
    lost = "closed the connection"
    late = "no answer within 10ms"
    bad = "its reply is not RESP"
    strange = "a shape that raftctl does not know"
    soon = ["--timeout", "10ms"]

    def garbage(_):
        return Raw(b"boo\r\n")

    def odd(_):
        return [[1]]

    all_end(ASKING + STREAMS, lambda words: CLOSE, 3, lost)
    all_end(CHANGING, lambda words: CLOSE, 4, lost)
    all_end(ASKING, lambda words: SILENCE, 3, late, soon)
    all_end(CHANGING, lambda words: SILENCE, 4, "no answer within", soon)
    all_end(ASKING + STREAMS, garbage, 3, bad)
    all_end(CHANGING, garbage, 4, bad)
    all_end(ASKING + STREAMS, odd, 3, strange)
    all_end(CHANGING, odd, 4, strange)


@test
def an_error_is_status_1_and_an_uncertain_one_4():
    busy = Error("BUSY too much is pending")
    all_end(ASKING + STREAMS + CHANGING, lambda words: busy, 1, busy)
    unsure = Error("UNCERTAIN the leader was lost")
    all_end(CHANGING, lambda words: unsure, 4, unsure)


@test
def where_no_node_is_the_status_is_3():
    for arguments in ASKING + STREAMS + CHANGING:
        result = run("/nonexistent/socket", *arguments, stdin=b"a\n")
        ends(result, 3)
        assert "cannot reach the node at /nonexistent/socket" in result.err


@test
def an_upload_is_uncertain_only_at_its_end():
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"state")
        file.flush()
        for step, status in ((b"BEGIN", 3), (b"WRITE", 3), (b"END", 4)):

            def answer(words, step=step):
                if words[1] == step:
                    return CLOSE
                return 5 if words[1] == b"WRITE" else OK

            with Node(answer) as node:
                result = run(node, "snapshot", "load", "1", file.name)
                assert result.status == status, (step, result)
                equal(result.out, "")


@test
def what_came_before_the_node_went_is_printed():
    def answer(words):
        if words[0] == b"READ" and words[1] == b"1":
            return [[i, 1, b"x"] for i in range(1, 1001)]
        if words[0] == b"FOLLOW":
            return Raw(encode(["entry", 1, 1, b"x"]) + b"*4\r\n$5\r\nent")
        return CLOSE

    with Node(answer) as node:
        result = run(node, "read", "1", "2000", "--raw")
        ends(result, 3)
        equal(result.out, "x\n" * 1000)
        process = start(node, "follow", "1", stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE)
        read_until(process.stdout.fileno(), b"1 1 x\n")
        node.stop()
        out, err = process.communicate(timeout=PATIENCE)
        equal((process.returncode, out), (3, b""))
        assert b"closed the connection" in err, err



if __name__ == "__main__":
    sys.exit(main())
