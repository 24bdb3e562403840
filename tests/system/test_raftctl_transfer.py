#!/usr/bin/env python3
"""raftctl snapshot save and load where something goes wrong half-way; and
answers that nobody understands."""

import fcntl
import hashlib
import os
import pty
import signal
import struct
import subprocess
import sys
import tempfile
import termios

from raftctl_script import (
    CLOSE,
    OK,
    PATIENCE,
    SILENCE,
    Node,
    ends,
    equal,
    main,
    read_until,
    run,
    start,
    test,
)

MIB = 1 << 20
STATE = bytes(range(256)) * 4096 * 3  # three pieces


def downloads(words, at_end=SILENCE, state=STATE):
    """A node with that snapshot, which gives `at_end` for its last piece."""
    if words[1] == b"INFO":
        return [7, 1, len(state), hashlib.sha256(state).hexdigest()]
    offset, count = int(words[2]), int(words[3])
    if at_end is not None and count and offset + count == len(state):
        return at_end
    return state[offset:offset + count]


def uploads(words, at_end=OK, have=None):
    have = have if have is not None else [0]
    if words[1] == b"WRITE":
        have[0] += len(words[2])
        return have[0]
    return at_end if words[1] == b"END" else OK


class Place:
    """A directory of its own; `left` is what is in it."""

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory()
        return self

    def __exit__(self, *_):
        self.directory.cleanup()

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def left(self):
        return sorted(os.listdir(self.directory.name))

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)


def interrupted(node, count, *arguments, number=signal.SIGINT):
    """Its exit status and what it said, once `count` requests had come."""
    child = start(node, *arguments, stdout=subprocess.PIPE,
                  stderr=subprocess.PIPE)
    node.wait_for_requests(count)
    child.send_signal(number)
    _, err = child.communicate(timeout=PATIENCE)
    return child.returncode, err


@test
def a_download_that_is_interrupted_leaves_nothing():
    for number in (signal.SIGINT, signal.SIGTERM):
        with Node(downloads) as node, Place() as place:
            place.write("file", b"old")
            status, err = interrupted(node, 5, "snapshot", "save",
                                      place.path("file"), number=number)
            equal(status, -number)
            equal(err, b"raftctl: interrupted: nothing is saved\n")
            equal(place.left(), ["file"])
            with open(place.path("file"), "rb") as file:
                equal(file.read(), b"old")


@test
def a_download_that_breaks_leaves_nothing():
    with Node(lambda words: downloads(words, CLOSE)) as node, Place() as place:
        result = run(node, "snapshot", "save", place.path("file"))
        ends(result, 3)
        assert "closed the connection: nothing is saved" in result.err
        equal(place.left(), [])
    with Node(lambda words: downloads(words, 5)) as node, Place() as place:
        result = run(node, "snapshot", "save", place.path("file"))
        ends(result, 3)
        assert "a shape that raftctl does not know\n" in result.err
        equal(place.left(), [])


@test
def a_download_that_is_not_as_said_replaces_nothing():
    other = STATE[1:] + b"x"
    with Node(lambda words: downloads(words, other[-MIB:])) as node:
        with Place() as place:
            result = run(node, "snapshot", "save", place.path("file"))
            ends(result, 1)
            assert "nothing is saved" in result.err, result
            equal(place.left(), [])


@test
def a_device_keeps_its_place_and_a_full_one_is_told():
    with Node(lambda words: downloads(words, None)) as node, Place() as place:
        os.symlink("/dev/full", place.path("full"))
        result = run(node, "snapshot", "save", place.path("full"))
        ends(result, 1)
        assert "No space left on device" in result.err, result
        equal(place.left(), ["full"])
        os.symlink("/dev/null", place.path("null"))
        ends(run(node, "snapshot", "save", place.path("null")), 0)
        equal(os.readlink(place.path("null")), "/dev/null")
        os.mkfifo(place.path("pipe"))
        with start(node, "snapshot", "save", place.path("pipe")) as writer:
            with open(place.path("pipe"), "rb") as reader:
                equal(reader.read(), STATE)
            equal(writer.wait(PATIENCE), 0)


@test
def where_no_file_can_be_made_nothing_is_asked_for():
    with Node(lambda words: downloads(words, None)) as node, Place() as place:
        result = run(node, "snapshot", "save", place.path("none/file"))
        ends(result, 1)
        assert "no file can be made beside it" in result.err, result


