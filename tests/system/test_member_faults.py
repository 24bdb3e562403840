#!/usr/bin/env python3
"""The hardest test: the members change at random while nodes are killed, shut
down, stopped and started at random, under load, and no promise is broken."""

import random
import signal
import sys
import threading
import time

from cluster import FAST, Closed, Cluster, Error, main, until
from history import Load, judge
from test_member import first_of, member

NODES = 6
# What a change may be answered, with nodes dying all around.
ANSWERS = ("NOLEADER", "UNCERTAIN", "CONFLICT", "TIMEOUT", "ERR", "NOCONFIG",
           "NOTLEADER")


class Changes:
    """Two operators who ask for sets of members at random, at any node."""

    def __init__(self, cluster, seed):
        self.cluster = cluster
        self.stopping = threading.Event()
        self.made = []  # (index, members as CONFIG HISTORY shows them)
        self.failed = []
        self.threads = [
            threading.Thread(target=self._work, args=(random.Random(one),))
            for one in (seed, seed + 1000)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def _work(self, chance):
        while not self.stopping.is_set():
            try:
                with chance.choice(self.cluster.nodes).client() as client:
                    self._ask(client, chance)
            except (OSError, Closed):
                pass
            self.stopping.wait(chance.random() * 0.1)

    def _ask(self, client, chance):
        voters = chance.sample(range(NODES), chance.randint(2, 5))
        learners = [number for number in range(NODES)
                    if number not in voters and chance.random() < 0.2]
        words = ([member(self.cluster, number) for number in voters]
                 + [member(self.cluster, number, "/learner")
                    for number in learners])
        shown = ", ".join("%s %s" % (
            member(self.cluster, number),
            "voter" if number in voters else "learner")
            for number in sorted(voters + learners))
        try:
            self.made.append((client.call("CONFIG", "CHANGE", *words), shown))
        except Error as error:
            if error.code not in ANSWERS:
                self.failed.append(str(error))


def disturb(cluster, load, chance, rounds, moves):
    """One node after the other is down, or hangs, for a moment; where it
    `moves` it comes back at another address."""
    for _ in range(rounds):
        wanted = load.acknowledged() + 10
        until("load", lambda: load.acknowledged() >= wanted)
        victim = chance.choice(cluster.nodes)
        how = chance.choice(("kill", "kill", "stop", "pause"))
        if how == "pause":
            victim.pause()
        else:
            victim.kill(signal.SIGKILL if how == "kill" else signal.SIGTERM)
        time.sleep(chance.random() * 0.4)  # how long it is away
        if how == "pause":
            victim.go_on()
            continue
        if moves and chance.random() < 0.5:
            cluster.move(victim.number)
        victim.start()


def change_and_disturb(seed, rounds, moves=False):
    with Cluster(NODES, bootstrap=None, catch_up_timeout="1s",
                 request_timeout="2s", **FAST) as cluster:
        first_of(cluster, 0, 1, 2)
        with Load(cluster, clients=6) as load:
            with Changes(cluster, seed) as changes:
                disturb(cluster, load, random.Random(seed), rounds, moves)
        assert not changes.failed, changes.failed
        print("     %d changes made, %d acknowledged" % (
            len(changes.made), load.acknowledged()))
        # In the end all are members, and have the same log.
        def everybody():
            try:
                return cluster.leader().call("CONFIG", "CHANGE", *[
                    member(cluster, number) for number in range(NODES)])
            except Error as error:
                assert error.code in ANSWERS, error
                return None
        until("all are members", everybody)
        assert changes.made
        judge(load.attempts, cluster.settle())
        history = {line[0]: line[3].decode()
                   for line in cluster.leader().call("CONFIG", "HISTORY")}
        for index, shown in changes.made:
            assert history[index] == shown, (index, shown, history[index])


def test_members_change_while_nodes_die_under_load():
    change_and_disturb(seed=1, rounds=8)


def test_members_change_while_nodes_die_and_move_under_load():
    change_and_disturb(seed=2, rounds=8, moves=True)


if __name__ == "__main__":
    main(sys.modules[__name__])
