"""The program itself: options, exit statuses, sockets, signals."""

import fcntl
import grp
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time

from cluster import (Client, Closed, Cluster, PATIENCE, main, program, submit,
                     until)


def run(*arguments):
    done = subprocess.run([program("raftsc"), *arguments], timeout=30,
                          capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_the_command_line():
    status, out, _ = run("--version")
    assert status == 0 and out.startswith("raftsc ")
    status, out, _ = run("--help")
    assert status == 0 and "usage: raftsc -c FILE" in out
    assert run()[0] == 64
    assert run("--nope")[0] == 64
    assert run("-c", "/dev/null", "more")[0] == 64


def test_a_configuration_is_checked_and_printed():
    with Cluster(0) as cluster:
        path = os.path.join(cluster.directory, "conf")
        with open(path, "w", encoding="ascii") as conf:
            conf.write("id = 3\ndata-dir = /nowhere\npeer-listen = a:7000\n")
        status, out, _ = run("-c", path, "-t", "-o", "cluster=other")
        assert status == 0, out
        lines = out.splitlines()
        assert "id = 3" in lines and "cluster = other" in lines
        assert "max-payload = 1MiB" in lines
        with open("/dev/full", "wb") as full:
            for options in (["-c", path, "-t"], ["--help"], ["--version"]):
                done = subprocess.run([program("raftsc"), *options],
                                      timeout=30, stdout=full, check=False,
                                      stderr=subprocess.PIPE)
                assert done.returncode == 74, options
                assert b"standard output" in done.stderr
        status, _, said = run("-c", path, "-t", "-o", "max-payload=1TiB")
        assert status == 78 and "max-payload" in said
        status, _, said = run("-c", path + ".missing", "-t")
        assert status == 78 and "cannot be opened" in said
        os.unlink(path)


def test_the_socket_has_its_mode_and_group_and_the_database_is_not_for_all():
    number = 65534 if os.geteuid() == 0 else os.getegid()
    group = grp.getgrgid(number).gr_name
    with Cluster(1, app_socket_mode="0620", app_socket_group=group) as cluster:
        node = cluster.nodes[0].wait_answers()
        found = os.stat(node.socket)
        assert found.st_mode & 0o777 == 0o620, oct(found.st_mode)
        assert found.st_gid == number
        for name in os.listdir(node.directory):
            if name.startswith("raft.db"):
                mode = os.stat(os.path.join(node.directory, name)).st_mode
                assert mode & 0o7 == 0, (name, oct(mode))


def test_exit_statuses_tell_the_cause():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        first = node.process
        # The data directory is in use.
        other = subprocess.run(
            [program("raftsc"), "-c", node.conf, "-o",
             "app-socket=" + node.directory + "/other.sock"],
            capture_output=True, timeout=30, check=False)
        assert other.returncode == 75, other.stderr
        assert str(first.pid).encode() in other.stderr
        node.kill(signal.SIGTERM)
        # The port is taken.
        with socket.create_server((cluster.address, 7000)):
            node.start()
            assert node.process.wait(30) == 71
        assert "7000" in node.said()
        node.process = None
        # The database is another node's.
        assert run("-c", node.conf, "-o", "id=7", "-o",
                   "bootstrap=7=a:1")[0] == 65
        # The socket cannot be made.
        status, _, said = run("-c", node.conf, "-o", "app-socket=/nowhere/s")
        assert status == 71 and "app-socket /nowhere/s: it cannot" in said, said
        # The directory is not there.
        assert run("-c", node.conf, "-o", "data-dir=/nowhere")[0] == 74


def test_closed_standard_descriptors_are_no_place_for_anything_else():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        node.kill(signal.SIGTERM)
        node.process = subprocess.Popen(
            ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", program("raftsc"),
             "-c", node.conf, "-o", "log-level=trace"])
        node.wait_answers()
        for number in range(3):
            link = "/proc/%d/fd/%d" % (node.process.pid, number)
            assert os.readlink(link) == "/dev/null", os.readlink(link)
        submit(node, "a")
        assert node.kill(signal.SIGTERM) == 0
        subprocess.run([program("raftctl"), "verify", node.directory],
                       check=True, timeout=30, stdout=subprocess.DEVNULL)


def test_a_stale_socket_is_replaced_a_live_one_and_a_file_are_not():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        node.kill()
        assert os.path.exists(node.socket)
        node.start().wait_answers()
        assert os.stat(node.socket).st_mode & 0o777 == 0o660
        node.kill(signal.SIGTERM)
        assert not os.path.exists(node.socket)
        with socket.socket(socket.AF_UNIX) as live:
            live.bind(node.socket)
            live.listen()
            node.start()
            assert node.process.wait(30) == 71
        os.unlink(node.socket)
        with open(node.socket, "w", encoding="ascii") as file:
            file.write("precious")
        node.process = None
        node.start()
        assert node.process.wait(30) == 71
        node.process = None
        with open(node.socket, encoding="ascii") as file:
            assert file.read() == "precious"
        os.unlink(node.socket)


