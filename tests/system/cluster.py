"""Real processes for system tests: clusters of raftsc nodes, and a client.

Each cluster has a loopback address of its own, so that its fixed ports meet
nobody else's, and a directory of its own, removed at the end.  Nothing here
sleeps to synchronise: it waits until something is so, with a limit that only a
broken program reaches.
"""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

PATIENCE = 60  # seconds until something that must come is given up
MIB = 1 << 20
FAST = {"election_timeout": "300ms", "heartbeat_interval": "50ms"}


def program(name):
    """The built program: $RAFTSC, $RAFTCTL, or beside the build."""
    found = os.environ.get(name.upper())
    return found or os.path.join(os.environ.get("top_builddir", "."), name)


class Error(Exception):
    """An error reply: its text, the code first."""

    @property
    def code(self):
        return str(self).split(" ", 1)[0]


class Closed(Exception):
    """The other end closed the connection."""


class Client:
    """A RESP connection on a Unix socket."""

    def __init__(self, path, timeout=PATIENCE):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.heard = b""

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, *words):
        out = [b"*%d\r\n" % len(words)]
        for word in words:
            if not isinstance(word, bytes):
                word = str(word).encode()
            out.append(b"$%d\r\n%s\r\n" % (len(word), word))
        self.socket.sendall(b"".join(out))

    def _more(self):
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionError as error:
            raise Closed(str(error)) from error
        if not data:
            raise Closed("end of stream")
        self.heard += data

    def _line(self):
        while b"\r\n" not in self.heard:
            self._more()
        line, self.heard = self.heard.split(b"\r\n", 1)
        return line

    def _exactly(self, size):
        while len(self.heard) < size:
            self._more()
        data, self.heard = self.heard[:size], self.heard[size:]
        return data

    def reply(self):
        """The next reply; an error is returned, not raised."""
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return Error(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if int(rest) < 0:
                return None
            return self._exactly(int(rest) + 2)[:-2]
        if kind in b"*>~":
            return [self.reply() for _ in range(int(rest))]
        if kind == b"%":
            return {self.reply(): self.reply() for _ in range(int(rest))}
        if kind == b"_":
            return None
        raise AssertionError("malformed reply %r" % line)

    def call(self, *words):
        self.send(*words)
        answer = self.reply()
        if isinstance(answer, Error):
            raise answer
        return answer


def until(what, condition, patience=PATIENCE):
    """Waits until condition() is true, and returns what it gave."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("not within %d s: %s" % (patience, what))
        time.sleep(0.01)


class Node:
    """One raftsc process and its directory."""

    def __init__(self, cluster, number, directory=None):
        self.cluster = cluster
        self.number = number
        self.directory = directory or os.path.join(cluster.directory,
                                                   str(number))
        os.makedirs(self.directory, exist_ok=True)
        self.socket = os.path.join(self.directory, "app.sock")
        self.conf = os.path.join(self.directory, "node.conf")
        self.log = os.path.join(self.directory, "log")
        self.program = "raftsc"
        self.process = None
        self.stopped = False

    def write_conf(self, lines):
        with open(self.conf, "w", encoding="ascii") as conf:
            for key, value in lines.items():
                conf.write("%s = %s\n" % (key, value))

    def get_conf(self):
        with open(self.conf, encoding="ascii") as conf:
            return dict(line.rstrip("\n").split(" = ", 1) for line in conf)

    def set_conf(self, **settings):
        """Other values for the next start; None: no such line."""
        lines = self.get_conf()
        for key, value in settings.items():
            lines[key.replace("_", "-")] = value
        self.write_conf({key: value for key, value in lines.items()
                         if value is not None})

    def start(self):
        assert self.process is None
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [program(self.program), "-c", self.conf],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def answers(self):
        """True once the app socket answers PING."""
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError("node %d ended with status %d" % (
                self.number, self.process.returncode))
        try:
            with Client(self.socket, timeout=5) as client:
                return client.call("PING") == "PONG"
        except (OSError, Closed):
            return False

    def wait_answers(self):
        until("node %d answers" % self.number, self.answers)
        return self

    def kill(self, number=signal.SIGKILL):
        """Ends the process, and returns its exit status."""
        if self.process is None:
            return None
        self.process.send_signal(number)
        if self.stopped:
            self.go_on()
        status = self.process.wait(PATIENCE)
        self.process = None
        return status

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        self.stopped = True

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)
        self.stopped = False

    def client(self, timeout=PATIENCE):
        return Client(self.socket, timeout)

    def call(self, *words):
        with self.client() as client:
            return client.call(*words)

    def role(self):
        """[role, term, leader, commit], or None where nobody answers."""
        if self.process is None or self.stopped:
            return None
        try:
            with Client(self.socket, timeout=5) as client:
                return client.call("ROLE")
        except (OSError, Closed):
            return None

    def said(self):
        """All that it has logged so far."""
        with open(self.log, encoding="utf-8") as log:
            return log.read()

    def info(self):
        lines = self.call("INFO").decode().split("\r\n")
        return dict(line.split(":", 1) for line in lines
                    if ":" in line and not line.startswith("#"))

    def entries(self, first=1):
        """All app entries from `first` on: {index: (term, payload)}."""
        found = {}
        with self.client() as client:
            while True:
                batch = client.call("READ", first, "COUNT", 5000)
                if not batch:
                    return found
                for index, term, payload in batch:
                    found[index] = (term, payload)
                    first = index + 1


_numbers = itertools.count()
_keys = itertools.count()


def own_address():
    """A loopback address that no other cluster of this machine has now."""
    number = os.getpid() * 16 + next(_numbers) % 16
    return "127.%d.%d.%d" % (1 + number // 62500 % 250, 1 + number // 250 % 250,
                             1 + number % 250)


class Cluster:
    """Nodes with one bootstrap list; use it in a with statement, which starts
    the first `start` of them, or all."""

    def __init__(self, size, start=None, **settings):
        self.start = size if start is None else start
        self.directory = tempfile.mkdtemp(prefix="raftsc-")
        self.address = own_address()
        self.twins = []
        self.moves = {}
        self.nodes = [Node(self, number) for number in range(size)]
        bootstrap = ", ".join("%d=%s" % (node.number, self.peer(node.number))
                              for node in self.nodes)
        for node in self.nodes:
            lines = {
                "id": node.number,
                "cluster": "test",
                "data-dir": node.directory,
                "peer-listen": self.peer(node.number),
                "app-socket": node.socket,
                "bootstrap": bootstrap,
            }
            for key, value in settings.items():
                lines[key.replace("_", "-")] = value
            node.write_conf({key: value for key, value in lines.items()
                             if value is not None})

    def peer(self, number):
        return "%s:%d" % (self.address, 7000 + number
                          + 100 * self.moves.get(number, 0))

    def move(self, number):
        """From its next start on that node is at another address."""
        self.moves[number] = self.moves.get(number, 0) + 1
        self.nodes[number].set_conf(peer_listen=self.peer(number))

    def __enter__(self):
        for node in self.nodes[:self.start]:
            node.start()
        return self

    def __exit__(self, kind, value, trace):
        for node in self.nodes + self.twins:
            node.kill()
        if kind is not None:
            for node in self.nodes:
                if not os.path.exists(node.log):
                    continue
                print("--- log of node %d" % node.number)
                with open(node.log, encoding="utf-8",
                          errors="replace") as log:
                    print("".join(log.readlines()[-40:]))
        shutil.rmtree(self.directory)

    def leader_now(self):
        """The node that leads in the highest term, if one does."""
        best = None
        for node in self.nodes:
            role = node.role()
            if role and role[0] == b"leader":
                if best is None or role[1] > best[0]:
                    best = (role[1], node)
        return best and best[1]

    def leader(self):
        return until("there is a leader", self.leader_now)

    def follower(self):
        leader = self.leader()
        return next(node for node in self.nodes
                    if node is not leader and node.process and not node.stopped)

    def running(self):
        return [node for node in self.nodes
                if node.process is not None and not node.stopped]

    def twin(self, node, directory):
        """Another node with that one's configuration, but another directory,
        its socket in it, and another address; it ends with the cluster."""
        twin = Node(self, node.number, directory)
        with open(node.conf, encoding="ascii") as conf:
            with open(twin.conf, "w", encoding="ascii") as copy:
                copy.write(conf.read())
        twin.set_conf(data_dir=directory, app_socket=twin.socket,
                      peer_listen="%s:%d" % (self.address, 7500 + node.number))
        self.twins.append(twin)
        return twin

    def settle(self):
        """Every running node has told the same index; returns the entries."""
        return self.settle_of(self.running())

    def settle_of(self, nodes):
        """The same of these nodes."""
        nodes = list(nodes)
        last = submit(self.leader(), b"settled")
        for node in nodes:
            node.wait_answers()
            node.call("WAIT", last, PATIENCE * 1000)
        logs = [node.entries() for node in nodes]
        for log in logs[1:]:
            assert log == logs[0], "the logs of two nodes differ"
        return logs[0]


def submit(node, payload):
    """Submits until it is acknowledged, over leaders that come and go; with a
    key, so that it is in the log once however often it is sent."""
    end = time.monotonic() + PATIENCE
    key = "%d-%d" % (os.getpid(), next(_keys))
    while True:
        try:
            return node.call("SUBMIT", payload, "KEY", key)
        except Error as error:
            if time.monotonic() > end:
                raise
            if error.code not in ("NOLEADER", "UNCERTAIN", "NOCONFIG", "BUSY"):
                raise


def refusal(who, *words):
    """The error that a node, or a connection, must answer with."""
    try:
        answer = who.call(*words)
    except Error as error:
        return error
    raise AssertionError("%r was answered %r" % (words, answer))


def refused(who, code, *words):
    """The text of an error that must have that code."""
    error = refusal(who, *words)
    assert error.code == code, "%s instead of %s" % (error, code)
    return str(error)


def says(node, *parts):
    """Waits until WHY contains all of the parts."""
    def said():
        text = node.call("WHY").decode()
        return all(part in text for part in parts)
    until("node %d says %r" % (node.number, parts), said)


def upload(node, index, data, piece=MIB):
    """The state of the app at that entry."""
    with node.client() as client:
        assert client.call("SNAPSHOT", "BEGIN", index) == "OK"
        for at in range(0, len(data), piece):
            part = data[at:at + piece]
            assert client.call("SNAPSHOT", "WRITE", part) == at + len(part)
        assert client.call("SNAPSHOT", "END") == "OK"


def download_by(client, piece=MIB):
    data = b""
    while True:
        part = client.call("SNAPSHOT", "READ", len(data), piece)
        if not part:
            return data
        data += part


def download(node):
    with node.client() as client:
        return download_by(client)


def main(module):
    """Runs every test_… function of a module, and counts."""
    if os.environ.get("RAFTSC_QUICK"):
        print("not among the quick tests")
        sys.exit(77)
    passed = failed = 0
    wanted = sys.argv[1:]
    for name, test in list(vars(module).items()):
        if not name.startswith("test_") or (wanted and name not in wanted):
            continue
        started = time.monotonic()
        try:
            test()
            passed += 1
            print("ok   %-60s %6.1f s" % (name, time.monotonic() - started),
                  flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            traceback.print_exc(file=sys.stdout)
            print("FAIL %s" % name, flush=True)
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed else 0)
