"""Clients that were not made for raftsc: redis-cli, redis-benchmark, hiredis,
redis-py, socat.
"""

import os
import shutil
import subprocess
import sys
import tempfile

from cluster import Cluster, main, submit, until


def need(name):
    """True where the program is installed; says so where it is not."""
    if shutil.which(name):
        return True
    print("%s is not installed: not tried" % name)
    return False


def run(arguments, **more):
    return subprocess.run(arguments, capture_output=True, timeout=60,
                          check=True, **more).stdout.decode()


def test_redis_cli_asks_and_pipes():
    if not need("redis-cli"):
        return
    with Cluster(1) as cluster:
        until("leader", cluster.leader_now)
        path = cluster.nodes[0].socket
        assert run(["redis-cli", "-s", path, "PING"]) == "PONG\n"
        index = int(run(["redis-cli", "-s", path, "SUBMIT", "from cli"]))
        assert "from cli" in run(["redis-cli", "-s", path, "READ", str(index)])
        interactive = run(["redis-cli", "-s", path],
                          input=b"PING\nSUBMIT \"a b\"\nROLE\n")
        assert "PONG" in interactive and "leader" in interactive
        many = b"".join(b"*2\r\n$6\r\nSUBMIT\r\n$4\r\n%04d\r\n" % n
                        for n in range(2000))
        said = run(["redis-cli", "-s", path, "--pipe"], input=many)
        assert "errors: 0, replies: 2000" in said, said
        known = run(["redis-cli", "-s", path, "COMMAND", "INFO", "submit",
                     "nope"])
        assert known.startswith("submit\n-2\n") and known.endswith("\n\n"), known
        latency = run(["redis-cli", "-s", path, "INFO", "latency"])
        assert "submit_count:2002\r" in latency, latency
        three = run(["redis-cli", "-3", "-s", path, "CONFIG", "GET", "max-*"])
        assert "max-payload" in three


def test_redis_benchmark_runs():
    if not need("redis-benchmark"):
        return
    with Cluster(3) as cluster:
        leader = cluster.leader()
        said = run(["redis-benchmark", "-s", leader.socket, "-c", "50", "-P",
                    "16", "-n", "100000", "SUBMIT", "__rand_int__"])
        assert "requests per second" in said, said
        submits = int(leader.info()["submits"])
        assert submits >= 100000, submits
        for node in cluster.nodes:
            node.call("WAIT", leader.call("ROLE")[3], 30000)


def test_socat_is_answered_before_it_is_closed():
    if not need("socat"):
        return
    with Cluster(3) as cluster:
        node = cluster.follower()
        until("it answers", lambda: node.role()[2] >= 0)
        said = run(["socat", "-t", "30", "-", "UNIX-CONNECT:" + node.socket],
                   input=b"SUBMIT hello\nSUBMIT world\nPING\n")
        lines = said.split("\r\n")
        assert lines[0].startswith(":") and lines[1].startswith(":"), said
        assert int(lines[0][1:]) < int(lines[1][1:])
        assert lines[2] == "+PONG"


def test_redis_py_works():
    try:
        import redis  # pylint: disable=import-outside-toplevel
    except ImportError:
        print("redis-py is not installed: not tried")
        return
    with Cluster(1) as cluster:
        until("leader", cluster.leader_now)
        client = redis.Redis(unix_socket_path=cluster.nodes[0].socket)
        assert client.ping()
        index = client.execute_command("SUBMIT", b"\x00\xff binary")
        found = client.execute_command("READ", index)
        assert found[0][2] == b"\x00\xff binary"
        assert client.config_get("max-payload")["max-payload"] == "1MiB"
        assert client.config_set("max-payload", "2MiB")
        assert client.info()["role"] == "leader"
        pipe = client.pipeline(transaction=False)
        for number in range(100):
            pipe.execute_command("SUBMIT", str(number))
        indexes = pipe.execute()
        assert indexes == sorted(indexes) and len(set(indexes)) == 100


def test_hiredis_works():
    source = os.path.join(os.environ.get("srcdir", "."),
                          "tests/system/use_hiredis.c")
    if not os.path.exists(source):
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                              "use_hiredis.c")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler or not os.path.exists("/usr/include/hiredis/hiredis.h"):
        print("hiredis is not installed: not tried")
        return
    with tempfile.TemporaryDirectory() as directory, Cluster(1) as cluster:
        program = os.path.join(directory, "use_hiredis")
        run([compiler, "-o", program, source, "-lhiredis"])
        until("leader", cluster.leader_now)
        assert run([program, cluster.nodes[0].socket]) == "ok\n"


def test_resp3_streams_are_pushes():
    with Cluster(1) as cluster:
        until("leader", cluster.leader_now)
        node = cluster.nodes[0]
        index = submit(node, b"first")
        with node.client() as client:
            hello = client.call("HELLO", 3)
            assert hello[b"server"] == b"raftsc" and hello[b"proto"] == 3
            client.send("FOLLOW", 1)
            while b"\r\n" not in client.heard:
                client._more()
            assert client.heard.startswith(b">4\r\n")
            assert client.reply() == [b"entry", index, 2, b"first"]
            client.send("EVENTS")
            kinds = [client.reply()[0] for _ in range(4)]
            assert kinds == [b"role", b"leader", b"config", b"cluster"], kinds


def test_more_streams_than_one_turn_serves_are_told_everything():
    with Cluster(1) as cluster:
        until("leader", cluster.leader_now)
        node = cluster.nodes[0]
        clients = [node.client() for _ in range(400)]
        for client in clients:
            client.send("FOLLOW", 1)
        wanted = []
        for number in range(30):
            payload = b"%d" % number
            wanted.append([b"entry", submit(node, payload), 2, payload])
        for client in clients:
            assert [client.reply() for _ in wanted] == wanted
            client.close()


if __name__ == "__main__":
    main(sys.modules[__name__])
