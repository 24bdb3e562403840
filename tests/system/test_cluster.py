"""Clusters of real processes: replication, crashes, restarts, partitions."""

import os
import random
import signal
import socket
import sys
import time

from cluster import (Client, Closed, Cluster, Error, main, submit, until)
from history import Load, judge


def test_three_nodes_deliver_the_same_entries():
    with Cluster(3) as cluster:
        leader = cluster.leader()
        first = submit(leader, b"one")
        second = submit(cluster.follower(), b"two")
        assert second > first
        log = cluster.settle()
        assert log[first][1] == b"one" and log[second][1] == b"two"


def test_five_nodes_go_on_with_two_of_them_dead():
    with Cluster(5) as cluster:
        submit(cluster.leader(), b"before")
        cluster.leader().kill()
        submit(cluster.running()[0], b"one dead")
        cluster.leader().kill()
        submit(cluster.running()[0], b"two dead")
        payloads = [payload for _, payload in cluster.settle().values()]
        assert payloads == [b"before", b"one dead", b"two dead", b"settled"]


def test_a_leader_that_is_shut_down_is_replaced_and_ends_with_status_0():
    with Cluster(3) as cluster:
        leader = cluster.leader()
        submit(leader, b"before")
        assert leader.kill(signal.SIGTERM) == 0
        submit(cluster.running()[0], b"after")
        leader.start().wait_answers()
        payloads = [payload for _, payload in cluster.settle().values()]
        assert payloads == [b"before", b"after", b"settled"]


def test_everybody_killed_at_once_keeps_what_was_acknowledged():
    with Cluster(3) as cluster:
        with Load(cluster) as load:
            for _ in range(3):
                wanted = load.acknowledged() + 50
                until("load", lambda: load.acknowledged() >= wanted)
                for node in cluster.nodes:
                    node.kill()
                for node in cluster.nodes:
                    node.start()
        judge(load.attempts, cluster.settle())


def kill_at_random(cluster, load, rounds, seed):
    chance = random.Random(seed)
    for _ in range(rounds):
        wanted = load.acknowledged() + 20
        until("load", lambda: load.acknowledged() >= wanted)
        victim = chance.choice(cluster.nodes)
        victim.kill()
        time.sleep(chance.random() * 0.5)  # how long it is dead
        victim.start()


def test_random_kills_under_load_keep_the_promises():
    with Cluster(3, election_timeout="300ms", heartbeat_interval="50ms") as c:
        with Load(c) as load:
            kill_at_random(c, load, 12, seed=1)
        judge(load.attempts, c.settle())


def test_random_kills_under_load_without_a_cache_keep_the_promises():
    with Cluster(5, election_timeout="300ms", heartbeat_interval="50ms",
                 cache_size="4KiB") as cluster:
        with Load(cluster) as load:
            kill_at_random(cluster, load, 10, seed=2)
        judge(load.attempts, cluster.settle())


def test_a_leader_that_hangs_is_replaced_and_steps_down():
    with Cluster(3, election_timeout="300ms",
                 heartbeat_interval="50ms") as cluster:
        with Load(cluster, timeout_ms=1000) as load:
            for _ in range(3):
                leader = cluster.leader()
                leader.pause()
                until("another leader", lambda: cluster.leader_now())
                wanted = load.acknowledged() + 20
                until("load", lambda: load.acknowledged() >= wanted)
                leader.go_on()
        judge(load.attempts, cluster.settle())


def test_what_a_dead_leader_has_said_does_not_keep_it_alive():
    with Cluster(3) as cluster:
        leader = cluster.leader()
        late = cluster.follower()
        for node in cluster.nodes:  # no time-out helps
            node.call("CONFIG", "SET", "election-timeout", "60s")
        submit(leader, b"before")
        late.pause()
        for _ in range(64):
            submit(leader, bytes(128 * 1024))
        leader.kill()
        late.go_on()  # it finds the leader dead, and much to be read from it
        until("a leader", cluster.leader_now, patience=20)
        submit(cluster.running()[0], b"after")
        cluster.settle()


def test_a_minority_acknowledges_nothing_and_says_no_leader():
    with Cluster(3, election_timeout="300ms",
                 heartbeat_interval="50ms") as cluster:
        leader = cluster.leader()
        submit(leader, b"before")
        for node in cluster.nodes:
            if node is not leader:
                node.pause()
        until("the leader steps down", lambda: leader.role()[0] != b"leader")
        try:
            leader.call("SUBMIT", b"alone", "TIMEOUT", 300)
            raise AssertionError("a minority acknowledged a SUBMIT")
        except Error as error:
            assert error.code == "NOLEADER", error
        for node in cluster.nodes:
            if node.stopped:
                node.go_on()
        payloads = [payload for _, payload in cluster.settle().values()]
        assert payloads == [b"before", b"settled"], payloads


def test_a_node_that_was_away_catches_up():
    with Cluster(3, cache_size="16KiB") as cluster:
        away = cluster.follower()
        away.kill()
        with cluster.leader().client() as client:
            for number in range(3000):
                client.send("SUBMIT", b"%d" % number)
            for _ in range(3000):
                assert isinstance(client.reply(), int)
        away.start().wait_answers()
        log = cluster.settle()
        assert len(log) == 3001
        assert away.entries() == log


