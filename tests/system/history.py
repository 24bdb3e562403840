"""Load on a cluster, with a record of what was asked and heard; and the
judgement over it once the cluster is whole again.
"""

import threading
import time

from cluster import Client, Closed, Error, PATIENCE

# An error with one of these codes says that the payload is in no log.
SAYS_NO = ("ERR", "NOTLEADER", "NOLEADER", "BUSY", "TOOBIG", "DISK",
           "NOCONFIG", "FENCED")


class Attempt:
    """One SUBMIT: when it was asked and answered, and how."""

    def __init__(self, payload):
        self.payload = payload
        self.asked = time.monotonic()
        self.answered = None
        self.index = None
        self.refused = False


class Load:
    """Threads that submit unique payloads to the nodes, one each."""

    def __init__(self, cluster, clients=4, timeout_ms=3000):
        self.cluster = cluster
        self.timeout_ms = timeout_ms
        self.attempts = []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._work, args=(number,))
                        for number in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def acknowledged(self):
        return sum(1 for attempt in self.attempts if attempt.index)

    def _work(self, number):
        count = 0
        nodes = self.cluster.nodes
        while not self.stopping.is_set():
            node = nodes[(number + count) % len(nodes)]
            count += 1
            try:
                with Client(node.socket, timeout=PATIENCE) as client:
                    self._submit_some(client, number, count)
            except (OSError, Closed):
                self.stopping.wait(0.02)

    def _submit_some(self, client, number, count):
        for turn in range(50):
            if self.stopping.is_set():
                return
            attempt = Attempt(b"%d-%d-%d" % (number, count, turn))
            self.attempts.append(attempt)
            client.send("SUBMIT", attempt.payload, "TIMEOUT", self.timeout_ms)
            answer = client.reply()
            attempt.answered = time.monotonic()
            if isinstance(answer, Error):
                attempt.refused = answer.code in SAYS_NO
                if answer.code in ("NOLEADER", "NOCONFIG"):
                    self.stopping.wait(0.05)
            else:
                attempt.index = answer


def judge(attempts, log):
    """What was acknowledged stands at its index; what was refused is nowhere;
    nothing is there twice; the order respects real time.
    """
    where = {}
    for index, (_, payload) in log.items():
        assert payload not in where, "%r is in the log twice" % payload
        where[payload] = index
    for attempt in attempts:
        found = where.get(attempt.payload)
        if attempt.index is not None:
            assert found == attempt.index, (
                "%r was acknowledged at %d and is at %s"
                % (attempt.payload, attempt.index, found))
        if attempt.refused:
            assert found is None, "%r was refused and is in the log" % (
                attempt.payload)
    judge_order([a for a in attempts if a.index is not None])


def judge_order(attempts):
    """Who was answered before another one asked has the smaller index."""
    by_answer = sorted(attempts, key=lambda a: a.answered)
    highest = 0
    at = 0
    for attempt in sorted(attempts, key=lambda a: a.asked):
        while by_answer[at].answered < attempt.asked:
            highest = max(highest, by_answer[at].index)
            at += 1
        assert attempt.index > highest, (
            "%r at %d came after %d was acknowledged"
            % (attempt.payload, attempt.index, highest))
