#!/usr/bin/env python3
"""raftctl whose standard input or output is closed, full, or goes away."""

import subprocess
import sys

from raftctl_script import (
    PATIENCE,
    RAFTCTL,
    SILENCE,
    Node,
    Result,
    encode,
    ends,
    equal,
    main,
    read_until,
    start,
    test,
)


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
        process = start(
            node,
            "submit",
            "-",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        process.stdin.write(b"a\n")
        process.stdin.flush()
        read_until(process.stdout.fileno(), b"1\n")
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


if __name__ == "__main__":
    sys.exit(main())
