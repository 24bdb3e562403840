#!/usr/bin/env python3
"""raftctl submit: one payload, a file, and lines of standard input."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile

from raftctl_script import (
    CLOSE,
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
    start_lines,
    test,
)

class Log:
    """Answers SUBMIT with one index after the other."""

    def __init__(self):
        self.payloads = []

    def __call__(self, words):
        assert words[0] == b"SUBMIT"
        self.payloads.append(words[1])
        return len(self.payloads)


@test
def submit_prints_the_index():
    log = Log()
    with Node(log) as node:
        result = run(node, "submit", "hello")
        ends(result, 0)
        equal(result.out, "1\n")
        equal(json.loads(run(node, "--json", "submit", "b").out), {"index": 2})
        equal(run(node, "submit", "-q", "c").out, "")
        equal(run(node, "submit", "--", "--json").out, "4\n")
        equal(run(node, "submit", "").out, "5\n")
        equal(log.payloads, [b"hello", b"b", b"c", b"--json", b""])


@test
def submit_takes_a_file_to_the_byte():
    log = Log()
    data = bytes(range(256)) * 5000
    with Node(log) as node, tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        ends(run(node, "submit", "-f", file.name), 0)
        ends(run(node, "submit", "--file=-", stdin=data), 0)
        ends(run(node, "submit", "-f", "-", stdin=b""), 0)
        equal(log.payloads, [data, data, b""])
        result = run(node, "submit", "-f", "/nonexistent")
        ends(result, 1)
        assert "/nonexistent: No such file" in result.err


@test
def submit_takes_exactly_one_payload():
    with Node(Log()) as node:
        ends(run(node, "submit"), 2)
        ends(run(node, "submit", "a", "b"), 2)
        ends(run(node, "submit", "a", "-f", "/dev/null"), 2)
        equal(node.requests, [])


@test
def submit_tells_the_node_its_timeout():
    with Node(Log()) as node:
        ends(run(node, "--timeout", "1.5", "submit", "a"), 0)
        ends(run(node, "--timeout", "2", "submit", "-", stdin=b"b\n"), 0)
        equal(
            node.requests,
            [
                [b"SUBMIT", b"a", b"TIMEOUT", b"1500"],
                [b"SUBMIT", b"b", b"TIMEOUT", b"2000"],
            ],
        )


@test
def submit_passes_key_since_term_and_after_on():
    with Node(Log()) as node:
        ends(run(node, "submit", "--key", "k 1", "--since", "0", "--term", "3",
                 "--after", "7", "a", "--timeout", "2"), 0)
        ends(run(node, "submit", "--key=k", "-f", "-", stdin=b"b"), 0)
        ends(run(node, "submit", "--after", "0", "c"), 0)
        equal(
            node.requests,
            [
                [b"SUBMIT", b"a", b"KEY", b"k 1", b"SINCE", b"0", b"TERM",
                 b"3", b"AFTER", b"7", b"TIMEOUT", b"2000"],
                [b"SUBMIT", b"b", b"KEY", b"k"],
                [b"SUBMIT", b"c", b"AFTER", b"0"],
            ],
        )


@test
def each_line_has_a_key_of_its_own():
    longest = "k" * 107
    with Node(Log()) as node:
        ends(run(node, "submit", "--key", longest, "--since=4", "--term=2",
                 "-", stdin=b"a\nb"), 0)
        equal(
            node.requests,
            [[b"SUBMIT", payload, b"KEY", longest.encode() + number,
              b"SINCE", b"4", b"TERM", b"2"]
             for payload, number in ((b"a", b":1"), (b"b", b":2"))],
        )


@test
def options_that_do_not_fit_are_status_2():
    with Node(Log()) as node:
        for options in (
            ["--since", "1", "a"],
            ["--key", "", "a"],
            ["--key", "k" * 129, "a"],
            ["--key", "k" * 108, "-"],
            ["--key", "k", "--since", "soon", "a"],
            ["--after", "1", "-"],
            ["--after", "-1", "a"],
            ["--term", "0", "a"],
        ):
            result = run(node, "submit", *options)
            ends(result, 2)
            assert result.err, options
        equal(node.requests, [])
        ends(run(node, "submit", "--key", "k" * 128, "a"), 0)


@test
def what_was_refused_by_an_option_is_status_1():
    errors = ["FENCED 4 is the present term, not 3", "STALE 9 came before",
              "FORGOTTEN keys of entries up to 5 are forgotten"]
    with Node(lambda words: Error(errors[int(words[1])])) as node:
        for number, error in enumerate(errors):
            result = run(node, "submit", str(number))
            ends(result, 1)
            equal(result.err, "raftctl: %s\n" % error)


@test
def a_refused_submit_is_status_1_and_an_uncertain_one_4():
    def answer(words):
        if words[1] == b"no":
            return Error("NOLEADER no leader was found in time")
        return Error("UNCERTAIN the leader was lost")

    with Node(answer) as node:
        result = run(node, "submit", "no")
        ends(result, 1)
        equal(result.err, "raftctl: NOLEADER no leader was found in time\n")
        ends(run(node, "submit", "perhaps"), 4)


@test
def a_submit_whose_answer_is_lost_or_late_is_uncertain():
    with Node(lambda words: CLOSE) as node:
        result = run(node, "submit", "a")
        ends(result, 4)
        assert "may have been done" in result.err
    with Node(lambda words: SILENCE) as node:
        ends(run(node, "--timeout", "0.01", "submit", "a"), 4)


@test
def each_line_of_standard_input_is_one_entry():
    log = Log()
    with Node(log) as node:
        result = run(node, "submit", "-", stdin=b"a\n\nb c\r\nlast")
        ends(result, 0)
        equal(result.out, "1\n2\n3\n4\n")
        equal(result.err, "")
        equal(log.payloads, [b"a", b"", b"b c\r", b"last"])
        result = run(node, "--json", "submit", "-", stdin=b"x\n")
        equal(json.loads(result.out), {"line": 1, "index": 5})
        equal(run(node, "submit", "-q", "-", stdin=b"y\n").out, "")
        equal(run(node, "submit", "-", stdin=b"").out, "")


@test
def many_lines_are_under_way_but_not_too_many():
    most = 256
    held = []
    log = Log()

    class Gate:
        """Answers nothing until `most` requests have come."""

        opened = False

        def __call__(self, words):
            reply = encode(log(words))
            held.append(reply)
            if not self.opened and len(held) < most:
                return SILENCE
            self.opened = True
            replies = b"".join(held)
            held.clear()
            return Raw(replies)

    with Node(Gate()) as node:
        lines = b"".join(b"%d\n" % i for i in range(most))
        process = start(
            node,
            "submit",
            "-",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        process.stdin.write(lines + lines)
        process.stdin.flush()
        node.wait_for_requests(most)
        out, _ = process.communicate(timeout=PATIENCE)
        equal(process.returncode, 0)
        equal(out.split(), [b"%d" % (i + 1) for i in range(2 * most)])

    with Node(lambda words: SILENCE) as node:
        result = run(node, "--timeout", "1", "submit", "-", stdin=lines * 4)
        ends(result, 4)
        assert "lines 1 to %d have no answer" % most in result.err, result
        assert "nothing after line %d" % most in result.err, result
        node.wait_for_requests(most)
        equal(len(node.requests), most)


@test
def thousands_of_lines_and_large_ones_arrive_in_order():
    log = Log()
    with Node(log) as node:
        lines = [b"%d" % i for i in range(20000)]
        lines += [b"x" * 1000000 + b"%d" % i for i in range(20)]
        result = run(node, "submit", "-", stdin=b"\n".join(lines))
        ends(result, 0)
        assert log.payloads == lines
        equal(result.out.splitlines()[-1], "20020")


@test
def lines_are_sent_as_they_come_and_not_at_the_end():
    with Node(Log()) as node:
        process = start(
            node,
            "submit",
            "-",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number in range(1, 4):
            process.stdin.write(b"line\nhalf")
            process.stdin.flush()
            read_until(process.stdout.fileno(), b"%d\n" % number)
        process.stdin.close()
        equal(process.wait(PATIENCE), 0)


@test
def a_refused_line_is_named_and_stops_the_reading():
    log = Log()

    def answer(words):
        if words[1] == b"bad":
            return Error("TOOBIG 2 MiB, over max-payload")
        return log(words)

    with Node(answer) as node:
        lines = b"good\nbad\n" + b"more\n" * 100000
        result = run(node, "submit", "-", stdin=lines)
        ends(result, 1)
        assert "raftctl: line 2: TOOBIG 2 MiB" in result.err, result
        assert len(log.payloads) < 100001
        # Everything that was sent is accounted for.
        equal(len(result.out.splitlines()), len(log.payloads))
        told = re.search(
            r"(\d+) lines are in the log; nothing after line (\d+)", result.err
        )
        equal(int(told.group(1)), len(log.payloads))
        equal(int(told.group(2)), len(node.requests))


@test
def an_uncertain_line_makes_the_whole_uncertain():
    def answer(words):
        if words[1] == b"b":
            return Error("UNCERTAIN the leader was lost")
        return Error("BUSY too much is pending") if words[1] == b"c" else 1

    with Node(answer) as node:
        result = run(node, "submit", "-", stdin=b"a\nb\nc\n")
        ends(result, 4)
        assert "line 2: UNCERTAIN" in result.err, result
        assert "line 3: BUSY" in result.err, result
        assert "1 line is in the log" in result.err, result


@test
def lines_without_an_answer_are_named_when_the_node_goes():
    log = Log()

    def answer(words):
        return CLOSE if words[1] == b"3" else log(words)

    with Node(answer) as node:
        result = run(node, "submit", "-", stdin=b"1\n2\n3\n4\n5\n")
        ends(result, 4)
        equal(result.out, "1\n2\n")
        assert re.search("lines 3 to 5 have no answer", result.err), result
        assert "nothing after line 5" in result.err, result


@test
def a_node_that_goes_while_no_line_is_under_way_is_unreachable():
    log = Log()
    with Node(log) as node:
        process = start_lines(node)
        node.stop()
        _, err = process.communicate(timeout=PATIENCE)
        equal(process.returncode, 3)
        assert b"nothing after line 1 was sent" in err, err


@test
def an_interrupt_ends_the_reading_and_the_process_by_that_signal():
    with Node(Log()) as node:
        process = start_lines(node)
        process.send_signal(signal.SIGINT)
        err = process.stderr.read()
        equal(process.wait(PATIENCE), -signal.SIGINT)
        assert b"1 line is in the log" in err, err
        process.stdin.close()
        process.stdout.close()


@test
def a_bar_shows_the_progress_on_a_terminal():
    with Node(Log()) as node, tempfile.TemporaryFile() as file:
        file.write(b"line\n" * 100)
        file.seek(0)
        leader, follower = pty.openpty()
        process = start(
            node, "submit", "-q", "-", stdin=file, stderr=follower
        )
        os.close(follower)
        shown = read_until(leader, b"\r\033[K")
        assert re.search(rb"\[[#-]+\] +\d+%  \d+ lines", shown), shown
        equal(process.wait(PATIENCE), 0)
        os.close(leader)


if __name__ == "__main__":
    sys.exit(main())