def test_a_socket_that_cannot_be_asked_is_not_removed():
    with Cluster(1, start=0) as cluster:
        node = cluster.nodes[0]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.bind(node.socket)
            node.start()
            assert node.process.wait(30) == 71
            node.process = None
            assert "cannot be found out" in node.said()
            assert os.path.exists(node.socket)
        os.unlink(node.socket)
        # One that is too busy to answer.
        with socket.socket(socket.AF_UNIX) as live:
            live.bind(node.socket)
            live.listen(0)
            waiting = []
            try:
                while True:
                    waiting.append(socket.socket(socket.AF_UNIX))
                    waiting[-1].setblocking(False)
                    waiting[-1].connect(node.socket)
            except BlockingIOError:
                pass
            node.start()
            assert node.process.wait(30) == 71
            node.process = None
            assert "another process listens" in node.said()
            assert os.path.exists(node.socket)
            for one in waiting:
                one.close()
        os.unlink(node.socket)


def test_the_socket_of_another_process_stays():
    with Cluster(1) as one, Cluster(1, start=0) as other:
        first, second = one.nodes[0].wait_answers(), other.nodes[0]
        os.unlink(first.socket)
        second.set_conf(app_socket=first.socket)
        second.start()
        first_process, first.process = first.process, second.process
        first.wait_answers()  # the second one does, there
        first.process = first_process
        assert first.kill(signal.SIGTERM) == 0
        assert os.path.exists(first.socket)
        assert second.kill(signal.SIGTERM) == 0
        assert not os.path.exists(first.socket)


def lose_directory(data, aside):
    os.rename(data, aside)


def lose_all(data, _):
    shutil.rmtree(data)


def lose_for_another(data, aside):
    os.rename(data, aside)
    shutil.copytree(aside, data)


def lose_file(name):
    return lambda data, _: os.unlink(os.path.join(data, name))


def test_nothing_is_acknowledged_that_the_next_start_will_not_find():
    for lost, lose in (("raft.db", lose_directory), ("raft.db", lose_all),
                       ("raft.db", lose_for_another),
                       ("raft.db-wal", lose_file("raft.db-wal")),
                       ("lock", lose_file("lock"))):
        with Cluster(1, start=0) as cluster:
            node = cluster.nodes[0]
            data = os.path.join(cluster.directory, "data")
            os.mkdir(data)
            node.set_conf(data_dir=data)
            node.start().wait_answers()
            submit(node, b"before")
            with node.client() as client:
                lose(data, os.path.join(cluster.directory, "aside"))
                time.sleep(0.02)  # no save looks twice within 10 ms
                try:
                    client.send("SUBMIT", b"lost")
                    raise AssertionError(client.reply())
                except (Closed, OSError):
                    pass
            assert node.process.wait(PATIENCE) == 74
            node.process = None
            assert "%s/%s is not the file any more" % (data, lost) in \
                node.said(), lost


