"""raftctl snapshot: save, load, info."""

import hashlib
import json
import os
import random
import subprocess
import sys

from cluster import Cluster, main, program, submit


def ctl(node, *arguments, said=None):
    """(status, standard output, standard error), all as bytes."""
    done = subprocess.run(
        [program("raftctl"), "-s", node.socket, *map(str, arguments)],
        timeout=60, capture_output=True, check=False, input=said)
    return done.returncode, done.stdout, done.stderr


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def test_a_file_goes_in_and_comes_out_again():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        last = submit(node, b"x")
        assert ctl(node, "snapshot", "info")[:2] == (0, b"no snapshot\n")
        assert ctl(node, "--json", "snapshot", "info")[:2] == (0, b"null\n")
        data = random.Random(1).randbytes((9 << 20) + 4321)
        there = os.path.join(cluster.directory, "there")
        back = os.path.join(cluster.directory, "back")
        write(there, data)
        status, out, err = ctl(node, "--json", "snapshot", "load", last, there)
        assert status == 0, err
        said = json.loads(out)
        assert said == {"index": last, "term": said["term"],
                        "size": len(data),
                        "sha256": hashlib.sha256(data).hexdigest()}
        assert json.loads(ctl(node, "--json", "snapshot", "info")[1]) == said
        write(back, b"what was there")
        status, out, err = ctl(node, "snapshot", "save", back)
        assert status == 0, err
        assert said["sha256"].encode() in out
        assert read(back) == data
        assert os.stat(back).st_mode & 0o777 == 0o640
        assert ctl(node, "snapshot", "save", "-")[:2] == (0, data)
        more = submit(node, b"y")
        status, _, err = ctl(node, "snapshot", "load", more, "-", said=b"")
        assert status == 0, err
        assert ctl(node, "snapshot", "save", back)[0] == 0
        assert read(back) == b""


def test_what_is_refused_changes_nothing():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        last = submit(node, b"x")
        there = os.path.join(cluster.directory, "there")
        status, _, err = ctl(node, "snapshot", "save", there)
        assert status == 1 and b"no snapshot" in err
        assert not os.path.exists(there)
        status, _, err = ctl(node, "snapshot", "load", last, there)
        assert status == 1 and b"cannot be opened" in err
        write(there, b"state")
        assert ctl(node, "snapshot", "load", "x", there)[0] == 2
        assert ctl(node, "snapshot", "load", last)[0] == 2
        status, _, err = ctl(node, "snapshot", "load", last + 1, there)
        assert status == 1 and b"not committed" in err
        with node.client() as client:
            assert client.call("SNAPSHOT", "BEGIN", last) == "OK"
            status, _, err = ctl(node, "snapshot", "load", last, there)
            assert status == 1 and b"CONFLICT" in err
        node.kill()
        assert ctl(node, "snapshot", "load", last, there)[0] == 3


def test_a_damaged_snapshot_replaces_no_file():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        last = submit(node, b"x")
        there = os.path.join(cluster.directory, "there")
        write(there, bytes(3 << 20))
        assert ctl(node, "snapshot", "load", last, there)[0] == 0
        node.kill()
        subprocess.run(
            ["sqlite3", os.path.join(node.directory, "snapshot-1.db"),
             "UPDATE chunk SET data = x'00' WHERE seq = 2"], check=True)
        node.start().wait_answers()
        write(there, b"old")
        status, _, err = ctl(node, "snapshot", "save", there)
        assert status == 1 and b"CORRUPT" in err
        assert read(there) == b"old"
        left = [name for name in os.listdir(cluster.directory)
                if name.startswith("there")]
        assert left == ["there"]


if __name__ == "__main__":
    main(sys.modules[__name__])
