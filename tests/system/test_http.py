"""http-listen: probes, metrics, the status as JSON, and the page."""

import http.client
import json
import re
import socket
import subprocess
import sys

from cluster import FAST, Cluster, main, program, submit, until


def with_http(cluster):
    """Each node gets an address of its own; to be called before the start."""
    for node in cluster.nodes:
        node.set_conf(http_listen="%s:%d" % (cluster.address,
                                             8000 + node.number))
        node.start().wait_answers()


def ask(node, path, method="GET"):
    """Status and body."""
    connection = http.client.HTTPConnection(
        node.cluster.address, 8000 + node.number, timeout=30)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def raw(node, request):
    """What comes back for these bytes, until the end."""
    with socket.create_connection(
            (node.cluster.address, 8000 + node.number), 30) as stream:
        try:
            stream.sendall(request)
        except ConnectionError:
            pass
        said = b""
        try:
            while True:
                more = stream.recv(65536)
                if not more:
                    return said.decode()
                said += more
        except ConnectionError:
            return said.decode()


def metrics(node):
    """{name and labels: value}; every line is well-formed."""
    found = {}
    for line in ask(node, "/metrics")[1].splitlines():
        if line.startswith("#"):
            assert re.match(r"# (HELP|TYPE) raftsc_[a-z0-9_]+ .+", line), line
            continue
        match = re.fullmatch(
            r'(raftsc_[a-z0-9_]+(?:\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})?)'
            r" ([0-9.e+-]+)", line)
        assert match, line
        assert match[1] not in found, line
        found[match[1]] = float(match[2])
    return found


def test_probes_say_whether_the_node_can_serve():
    with Cluster(3, start=0, **FAST) as cluster:
        with_http(cluster)
        submit(cluster.leader(), b"before")
        for node in cluster.nodes:
            until("ready", lambda n=node: ask(n, "/readyz")[0] == 200)
            assert ask(node, "/healthz")[0] == 200
        alone = cluster.follower()
        for node in cluster.nodes:
            if node is not alone:
                node.kill()
        until("not ready", lambda: ask(alone, "/readyz")[0] == 503)
        body = ask(alone, "/readyz")[1]
        assert "FAIL leader" in body and "ok   member" in body, body
        assert ask(alone, "/healthz")[0] == 200


def test_a_node_of_no_configuration_is_healthy_and_not_ready():
    with Cluster(1, start=0, bootstrap=None) as cluster:
        with_http(cluster)
        node = cluster.nodes[0]
        assert ask(node, "/healthz")[0] == 200
        status, body = ask(node, "/readyz")
        assert status == 503 and "FAIL member" in body, body


def test_metrics_count_what_happens():
    with Cluster(3, start=0, **FAST) as cluster:
        with_http(cluster)
        leader = cluster.leader()
        submit(leader, b"first")
        before = metrics(leader)
        for number in range(10):
            submit(leader, b"%d" % number)
        after = metrics(leader)
        assert after["raftsc_submits_total"] == \
            before["raftsc_submits_total"] + 10
        assert after['raftsc_role{role="leader"}'] == 1
        assert after["raftsc_ready"] == 1 and after["raftsc_healthy"] == 1
        assert after['raftsc_submit_seconds_bucket{le="+Inf"}'] == \
            after["raftsc_submit_seconds_count"]
        peers = [name for name in after if name.startswith("raftsc_peer_up{")]
        assert len(peers) == 2 and all(after[name] == 1 for name in peers)


def test_the_status_is_what_info_knows():
    with Cluster(3, start=0, cluster="1234", **FAST) as cluster:
        with_http(cluster)
        leader = cluster.leader()
        last = submit(leader, b"first")
        status = json.loads(ask(leader, "/status.json")[1])
        info = leader.info()
        assert status["server"]["cluster"] == "1234"
        assert status["server"]["cluster_id"] == info["cluster_id"]
        assert status["server"]["instance"] == info["instance"]
        assert status["raft"]["role"] == "leader"
        assert status["raft"]["commit_index"] == last
        assert {peer["id"] for peer in status["peers"]} == {
            node.number for node in cluster.nodes if node is not leader}
        assert status["peers"][0]["address"].startswith(cluster.address)
        assert "next: " in status["why"]
        sections = set(re.findall(r"# (\w+)", leader.call("INFO").decode()))
        assert sections == {name.capitalize() for name in status} - {"Why"}


def test_how_far_others_are_is_told_by_the_leader_alone():
    with Cluster(3, start=0) as cluster:
        with_http(cluster)
        leader = cluster.leader()
        last = submit(leader, b"first")
        for node in cluster.nodes:
            node.call("WAIT", last, 30000)
            leads = node is leader
            peers = json.loads(ask(node, "/status.json")[1])["peers"]
            for name in ("state", "match", "next", "lag", "inflight"):
                assert [name in peer for peer in peers] == [leads] * 2, peers
            found = metrics(node)
            for name in ("raftsc_peer_lag", "raftsc_peer_match_index"):
                told = [key for key in found if key.startswith(name + "{")]
                assert len(told) == (2 if leads else 0), told
            said = subprocess.run(
                [program("raftctl"), "-s", node.socket, "--json", "status"],
                capture_output=True, check=True, timeout=60).stdout
            for member in json.loads(said)["members"]:
                assert (member["lag"] is None) == (
                    member["self"] or not leads), member


def test_the_page_and_what_is_none():
    with Cluster(1, start=0) as cluster:
        with_http(cluster)
        node = cluster.nodes[0]
        status, body = ask(node, "/?x=y")
        assert status == 200 and "status.json" in body
        assert ask(node, "/", "HEAD") == (200, "")
        assert ask(node, "/nothing")[0] == 404
        assert ask(node, "/" + "x" * 5000)[0] == 404
        assert ask(node, "/healthz", "POST")[0] == 405
        assert raw(node, b"hello\r\n").startswith("HTTP/1.1 400 ")
        assert raw(node, b"\0\xff\n").startswith("HTTP/1.1 400 ")
        assert raw(node, b"GET / HTTP/1.1\r\nX: " + b"x" * 9000).startswith(
            "HTTP/1.1 431 ")
        assert raw(node, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000)\
            .startswith("HTTP/1.1 431 ")
        assert raw(node, b"GET /healthz HTTP/1.0\n\n").startswith(
            "HTTP/1.1 200 ")


def test_strangers_that_stay_keep_nobody_out():
    with Cluster(1, start=0) as cluster:
        with_http(cluster)
        node = cluster.nodes[0]
        silent = [socket.create_connection((cluster.address, 8000), 30)
                  for _ in range(200)]
        for _ in range(5):
            assert ask(node, "/healthz")[0] == 200
        assert node.call("PING") == "PONG"
        # The oldest were closed; the others end by themselves.
        assert silent[0].recv(10) == b""
        assert silent[-1].recv(10) == b""
        for stream in silent:
            stream.close()


def test_a_port_that_is_taken_ends_the_node_with_71():
    with Cluster(1, start=0) as cluster:
        node = cluster.nodes[0]
        with socket.create_server((cluster.address, 0)) as taken:
            node.set_conf(http_listen="%s:%d" % taken.getsockname())
            node.start()
            assert node.process.wait(30) == 71
        node.process = None
        assert "http-listen" in node.said()


if __name__ == "__main__":
    main(sys.modules[__name__])
