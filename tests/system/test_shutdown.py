"""The end of a process: what is under way, what an app has yet to read, and a
disk that does not let go."""

import os
import signal
import sys
import threading

from cluster import MIB, PATIENCE, Closed, Cluster, main, submit, until


def files(node):
    return [name for name in os.listdir(node.directory)
            if name.startswith("snapshot-")]


def bytes_of(node, name):
    return os.stat(os.path.join(node.directory, name)).st_size


def stop(node):
    node.process.send_signal(signal.SIGTERM)
    until("it stops", lambda: "stopping on" in node.said())


def wait_ended(node):
    assert node.process.wait(PATIENCE) == 0
    node.process = None


class StuckDisk:
    """Every sync of a node waits while hang() says so."""

    def __init__(self, cluster):
        self.path = os.path.join(cluster.directory, "stuck")
        self.node = cluster.nodes[0]
        self.node.program = "tests/raftsc-stuck"

    def start(self):
        os.environ["STUCK_DISK"] = self.path
        try:
            self.node.start()
        finally:
            del os.environ["STUCK_DISK"]

    def hang(self):
        if os.path.exists(self.path + ".hangs"):
            os.unlink(self.path + ".hangs")
        with open(self.path, "w", encoding="ascii"):
            pass

    def wait_hangs(self):
        until("a sync hangs", lambda: os.path.exists(self.path + ".hangs"))

    def go_on(self):
        os.unlink(self.path)


def test_an_upload_that_is_under_way_is_dropped():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        last = submit(node, b"x")
        with node.client() as client:

            def upload():
                try:
                    client.send("SNAPSHOT", "BEGIN", last)
                    for _ in range(200):
                        client.send("SNAPSHOT", "WRITE", bytes(MIB))
                except OSError:
                    pass # the node has ended

            sender = threading.Thread(target=upload)
            sender.start()
            until("some of it is on disk", lambda: any(
                bytes_of(node, name) > 16 * MIB for name in files(node)))
            assert node.kill(signal.SIGTERM) == 0
            sender.join()
        assert files(node) == []
        node.start().wait_answers()
        assert node.call("SNAPSHOT", "INFO") is None


def test_a_slow_reader_gets_what_it_was_answered():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        first = submit(node, b"x" * 900000)
        with node.client() as reader:
            for _ in range(8):
                reader.send("READ", first, "COUNT", 1)
            reader.send("SUBMIT", b"y")
            until("much is on its way", lambda: max(
                int(word[4:]) for word in
                node.call("CLIENT", "LIST").decode().split()
                if word.startswith("out=")) > 400000)
            stop(node)
            for _ in range(8):
                assert len(reader.reply()[0][2]) == 900000
            answer = reader.reply()
            assert isinstance(answer, int) or answer.code == "NOLEADER", answer
        wait_ended(node)


def test_a_reader_that_never_reads_is_not_waited_for_for_ever():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        first = submit(node, b"x" * 900000)
        with node.client() as deaf:
            deaf.send("READ", first, "COUNT", 1)
            until("it is on its way", lambda: "out=0" not in [
                word for word in
                node.call("CLIENT", "LIST").decode().split("\n")[0].split()])
            assert node.kill(signal.SIGTERM) == 0


def begin_stuck(cluster):
    """Its disk, its node, and the index of a first entry."""
    disk = StuckDisk(cluster)
    disk.start()
    disk.node.wait_answers()
    return disk, disk.node, submit(disk.node, b"saved")


def submit_to_stuck(disk, client, first):
    """A SUBMIT that the node has taken and cannot save."""
    disk.hang()
    client.send("SUBMIT", b"slow")
    until("it is taken", lambda: int(disk.node.info()["last_index"]) > first)
    disk.wait_hangs()


def test_a_disk_that_hangs_does_not_keep_the_process():
    with Cluster(1, start=0, disk_stall_timeout="60s") as cluster:
        disk, node, first = begin_stuck(cluster)
        with node.client() as client:
            submit_to_stuck(disk, client, first)
            assert node.kill(signal.SIGTERM) == 0
            try:
                raise AssertionError(client.reply())
            except Closed:
                pass # it is not said to be saved
        assert "the disk does not answer" in node.said()
        assert not os.path.exists(node.socket)
        disk.go_on()
        disk.start()
        node.wait_answers().call("WAIT", first)
        assert node.entries()[first][1] == b"saved"


def test_a_disk_that_takes_its_time_is_waited_for():
    with Cluster(1, start=0, disk_stall_timeout="60s") as cluster:
        disk, node, first = begin_stuck(cluster)
        with node.client() as client:
            submit_to_stuck(disk, client, first)
            stop(node)
            disk.go_on()
            index = client.reply()
            wait_ended(node)
        assert "the disk does not answer" not in node.said()
        disk.start()
        node.wait_answers().call("WAIT", index)
        assert node.entries()[index][1] == b"slow"


def test_signals_are_obeyed_while_the_log_is_being_opened():
    with Cluster(1, start=0) as cluster:
        disk = StuckDisk(cluster)
        node = disk.node
        for number in (signal.SIGTERM, signal.SIGINT):
            disk.hang()
            disk.start()
            disk.wait_hangs()
            assert node.kill(number) == 0
        disk.hang()
        disk.start()
        disk.wait_hangs()
        node.set_conf(max_payload="3MiB")
        node.process.send_signal(signal.SIGHUP)
        disk.go_on()
        node.wait_answers()
        until("it was read again", lambda: node.call(
            "CONFIG", "GET", "max-payload")[1] == b"3MiB")
        assert node.kill(signal.SIGTERM) == 0


if __name__ == "__main__":
    main(sys.modules[__name__])
