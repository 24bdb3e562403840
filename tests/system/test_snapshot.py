"""SNAPSHOT over the socket: uploads, downloads, what is left of broken ones."""

import hashlib
import os
import random
import sqlite3
import sys

from cluster import (MIB, Cluster, download_by, main, refused, submit, until,
                     upload)

def some_bytes(size, seed=1):
    return random.Random(seed).randbytes(size)


def files(node):
    return sorted(name for name in os.listdir(node.directory)
                  if name.startswith("snapshot-"))


def test_what_is_uploaded_is_downloaded_also_after_a_restart():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        last = submit(node, b"x")
        assert node.call("SNAPSHOT", "INFO") is None
        data = some_bytes(5 * MIB + 12345)
        upload(node, last, data, 300001)
        info = [last, node.call("ROLE")[1], len(data),
                hashlib.sha256(data).hexdigest().encode()]
        with node.client() as client:
            assert client.call("SNAPSHOT", "INFO") == info
            assert download_by(client, 777777) == data
            assert client.call("SNAPSHOT", "READ", MIB - 3, 7) == \
                data[MIB - 3:MIB + 4]
            assert client.call("SNAPSHOT", "READ", 1 << 40, 100) == b""
            assert client.call("SNAPSHOT", "READ", 0, 0) == b""
        assert files(node) == ["snapshot-1.db"]
        assert node.kill() == -9
        node.start().wait_answers()
        assert node.call("SNAPSHOT", "INFO") == info
        with node.client() as client:
            assert download_by(client, 16 * MIB) == data
        assert node.kill(15) == 0
        with sqlite3.connect(os.path.join(node.directory,
                                          "snapshot-1.db")) as db:
            whole = b"".join(row[0] for row in db.execute(
                "SELECT data FROM chunk ORDER BY seq"))
        assert whole == data


def test_an_empty_state_is_a_snapshot_too():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        last = submit(node, b"x")
        upload(node, last, b"")
        assert node.call("SNAPSHOT", "INFO")[2:] == [
            0, hashlib.sha256(b"").hexdigest().encode()]
        assert node.call("SNAPSHOT", "READ", 0, 100) == b""


def test_what_cannot_be_uploaded_is_refused():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        last = submit(node, b"x")
        with node.client() as client, node.client() as other:
            for words in (("WRITE", b"x"), ("END",)):
                assert "BEGIN" in refused(client, "ERR", "SNAPSHOT", *words)
            refused(client, "ERR", "SNAPSHOT", "BEGIN", last + 1)
            refused(client, "ERR", "SNAPSHOT", "BEGIN", 0)
            refused(client, "ERR", "SNAPSHOT", "BEGIN", "x")
            refused(client, "ERR", "SNAPSHOT", "READ", 0, 16 * MIB + 1)
            refused(client, "ERR", "SNAPSHOT", "READ", 0, 1)
            refused(client, "ERR", "SNAPSHOT", "READ", 0, 1, "INDEX", last)
            refused(client, "ERR", "SNAPSHOT", "READ", 0)
            refused(client, "ERR", "SNAPSHOT")
            refused(client, "ERR", "SNAPSHOT", "NONE")
            assert client.call("SNAPSHOT", "BEGIN", last) == "OK"
            assert client.call("SNAPSHOT", "WRITE", b"one") == 3
            for second in (client, other):
                refused(second, "CONFLICT", "SNAPSHOT", "BEGIN", last)
            refused(other, "ERR", "SNAPSHOT", "WRITE", b"x")
            refused(other, "ERR", "SNAPSHOT", "END")
            assert other.call("SNAPSHOT", "ABORT") == "OK"
            big = bytes(16 * MIB)
            refused(client, "TOOBIG", "SNAPSHOT", "WRITE", big + b"x")
            assert client.call("SNAPSHOT", "WRITE", big) == 3 + len(big)
            # What SUBMIT takes is not changed by an upload.
            refused(client, "TOOBIG", "SUBMIT", bytes(MIB + 1))
            assert client.call("SNAPSHOT", "END") == "OK"
            refused(client, "ERR", "SNAPSHOT", "BEGIN", last)
            refused(client, "ERR", "SNAPSHOT", "WRITE", b"x")
            assert client.call("SNAPSHOT", "READ", 0, 5) == b"one\0\0"


def test_a_broken_upload_leaves_nothing_behind():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        last = submit(node, b"x")
        for end in ("abort", "close", "reset", "kill"):
            client = node.client()
            assert client.call("SNAPSHOT", "BEGIN", last) == "OK"
            assert client.call("SNAPSHOT", "WRITE", bytes(6 * MIB)) == 6 * MIB
            assert files(node)
            if end == "abort":
                assert client.call("SNAPSHOT", "ABORT") == "OK"
            elif end == "reset":
                assert client.call("RESET") == "RESET"
            elif end == "kill":
                node.kill()
                assert files(node)
                node.start().wait_answers()
            client.close()
            until("nothing is left", lambda: not files(node))
            assert node.call("SNAPSHOT", "INFO") is None
        node.call("WAIT", last)
        upload(node, last, b"whole")
        assert node.call("SNAPSHOT", "READ", 0, 9) == b"whole"