def test_a_follower_of_the_stream_misses_nothing_over_restarts():
    with Cluster(3) as cluster:
        node = cluster.follower()
        with node.client() as follower:
            follower.send("FOLLOW", 1)
            for number in range(10):
                submit(cluster.leader(), b"%d" % number)
            for number in range(10):
                push = follower.reply()
                assert push[0] == b"entry" and push[3] == b"%d" % number
                last = push[1]
            follower.send("ACK", last)
            assert follower.reply() == "OK"
            node.kill()
            try:
                while True:
                    follower.reply()
            except Closed:
                pass
        node.start().wait_answers()
        with node.client() as follower:
            follower.send("FOLLOW")
            submit(cluster.leader(), b"next")
            assert follower.reply()[3] == b"next"


def test_a_second_process_on_a_data_directory_is_told_who_holds_it():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        first, node.process = node.process, None
        os.rename(node.socket, node.socket + ".first")
        node.start()
        status = node.process.wait(30)
        node.process = first
        assert status == 75, status
        assert str(first.pid) in node.said()


def test_a_node_with_a_wiped_disk_is_refused_and_says_so():
    with Cluster(3) as cluster:
        submit(cluster.leader(), b"before")
        victim = cluster.follower()
        victim.kill()
        for name in os.listdir(victim.directory):
            if name.startswith("raft.db"):
                os.unlink(os.path.join(victim.directory, name))
        victim.start().wait_answers()

        def refusal():
            try:
                victim.call("SUBMIT", b"no", "TIMEOUT", 100)
            except Error as error:
                assert error.code == "NOCONFIG", error
                return "data directory" in str(error)
            raise AssertionError("a wiped node took a SUBMIT")
        until("it says that its disk is another one", refusal)
        assert b"idle" == victim.role()[0]
        submit(cluster.leader(), b"after")


def test_what_fills_a_connection_is_answered_to_whom_forwarded_it():
    with Cluster(3, max_payload="32MiB", max_pending="128MiB",
                 election_timeout="3s") as cluster:
        cluster.leader()
        follower = cluster.follower()
        first = submit(follower, b"before")
        index = follower.call("SUBMIT", b"x" * (17 << 20), "TIMEOUT", 0)
        assert index > first, index
        assert [len(p) for _, p in cluster.settle().values()] == [
            6, 17 << 20, 7]


def test_a_single_node_works_alone_from_its_birth_on():
    with Cluster(1, bootstrap=None) as cluster:
        node = cluster.nodes[0].wait_answers()
        try:
            node.call("SUBMIT", b"too early")
            raise AssertionError("a node without a configuration took it")
        except Error as error:
            assert error.code == "NOCONFIG", error
        index = node.call("CONFIG", "BOOTSTRAP", "0=" + cluster.peer(0))
        assert index == 1, index
        assert submit(node, b"first") > index
        node.kill()
        node.start().wait_answers()
        assert [p for _, p in cluster.settle().values()] == [
            b"first", b"settled"]


def test_malformed_input_of_many_clients_harms_nobody():
    chance = random.Random(7)
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        until("leader", cluster.leader_now)
        submit(node, b"before")
        with node.client() as witness:
            for number in range(10000):
                with Client(node.socket) as client:
                    rubbish = chance.choice([
                        b"*1\r\n$-5\r\n", b"*99999999\r\n", b"*1\r\n$abc\r\n",
                        b"$5\r\nhello\r\n*2\r\n", b"\"open quote\r\n",
                        b"*1\r\n$99999999999\r\n", chance.randbytes(100)])
                    client.socket.sendall(rubbish)
                    client.socket.shutdown(1)
                    try:
                        while client.socket.recv(4096):
                            pass
                    except ConnectionError:
                        pass
                if number % 500 == 0:
                    assert witness.call("PING") == "PONG"
        assert [p for _, p in cluster.settle().values()] == [
            b"before", b"settled"]


def test_rubbish_at_the_peer_port_harms_nobody():
    chance = random.Random(8)
    with Cluster(3) as cluster:
        submit(cluster.leader(), b"before")
        strangers = []
        for number in range(300):
            stranger = socket.create_connection((cluster.address, 7000), 10)
            strangers.append(stranger)
            kind = number % 3
            try:
                if kind == 0:
                    stranger.sendall(chance.randbytes(200))
                elif kind == 1:
                    stranger.sendall(b"\0\0\0\x20" + bytes(32))
                # and the third says nothing at all
            except ConnectionError:
                pass
        submit(cluster.leader(), b"after")
        follower = cluster.follower()
        follower.kill()
        follower.start().wait_answers()
        payloads = [payload for _, payload in cluster.settle().values()]
        assert payloads == [b"before", b"after", b"settled"], payloads
        for stranger in strangers:
            stranger.close()


if __name__ == "__main__":
    main(sys.modules[__name__])
