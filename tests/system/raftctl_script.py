"""A node that follows a script, and raftctl run against it.

The tests that use it need no daemon.  RAFTCTL is the program (default:
./raftctl), srcdir the source tree (default: the working directory).
"""

import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

RAFTCTL = os.path.abspath(os.environ.get("RAFTCTL", "./raftctl"))
SRCDIR = os.environ.get("srcdir", ".")
PATIENCE = 30  # seconds that nothing here needs

TESTS = []


def test(function):
    TESTS.append(function)
    return function


# ---- the node -----------------------------------------------------------


class Error(str):
    """An error reply."""


class Raw(bytes):
    """Bytes of a reply as they are."""


CLOSE = object()  # instead of a reply: close the connection
SILENCE = object()  # no reply


def encode(value):
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, Error):
        return b"-" + value.encode() + b"\r\n"
    if isinstance(value, str):
        return encode(value.encode())
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, bytes):
        return b"$%d\r\n%s\r\n" % (len(value), value)
    if value is None:
        return b"$-1\r\n"
    return b"*%d\r\n" % len(value) + b"".join(encode(v) for v in value)


OK = Raw(b"+OK\r\n")


def shut(connection):
    """Wakes who waits for it."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class Node:
    """Listens on a Unix socket, and answers each request with what
    answer(words) returns: a reply, or CLOSE or SILENCE.  What is no request is
    among them as "not a request"."""

    def __init__(self, answer):
        self.directory = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.directory.name, "raft.sock")
        self.answer = answer
        self.requests = []
        self.changed = threading.Condition()
        self.connections = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(16)
        self.threads = []
        self.spawn(self.accept)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.directory.cleanup()

    def spawn(self, function, *arguments):
        thread = threading.Thread(
            target=function, args=arguments, daemon=True
        )
        self.threads.append(thread)
        thread.start()

    def stop(self):
        """Nobody uses a descriptor any more when it is closed: the next
        node may get the same number."""
        shut(self.listener)
        self.threads[0].join()
        for connection in self.connections:
            shut(connection)
        for thread in self.threads:
            thread.join()
        for connection in self.connections:
            connection.close()
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            self.spawn(self.serve, connection)

    def serve(self, connection):
        stream = connection.makefile("rb")
        try:
            while True:
                words = self.read_request(stream)
                if words is None:
                    return
                with self.changed:
                    self.requests.append(words)
                    self.changed.notify_all()
                if words[0] == b"not a request":
                    shut(connection)
                    return
                reply = self.answer(words)
                if reply is CLOSE:
                    shut(connection)
                    return
                if reply is not SILENCE:
                    connection.sendall(encode(reply))
        except (OSError, ValueError):
            pass

    @staticmethod
    def read_request(stream):
        line = stream.readline()
        if not line:
            return None
        if line[:1] != b"*" or line[-2:] != b"\r\n":
            return [b"not a request", line]
        words = []
        for _ in range(int(line[1:])):
            line = stream.readline()
            assert line[:1] == b"$", line
            size = int(line[1:])
            words.append(stream.read(size))
            assert stream.read(2) == b"\r\n"
        return words

    def wait_for_requests(self, count):
        with self.changed:
            done = self.changed.wait_for(
                lambda: len(self.requests) >= count, PATIENCE
            )
        assert done, "%d requests came, not %d" % (len(self.requests), count)


# ---- running raftctl ----------------------------------------------------


class Result:
    def __init__(self, status, out, err):
        self.status = status
        self.out = out.decode("utf-8", "surrogateescape")
        self.err = err.decode("utf-8", "surrogateescape")

    def __repr__(self):
        return "status %d\n--- out\n%s--- err\n%s---" % (
            self.status,
            self.out,
            self.err,
        )


def run(node, *arguments, stdin=b"", env=None):
    """raftctl with these arguments against `node` (None: none is named)."""
    command = [RAFTCTL]
    if node is not None:
        command += ["-s", node.path if isinstance(node, Node) else node]
    done = subprocess.run(
        command + list(arguments),
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=PATIENCE,
        env=dict(os.environ, **(env or {})),
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def start(node, *arguments, **options):
    return subprocess.Popen(
        [RAFTCTL, "-s", node.path] + list(arguments), **options
    )


def read_until(descriptor, text, limit=PATIENCE):
    """What can be read until `text` is in it."""
    data = b""
    end = time.monotonic() + limit
    while text not in data:
        left = end - time.monotonic()
        ready, _, _ = select.select([descriptor], [], [], max(left, 0))
        assert ready, "%r did not come: %r" % (text, data)
        try:
            piece = os.read(descriptor, 65536)
        except OSError:
            piece = b""
        assert piece, "ended before %r: %r" % (text, data)
        data += piece
    return data


def start_lines(node):
    """raftctl submit - on pipes, whose first line has been answered."""
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
    return process


def equal(is_, should_be):
    assert is_ == should_be, "is:\n%r\nshould be:\n%r" % (is_, should_be)


def ends(result, status):
    assert result.status == status, "expected status %d: %r" % (status, result)


def main():
    """Runs all tests, or those that have one of the arguments in their
    name; returns the exit status."""
    chosen = [
        t
        for t in TESTS
        if not sys.argv[1:] or any(w in t.__name__ for w in sys.argv[1:])
    ]
    failed = 0
    for function in chosen:
        try:
            function()
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print("FAIL %s" % function.__name__)
            traceback.print_exc(file=sys.stdout)
    print("%d passed, %d failed" % (len(chosen) - failed, failed))
    return 1 if failed else 0