def test_a_reader_of_an_older_one_finishes_undisturbed():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        old, new = some_bytes(3 * MIB, 1), some_bytes(2 * MIB, 2)
        upload(node, submit(node, b"x"), old)
        with node.client() as reader:
            first = reader.call("SNAPSHOT", "READ", 0, MIB)
            last = submit(node, b"y")
            upload(node, last, new)
            assert node.call("SNAPSHOT", "INFO")[0] == last
            assert reader.call("SNAPSHOT", "INFO")[2] == len(old)
            assert len(files(node)) == 2
            rest = reader.call("SNAPSHOT", "READ", MIB, 16 * MIB)
            assert first + rest == old
            assert reader.call("SNAPSHOT", "READ", 0, 16 * MIB) == new
            until("the old one is gone", lambda: len(files(node)) == 1)
            assert reader.call("SNAPSHOT", "INFO")[0] == last


def test_many_chunks_at_once_cost_bounded_memory():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        last = submit(node, b"x")
        chunk = bytes(MIB)
        count = 200
        with node.client() as client:
            client.send("SNAPSHOT", "BEGIN", last)
            for _ in range(count):
                client.send("SNAPSHOT", "WRITE", chunk)
            client.send("SNAPSHOT", "END")
            assert client.reply() == "OK"
            for at in range(count):
                assert client.reply() == (at + 1) * MIB
            assert client.reply() == "OK"
            for at in range(count):
                client.send("SNAPSHOT", "READ", at * MIB, MIB)
            for at in range(count):
                assert client.reply() == chunk
        with open("/proc/%d/status" % node.process.pid,
                  encoding="ascii") as status:
            peak = next(int(line.split()[1]) for line in status
                        if line.startswith("VmHWM:"))
        # The address sanitizer keeps what was freed for a while.
        with open("/proc/%d/maps" % node.process.pid, encoding="utf-8") as maps:
            limit = 600 if "libasan" in maps.read() else 100
        assert peak < limit * 1024, "%d KiB" % peak


def test_a_damaged_snapshot_is_named_and_a_missing_one_ends_the_start():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        last = submit(node, b"x")
        upload(node, last, some_bytes(3 * MIB))
        node.kill()
        path = os.path.join(node.directory, files(node)[0])
        with sqlite3.connect(path) as db:
            db.execute("UPDATE chunk SET data = zeroblob(length(data))"
                       " WHERE seq = 5")
        node.start().wait_answers()
        with node.client() as client:
            assert len(client.call("SNAPSHOT", "READ", 0, MIB)) == MIB
            said = refused(client, "CORRUPT", "SNAPSHOT", "READ", 0, 2 * MIB)
            assert said.startswith("CORRUPT %d " % last)
        node.kill()
        os.unlink(path)
        node.start()
        assert node.process.wait(60) == 65
        node.process = None


def test_the_log_goes_behind_a_snapshot_and_a_stream_begins_with_it():
    with Cluster(1, snapshot_tail=3) as cluster:
        node = cluster.nodes[0].wait_answers()
        for count in range(10):
            last = submit(node, b"%d" % count)
        state = some_bytes(100000)
        upload(node, last, state)
        until("the log is cut", lambda: node.info()["first_index"] ==
              str(last - 2))
        with node.client() as stream, node.client() as loader:
            refused(loader, "COMPACTED", "READ", 1)
            stream.send("FOLLOW", 1)
            assert stream.reply() == [b"snapshot", last, len(state)]
            # Newer ones do not take it away, for who says nothing of them.
            new = submit(node, b"new")
            assert stream.reply()[:2] == [b"entry", new]
            upload(node, new, b"newer")
            assert download_by(loader) == state
            assert loader.call("SNAPSHOT", "READ", 0, 9, "INDEX", new) == \
                b"newer"
            assert loader.call("SNAPSHOT", "READ", 0, 9, "INDEX", last) == \
                state[:9]
            loader.close()
            assert len(files(node)) == 2
            assert stream.call("ACK", new) == "OK"
            until("it is gone", lambda: len(files(node)) == 1)
        node.kill()
        node.start().wait_answers()
        with node.client() as stream:
            stream.send("FOLLOW", 1)
            assert stream.reply() == [b"snapshot", new, 5]


def test_what_was_announced_is_kept_for_so_long():
    with Cluster(1, snapshot_tail=0, snapshot_hold="50ms") as cluster:
        node = cluster.nodes[0].wait_answers()
        last = submit(node, b"x")
        upload(node, last, b"state")
        until("the log is cut", lambda: node.info()["first_index"] ==
              str(last + 1))
        with node.client() as stream:
            stream.send("FOLLOW", 1)
            assert stream.reply() == [b"snapshot", last, 5]
            upload(node, submit(node, b"y"), b"newer")
            until("it is gone", lambda: len(files(node)) == 1)
            assert node.call("SNAPSHOT", "READ", 0, 9) == b"newer"


def test_a_snapshot_below_the_base_is_dropped():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        last = submit(node, b"x")
        upload(node, last, b"state")
        more = submit(node, b"y")
        assert node.call("COMPACT", last) == last + 1
        assert node.call("SNAPSHOT", "INFO")[0] == last
        with node.client() as client:
            assert client.call("SNAPSHOT", "BEGIN", more) == "OK"
            even_more = submit(node, b"z")
            assert node.call("COMPACT", even_more) == even_more + 1
            assert node.call("SNAPSHOT", "INFO") is None
            refused(client, "ERR", "SNAPSHOT", "END")
        until("nothing is left", lambda: not files(node))
        with node.client() as stream:
            stream.send("FOLLOW", 1)
            assert stream.reply().code == "COMPACTED"
        node.kill()
        node.start().wait_answers()
        assert node.call("SNAPSHOT", "INFO") is None


if __name__ == "__main__":
    main(sys.modules[__name__])
