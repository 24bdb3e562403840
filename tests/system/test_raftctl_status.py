#!/usr/bin/env python3
"""raftctl status and watch, and what every command shares: the connection."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading

from raftctl_script import (
    PATIENCE,
    SILENCE,
    Node,
    Raw,
    encode,
    ends,
    equal,
    main,
    read_until,
    run,
    start,
    test,
)
from raftctl_said import (
    CLUSTER_ID,
    CONFIG,
    INFO_IDLE,
    INFO_LEADER,
    INFO_LOST,
    status_node,
)

@test
def status_shows_the_cluster_as_a_table():
    with status_node(INFO_LEADER, CONFIG) as node:
        result = run(node, "status")
        ends(result, 0)
        equal(
            result.out,
            "cluster  demo, id 0123456789ab, epoch 0\n"
            "node     0, leader, term 3, raftsc 0.1.0, up 12 s\n"
            "leader   0 at 127.0.0.1:7000\n"
            "log      commit 42, last 43, first 1, applied by the app 40\n"
            "\n"
            "ID  ADDRESS         ROLE             LINK  MATCH  LAG  CONTACT\n"
            " 0  127.0.0.1:7000  voter    leader  self     43    -        -\n"
            " 1  127.0.0.1:7001  voter            up       42    1    12 ms\n"
            " 2  127.0.0.1:7002  learner          down      0   43    never\n",
        )
        equal(node.requests, [[b"INFO"], [b"CONFIG"]])


@test
def status_says_that_there_is_no_leader_and_what_is_missing():
    with status_node(INFO_LOST, CONFIG) as node:
        result = run(node, "status")
        ends(result, 0)
        assert (
            "leader   none; 1 of 2 voters in touch, 2 needed\n" in result.out
        ), result


@test
def status_says_for_whom_a_new_node_waits():
    with status_node(INFO_IDLE, []) as node:
        result = run(node, "status")
        ends(result, 0)
        assert (
            "note     1=127.0.0.1:7001 (not reached yet)\n" in result.out
        ), result
        assert " 1  127.0.0.1:7001  voter    down" in result.out, result
    without = re.sub("waiting_for.*\r\n", "", INFO_IDLE)
    with status_node(without, []) as node:
        assert "raftctl help bootstrap" in run(node, "status").out


@test
def status_as_json_has_stable_names():
    with status_node(INFO_LEADER, CONFIG) as node:
        result = run(node, "--json", "status")
    ends(result, 0)
    equal(result.out.count("\n"), 1)
    status = json.loads(result.out)
    members = status.pop("members")
    equal(
        status,
        {
            "node": 0,
            "version": "0.1.0",
            "process_id": 4711,
            "uptime_s": 12,
            "cluster": "demo",
            "cluster_id": CLUSTER_ID,
            "instance": "00000000deadbeef",
            "epoch": "0",
            "role": "leader",
            "term": 3,
            "voted_for": 0,
            "leader": 0,
            "leader_address": "127.0.0.1:7000",
            "commit_index": 42,
            "applied_index": 40,
            "last_index": 43,
            "saved_index": 43,
            "first_index": 1,
            "waiting_for": None,
            "storage": {"db_bytes": 4096, "disk": "ok"},
        },
    )
    equal(
        members[2],
        {
            "id": 2,
            "address": "127.0.0.1:7002",
            "role": "learner",
            "configured": True,
            "self": False,
            "link": "down",
            "state": "probe",
            "match": 0,
            "next": 1,
            "inflight": 0,
            "inflight_bytes": 0,
            "lag": 43,
            "last_contact_ms": None,
        },
    )
    equal([m["self"] for m in members], [True, False, False])


@test
def status_of_something_else_than_a_node_is_unreachable():
    for reply in (Raw(b"HTTP/1.1 400 Bad Request\r\n"), 7, Raw(b"$x\r\n")):
        with Node(lambda words, reply=reply: reply) as node:
            ends(run(node, "status"), 3)


@test
def a_node_that_is_not_there_is_status_3_with_its_socket_named():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "none.sock")
        result = run(path, "status")
        ends(result, 3)
        assert path in result.err, result
        ends(run("/" + "x" * 300, "status"), 3)


@test
def the_socket_comes_from_the_environment_where_no_option_names_it():
    with status_node(INFO_LEADER, CONFIG) as node:
        env = {"RAFTSC_SOCKET": node.path}
        ends(run(None, "status", env=env), 0)
        ends(run(None, "status", "-s", "/nowhere/a.sock", env=env), 3)


@test
def an_answer_that_does_not_come_in_time_is_status_3():
    with Node(lambda words: SILENCE) as node:
        result = run(node, "--timeout", "0.1", "status")
        ends(result, 3)
        assert "no answer within 100ms" in result.err, result
        ends(run(node, "--timeout", "100ms", "members"), 3)


@test
def a_reply_in_small_pieces_is_put_together():
    with status_node(INFO_LEADER, CONFIG) as node:
        whole = encode(INFO_LEADER) + encode(CONFIG)

    def serve(listener):
        connection, _ = listener.accept()
        for byte in whole:
            connection.sendall(bytes([byte]))
        connection.recv(1000)
        connection.close()

    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "raft.sock")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(1)
            thread = threading.Thread(target=serve, args=(listener,))
            thread.start()
            result = run(path, "status")
            thread.join()
    ends(result, 0)
    assert "log      commit 42" in result.out



@test
def watch_prints_once_per_interval_and_outlives_the_node():
    with status_node(INFO_LEADER, CONFIG) as node:
        process = start(
            node,
            "watch",
            "-n",
            "0.02",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        read_until(process.stdout.fileno(), b"never\n\ncluster")
        node.stop()
        os.unlink(node.path)
        read_until(process.stderr.fileno(), b"cannot reach the node")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
        equal(process.returncode, 0)


@test
def watch_as_json_is_one_object_a_line():
    with status_node(INFO_LEADER, CONFIG) as node:
        process = start(
            node, "--json", "watch", "-n", "10ms", stdout=subprocess.PIPE
        )
        for _ in range(3):
            equal(json.loads(process.stdout.readline())["term"], 3)
        process.terminate()
        process.communicate(timeout=PATIENCE)
        equal(process.returncode, 0)


@test
def watch_needs_a_node_at_the_start():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "none.sock")
        result = run(path, "watch")
        ends(result, 3)
        assert "cannot reach the node" in result.err, result
        equal(result.out, "")


@test
def watch_on_a_terminal_paints_and_leaves_the_terminal_as_it_was():
    with status_node(INFO_LEADER, CONFIG) as node:
        leader, follower = pty.openpty()
        process = start(
            node,
            "watch",
            "-n",
            "0.02",
            stdout=follower,
            env=dict(os.environ, TERM="xterm"),
        )
        os.close(follower)
        shown = read_until(leader, b"\033[H")
        shown += read_until(leader, b"\033[H")
        assert shown.startswith(b"\033[?1049h\033[?25l"), shown
        assert b"ADDRESS" in shown, shown
        process.send_signal(signal.SIGINT)
        read_until(leader, b"\033[?25h\033[?1049l")
        equal(process.wait(PATIENCE), 0)
        os.close(leader)


if __name__ == "__main__":
    sys.exit(main())