def test_a_start_without_descriptors_ends_as_the_manual_says():
    with Cluster(1, start=0) as cluster:
        node = cluster.nodes[0]

        def ended_or_started():
            if ", node 0 of cluster" in node.said():
                return "started"
            return node.process.poll()

        for limit in range(5, 40):
            with open(node.log, "wb") as log:
                node.process = subprocess.Popen(
                    # A sanitizer that looks for leaks needs some, too.
                    ["sh", "-c", 'export ASAN_OPTIONS=detect_leaks=0; '
                     'ulimit -n "$2" && exec "$0" -c "$1"',
                     program("raftsc"), node.conf, str(limit)],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            status = until("it ends or starts", ended_or_started)
            if status == "started":
                break
            node.process = None
            assert status in (70, 71, 74), (limit, status, node.said())
            for line in node.said().splitlines():
                assert line.startswith("20"), line
        assert 10 < limit < 39, limit


def test_sighup_takes_what_can_change_and_names_what_cannot():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        with open(node.conf, "a", encoding="ascii") as conf:
            conf.write("max-payload = 3MiB\napp-socket-mode = 0600\n")
        node.process.send_signal(signal.SIGHUP)
        until("the new value", lambda: node.call(
            "CONFIG", "GET", "max-payload")[1] == b"3MiB")
        assert "app-socket-mode cannot change at run time" in node.said()
        with open(node.conf, "a", encoding="ascii") as conf:
            conf.write("nonsense\n")
        node.process.send_signal(signal.SIGHUP)
        until("the error", lambda: "'nonsense'" in node.said())
        assert node.call("CONFIG", "GET", "max-payload")[1] == b"3MiB"


def test_a_log_that_nobody_reads_stops_nothing():
    with Cluster(1, start=0, log_level="trace") as cluster:
        node = cluster.nodes[0]
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        node.process = subprocess.Popen(
            [program("raftsc"), "-c", node.conf],
            stdin=subprocess.DEVNULL, stderr=writer)
        os.close(writer)
        node.wait_answers()
        for number in range(100):
            submit(node, b"%d" % number)
        with os.fdopen(reader, "rb") as log:
            for line in log:
                submit(node, b"more to say")
                assert line.startswith(b"20"), line
                words = line.split(b" ")
                if words[3:] == (b"lines of this log are lost: "
                                 b"they were not read in time\n").split(b" "):
                    assert int(words[2]) > 0 and words[1] == b"warning"
                    break
            else:
                raise AssertionError("nothing was lost")
            node.process.send_signal(signal.SIGTERM)
            log.read()
        assert node.process.wait(30) == 0
        node.process = None


def test_parameters_are_set_together_or_not_at_all():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()

        def value(name):
            return node.call("CONFIG", "GET", name)[1]

        for refused in (["max-clients", 10, "forward", "maybe"],
                        ["max-clients", 10, "id", 7],
                        ["max-clients", 10, "no-such-key", 7],
                        ["max-clients", 10, "Max-Clients", 11],
                        ["max-clients", 10, "forward", "no\0"],
                        ["max-clients", 10, "heartbeat-interval", "900ms"]):
            with node.client() as client:
                client.send("CONFIG", "SET", *refused)
                assert client.reply().code == "ERR"
            assert value("max-clients") == b"1024", refused
        # Each of them alone would make no sense, in this order.
        assert node.call("CONFIG", "SET", "HEARTBEAT-interval", "1s",
                         "election-timeout", "10s") == "OK"
        assert value("heartbeat-interval") == b"1s"
        assert value("election-timeout") == b"10s"


def test_a_long_value_is_given_whole():
    with Cluster(1, start=0) as cluster:
        node = cluster.nodes[0]
        members = ", ".join("%d=%s.invalid:7000" % (number, "x" * 60)
                            for number in range(1, 64))
        node.set_conf(bootstrap="0=%s, %s" % (cluster.peer(0), members))
        status, out, _ = run("-c", node.conf, "-t")
        assert status == 0
        node.start().wait_answers()
        given = node.call("CONFIG", "GET", "bootstrap")[1].decode()
        assert len(given) > 4096
        assert "bootstrap = " + given in out.splitlines()


def test_systemd_is_told():
    with Cluster(1) as cluster:
        node = cluster.nodes[0]
        node.wait_answers().kill()
        path = os.path.join(cluster.directory, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(path)
            listener.settimeout(30)
            os.environ["NOTIFY_SOCKET"] = path
            os.environ["WATCHDOG_USEC"] = "200000"
            try:
                node.start()
            finally:
                del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
            heard = set()
            wanted = {b"READY=1", b"WATCHDOG=1"}
            while not wanted <= heard or not any(
                    said.startswith(b"STATUS=leader") for said in heard):
                heard.add(listener.recv(1000))
            node.process.send_signal(signal.SIGTERM)
            while b"STOPPING=1" not in heard:
                heard.add(listener.recv(1000))


def test_systemd_is_told_once_it_has_room():
    with Cluster(1, start=0) as cluster:
        node = cluster.nodes[0]
        path = os.path.join(cluster.directory, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(path)
            listener.settimeout(30)
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
                filler.setblocking(False)
                count = 0
                try:
                    while True:
                        filler.sendto(b"x", path)
                        count += 1
                except BlockingIOError:
                    pass
                os.environ["NOTIFY_SOCKET"] = path
                try:
                    node.start()
                finally:
                    del os.environ["NOTIFY_SOCKET"]
                until("leader", cluster.leader_now)
                for _ in range(count):
                    assert listener.recv(1000) == b"x"
            assert listener.recv(1000) == b"READY=1"
            while not listener.recv(1000).startswith(b"STATUS=leader"):
                pass


def wait_alone(client):
    """Waits until those that came before it are known to be gone."""
    until("nobody else is connected", lambda:
          "connected_clients:1\r" in client.call("INFO").decode())


def test_one_client_too_many_is_told_so():
    with Cluster(1, max_clients="2") as cluster:
        node = cluster.nodes[0].wait_answers()
        with node.client() as first:
            wait_alone(first)
            second = node.client()
            assert second.call("PING") == "PONG"
            with Client(node.socket) as third:
                text = str(third.reply())
            assert text == "ERR max number of clients reached", text
            second.close()


def lowest_free_descriptor(node):
    taken = {int(name) for name in os.listdir(
        "/proc/%d/fd" % node.process.pid)}
    return next(fd for fd in range(len(taken) + 1) if fd not in taken)


def test_the_limit_of_descriptors_bounds_the_clients():
    with Cluster(1, start=0) as cluster:
        node = cluster.nodes[0]
        with open(node.log, "ab") as log:
            node.process = subprocess.Popen(
                ["sh", "-c", 'ulimit -n 64 && exec "$0" -c "$1"',
                 program("raftsc"), node.conf],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        node.wait_answers()
        assert "max-clients is 1024, but at most 32 apps can connect: the " \
            "system's limit is 64 open files" in node.said()

        def admitted():
            """A client, once those of before are known to be gone."""
            client = node.client()
            client.send("PING")
            if client.reply() == "PONG":
                return client
            client.close()
            return None

        clients = [until("there is room", admitted) for _ in range(32)]
        with Client(node.socket) as one_more:
            assert "max number of clients" in str(one_more.reply())
        for client in clients:
            client.close()
        assert "can be accepted" not in node.said()


def test_a_want_of_descriptors_is_logged_once():
    with Cluster(1) as cluster:
        node = cluster.nodes[0].wait_answers()
        until("leader", cluster.leader_now)

        def uptime():
            return int(keeper.call("INFO").decode().split(
                "uptime_in_seconds:")[1].split()[0])

        def said():
            return node.said().count("no more connections of apps can")

        def limit(soft):
            resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE,
                             (soft, before[1]))

        with node.client() as keeper:
            before = resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE)
            for times in (1, 2):
                wait_alone(keeper)
                limit(lowest_free_descriptor(node))
                with node.client() as late:
                    late.send("PING")
                    until("it is said", lambda: said() == times)
                    begun = uptime()
                    until("some rests are over", lambda: uptime() > begun + 1)
                    assert said() == times
                    limit(before[0])
                    assert late.reply() == "PONG"


def test_a_reader_that_never_reads_slows_nobody_and_costs_little():
    with Cluster(1) as cluster:
        until("leader", cluster.leader_now)
        node = cluster.nodes[0]
        with node.client() as deaf:
            deaf.send("FOLLOW", 1)
            with node.client() as writer:
                for _ in range(10):
                    for _ in range(100):
                        writer.send("SUBMIT", b"x" * 100000)
                    for _ in range(100):
                        assert isinstance(writer.reply(), int)
            listing = node.call("CLIENT", "LIST").decode()
            waiting = max(int(word[4:]) for word in listing.split()
                          if word.startswith("out="))
            assert waiting < 2 << 20, listing
            # It reads after all, and misses nothing.
            last = 0
            for _ in range(1000):
                push = deaf.reply()
                assert push[0] == b"entry" and push[1] > last
                last = push[1]
        submit(node, b"after")


def test_a_stream_whose_app_is_gone_does_not_stay():
    with Cluster(1) as cluster:
        until("leader", cluster.leader_now)
        node = cluster.nodes[0]
        for words in (["FOLLOW", 1], ["EVENTS"], ["WAIT", 10 ** 9]):
            with node.client() as client:
                client.send(*words)
                until("it is known", lambda: int(
                    node.info()["connected_clients"]) == 2)
            until("it is forgotten", lambda: int(
                node.info()["connected_clients"]) == 1)


def test_an_app_that_is_held_back_and_gone_does_not_stay():
    with Cluster(1) as cluster:
        until("leader", cluster.leader_now)
        node = cluster.nodes[0]
        with node.client() as client:
            client.socket.sendall(b"WAIT 9000000000000000000\r\n" * 5000)
            until("it is held back", lambda: " requests=4096 " in node.call(
                "CLIENT", "LIST").decode())
        until("it is forgotten", lambda: int(
            node.info()["connected_clients"]) == 1)
        # One that is there still is not taken for gone.
        with node.client() as client:
            client.socket.sendall(b"WAIT 1\r\n" + b"WAIT 100\r\n" * 5000)
            client.socket.shutdown(socket.SHUT_WR)
            client.reply()
            until("it was looked at", lambda: any(
                "requests=4096 " in line and not
                {"age=0", "age=1"} & set(line.split()) for line in
                node.call("CLIENT", "LIST").decode().splitlines()))
            last = submit(node, b"x")
            while last < 100:
                last = submit(node, b"x")
            for _ in range(5000):
                assert isinstance(client.reply(), int)


if __name__ == "__main__":
    main(sys.modules[__name__])