@test
def an_upload_that_is_interrupted_says_what_becomes_of_it():
    def answer(words):
        return SILENCE if words[1] == b"WRITE" else uploads(words)

    with Node(answer) as node, Place() as place:
        file = place.write("file", STATE)
        status, err = interrupted(node, 4, "snapshot", "load", "7", file)
        equal(status, -signal.SIGINT)
        equal(err, b"raftctl: interrupted: the node drops what it was sent\n")


@test
def an_upload_whose_end_is_not_known_is_uncertain():
    for end, said in ((CLOSE, "it may have been done all the same"),
                      (5, "does not know; it may have been done")):
        with Node(lambda words, end=end: uploads(words, end)) as node:
            result = run(node, "snapshot", "load", "7", "-", stdin=b"state")
            ends(result, 4)
            assert said in result.err, result
    with Node(lambda words: uploads(words, SILENCE)) as node, Place() as place:
        status, err = interrupted(node, 3, "snapshot", "load", "7",
                                  place.write("file", b"state"))
        equal(status, -signal.SIGINT)
        assert b"interrupted; it may have been done all the same" in err, err


@test
def a_file_that_changes_meanwhile_is_not_loaded():
    with Place() as place:
        file = place.write("file", STATE)

        def answer(words):
            if words[1] == b"WRITE":
                with open(file, "r+b") as changed:
                    changed.truncate(2 * MIB)
            return uploads(words)

        with Node(answer) as node:
            # More pieces than are read before the first is answered.
            place.write("file", STATE * 8)
            result = run(node, "snapshot", "load", "7", file)
            ends(result, 1)
            assert "it was changed while it was read: nothing is loaded" in (
                result.err), result
            assert [b"SNAPSHOT", b"END"] not in node.requests


@test
def a_file_that_vanishes_meanwhile_is_loaded_all_the_same():
    with Place() as place:
        file = place.write("file", STATE * 8)
        sha256 = hashlib.sha256(STATE * 8).hexdigest()

        def answer(words):
            if words[1] == b"WRITE" and os.path.exists(file):
                os.unlink(file)
            if words[1] == b"INFO":
                return [7, 1, len(STATE) * 8, sha256]
            return uploads(words)

        with Node(answer) as node:
            result = run(node, "snapshot", "load", "7", file)
            ends(result, 0)
            assert sha256 in result.out, result


def drawn(node, columns, *arguments):
    """What it draws on a terminal of that width, until it is stopped."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ,
                struct.pack("HHHH", 24, columns, 0, 0))
    with start(node, *arguments, stdout=subprocess.DEVNULL,
               stderr=theirs) as child:
        node.wait_for_requests(5)
        text = read_until(ours, b"%")
        child.send_signal(signal.SIGINT)
        text += read_until(ours, b"interrupted")
    os.close(ours)
    os.close(theirs)
    return text.decode()


@test
def a_terminal_gets_a_bar_that_fits_and_is_taken_away():
    for columns in (100, 40, 20):
        with Node(downloads) as node, Place() as place:
            text = drawn(node, columns, "snapshot", "save", place.path("file"))
            lines = [line.split("\033[K")[0]
                     for line in text.split("\r") if "%" in line]
            assert lines, text
            for line in lines:
                assert len(line) < columns, line
                assert line.startswith("[") and ("left" in line or
                                                 columns < 40), line
            assert "\r\033[Kraftctl: interrupted" in text, text


@test
def what_is_no_terminal_gets_no_bar():
    with Node(lambda words: downloads(words, None)) as node, Place() as place:
        result = run(node, "snapshot", "save", place.path("file"))
        ends(result, 0)
        equal(result.err, "")


@test
def an_answer_that_is_not_understood_is_uncertain_after_a_change():
    changes = (("submit", "x"), ("remove", "2"), ("transfer", "1"),
               ("config", "set", "a", "b"), ("compact", "5"))
    for words in changes:
        with Node(lambda _: [b"what", 1]) as node:
            result = run(node, *words)
            ends(result, 4)
            equal(result.err, "raftctl: the node's answer has a shape that "
                              "raftctl does not know; it may have been done "
                              "all the same\n")
    with Node(lambda _: [b"what", 1]) as node:
        ends(run(node, "submit", "-", stdin=b"x\n"), 4)
    for words in (("wait", "5"), ("barrier",)):
        with Node(lambda _: [b"what", 1]) as node:
            result = run(node, *words)
            ends(result, 3)
            assert "all the same" not in result.err, result


if __name__ == "__main__":
    sys.exit(main())
