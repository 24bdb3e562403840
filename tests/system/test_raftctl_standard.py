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
    ends,
    equal,
    main,
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


if __name__ == "__main__":
    sys.exit(main())
