"""Each code of an error, every fault that provokes it, and whether the payload
is in the log once the cluster is whole again: a 'no' must be true.
"""

import subprocess
import sys
import tempfile

from cluster import FAST, Cluster, Error, main, refused, submit, until


def absent(cluster, *payloads):
    found = [payload for _, payload in cluster.settle().values()]
    for payload in payloads:
        assert payload not in found, payload


def test_err_is_for_what_is_malformed_and_nothing_is_in_the_log():
    with Cluster(1) as cluster:
        until("leader", cluster.leader_now)
        node = cluster.nodes[0]
        for words in (["NOPE"], ["SUBMIT"], ["SUBMIT", "x", "TERM"],
                      ["SUBMIT", "x", "TERM", "a"], ["SUBMIT", "x", "TERM", 0],
                      ["SUBMIT", "x", "KEY", ""], ["SUBMIT", "x", "SINCE", 1],
                      ["SUBMIT", "x", "KEY", b"k" * 129],
                      ["SUBMIT", "x", "TERM", 2, "TERM", 2],
                      ["SUBMIT", "x", "TIMEOUT"],
                      ["SUBMIT", "x", "TIMEOUT", "-1"], ["WAIT", "x"],
                      ["READ", 1, "COUNT", 0], ["READ", 1, "COUNT"],
                      ["READ", "a"], ["FOLLOW", "a"], ["ACK", 10 ** 6],
                      ["SELECT", 1], ["HELLO", 3, "AUTH", "a", "b"],
                      ["CONFIG", "NOPE"], ["CONFIG", "SET", "max-payload"],
                      ["CONFIG", "SET", "max-payload", "1"[:0]],
                      ["CONFIG", "SET", "id", 5],
                      ["CONFIG", "SET", "no-such-key", 5],
                      ["CONFIG", "SET", "heartbeat-interval", "900ms"],
                      ["CONFIG", "BOOTSTRAP", "0=a:1"], ["CLIENT", "NOPE"]):
            refused(node, "ERR", *words)
        with node.client() as client:
            client.send("EVENTS")
            client.send("SUBMIT", "x")
            answer = client.reply()
            while isinstance(answer, list):  # what has changed meanwhile
                answer = client.reply()
            assert answer.code == "ERR", answer
        absent(cluster, b"x")


def test_toobig_is_read_thrown_away_and_answered():
    with Cluster(1, max_payload="100KiB") as cluster:
        until("leader", cluster.leader_now)
        node = cluster.nodes[0]
        with node.client() as client:
            big = b"b" * (100 * 1024 + 1)
            client.send("SUBMIT", big)
            client.send("SUBMIT", b"behind it")
            assert client.reply().code == "TOOBIG"
            assert isinstance(client.reply(), int)
            client.send("SUBMIT", b"b" * (30 << 20))
            assert client.reply().code == "TOOBIG"
            # A limit that is raised counts for those that are connected.
            assert client.call("CONFIG", "SET", "max-payload", "1MiB") == "OK"
            assert isinstance(client.call("SUBMIT", b"b" * 200000), int)
        absent(cluster, big)


def test_noconfig_before_the_birth_names_whom_it_waits_for():
    with Cluster(3, start=2) as cluster:
        node = cluster.nodes[0].wait_answers()
        text = refused(node, "NOCONFIG", "SUBMIT", b"early")
        assert "node 2 at " + cluster.peer(2) in text, text
        assert node.role()[0] == b"idle"
        cluster.nodes[2].start()
        absent(cluster, b"early")


def test_noleader_without_a_majority_and_nothing_is_in_the_log():
    with Cluster(3, **FAST) as cluster:
        leader = cluster.leader()
        submit(leader, b"before")
        others = [node for node in cluster.nodes if node is not leader]
        leader.kill()
        others[0].pause()
        alone = others[1]
        until("it knows no leader", lambda: alone.role()[2] == -1)
        refused(alone, "NOLEADER", "SUBMIT", b"alone", "TIMEOUT", 200)
        refused(alone, "NOLEADER", "BARRIER", 200)
        others[0].go_on()
        leader.start().wait_answers()
        absent(cluster, b"alone")


def test_uncertain_when_the_leader_cannot_commit_in_time():
    with Cluster(3, election_timeout="3s") as cluster:
        leader = cluster.leader()
        for node in cluster.nodes:
            if node is not leader:
                node.pause()
        refused(leader, "UNCERTAIN", "SUBMIT", b"perhaps", "TIMEOUT", 200)
        for node in cluster.nodes:
            if node.stopped:
                node.go_on()
        # It may be there, but never twice.
        found = [p for _, p in cluster.settle().values()]
        assert found.count(b"perhaps") <= 1


def test_uncertain_when_the_leader_is_lost_with_a_forwarded_submit():
    with Cluster(3, **FAST) as cluster:
        leader = cluster.leader()
        follower = cluster.follower()
        submit(follower, b"before")
        leader.pause()
        with follower.client() as client:
            client.send("SUBMIT", b"perhaps", "TIMEOUT", 20000)
            until("another leader", lambda: cluster.leader_now())
            answer = client.reply()
            if isinstance(answer, Error):
                assert answer.code == "UNCERTAIN", answer
        leader.go_on()
        found = [p for _, p in cluster.settle().values()]
        assert found.count(b"perhaps") <= 1


def test_timeout_of_wait_and_of_a_barrier_with_a_leader():
    with Cluster(3, election_timeout="5s") as cluster:
        leader = cluster.leader()
        last = submit(leader, b"before")
        refused(leader, "TIMEOUT", "WAIT", last + 100, 50)
        for node in cluster.nodes:
            if node is not leader:
                node.pause()
        refused(leader, "TIMEOUT", "BARRIER", 200)
        for node in cluster.nodes:
            if node.stopped:
                node.go_on()
        assert leader.call("BARRIER") == last


def test_notleader_names_the_leader_where_forwarding_is_off():
    with Cluster(3, forward="no") as cluster:
        leader = cluster.leader()
        follower = cluster.follower()
        until("it knows the leader",
              lambda: follower.role()[2] == leader.number)
        text = refused(follower, "NOTLEADER", "SUBMIT", b"there")
        assert text == "NOTLEADER %d %s" % (
            leader.number, cluster.peer(leader.number)), text
        refused(follower, "NOTLEADER", "BARRIER")
        absent(cluster, b"there")


def test_busy_when_too_much_waits_to_be_committed():
    with Cluster(3, election_timeout="10s", max_pending="64KiB") as cluster:
        leader = cluster.leader()
        for node in cluster.nodes:
            if node is not leader:
                node.pause()
        with leader.client() as client:
            for number in range(4):
                client.send("SUBMIT", b"%d" % number + b"x" * 30000,
                            "TIMEOUT", 3000)
            answers = [client.reply() for _ in range(4)]
        codes = [answer.code for answer in answers]
        assert codes[:2] == ["UNCERTAIN"] * 2, codes
        assert codes[2:] == ["BUSY"] * 2, codes
        for node in cluster.nodes:
            if node.stopped:
                node.go_on()
        absent(cluster, b"2" + b"x" * 30000, b"3" + b"x" * 30000)


def test_fenced_in_another_term():
    with Cluster(3, **FAST) as cluster:
        leader = cluster.leader()
        with leader.client() as client:
            client.send("EVENTS")
            push = client.reply()
            while push[0] != b"role" or push[1] != b"leader":
                push = client.reply()
            term = push[2]
        assert isinstance(leader.call("SUBMIT", b"mine", "TERM", term), int)
        leader.kill()
        other = cluster.leader()
        text = refused(other, "FENCED", "SUBMIT", b"old", "TERM", term)
        now = other.role()[1]
        assert text.split()[1] == str(now), text
        follower = cluster.follower()
        until("it knows the leader", lambda: follower.role()[2] == other.number)
        refused(follower, "FENCED", "SUBMIT", b"old", "TERM", term)
        leader.start().wait_answers()
        absent(cluster, b"old")


def test_stale_and_a_key_that_is_known_append_nothing():
    with Cluster(3, **FAST) as cluster:
        leader = cluster.leader()
        follower = cluster.follower()
        first = submit(leader, b"first")
        keyed = leader.call("SUBMIT", b"keyed", "KEY", "k", "AFTER", first)
        for node in (leader, follower):
            text = refused(node, "STALE", "SUBMIT", b"late", "AFTER", first)
            assert text.split()[1] == str(keyed), text
            assert node.call("SUBMIT", b"other", "KEY", "k") == keyed
            # The key is looked at first: AFTER does not count any more.
            assert node.call("SUBMIT", b"other", "KEY", "k", "AFTER",
                             first) == keyed
        absent(cluster, b"late", b"other")


def test_forgotten_when_keys_that_new_are_forgotten():
    with Cluster(3, key_window="10", **FAST) as cluster:
        leader = cluster.leader()
        follower = cluster.follower()
        before = submit(leader, b"before")
        for number in range(30):
            last = leader.call("SUBMIT", b"%d" % number, "KEY", number)
        for node in (leader, follower):
            refused(node, "FORGOTTEN", "SUBMIT", b"again", "KEY", "new",
                    "SINCE", before)
        assert leader.call("SUBMIT", b"fresh", "KEY", "new", "SINCE",
                           last) == last + 1
        absent(cluster, b"again")


def mount_small(directory, size):
    """A file system of so many bytes on the directory; False: not allowed."""
    return subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=%d" % size, "tmpfs", directory],
        capture_output=True, check=False).returncode == 0


def fill_disk_of(node):
    """Submits until the node says that its disk is full."""
    def full():
        try:
            node.call("SUBMIT", b"f" * 50000, "TIMEOUT", 300)
        except Error as error:
            assert error.code in ("DISK", "UNCERTAIN", "BUSY"), error
            return error.code == "DISK"
        return False
    until("the disk is full", full)


def test_disk_when_it_is_full_and_on_again_without_a_restart():
    with tempfile.TemporaryDirectory() as small:
        if not mount_small(small, 3 << 20):
            print("no file system can be mounted: not tried")
            return
        try:
            with Cluster(3, start=0) as cluster:
                full_disk(cluster, small)
        finally:
            subprocess.run(["umount", "-l", small], check=True)


def full_disk(cluster, small):
    node = cluster.nodes[0]
    node.set_conf(data_dir=small)
    for each in cluster.nodes:
        each.start()
    submit(cluster.leader(), b"before")
    node.wait_answers()
    fill_disk_of(node)
    refused(node, "DISK", "SUBMIT", b"no room")
    assert node.info()["disk"] == "full"
    # The others go on; with more room this one does so too, by itself.
    others = [each for each in cluster.nodes if each is not node]

    def go_on():
        try:
            return others[0].call("SUBMIT", b"they go on", "KEY", "k")
        except Error as error:
            assert error.code in ("DISK", "UNCERTAIN", "NOLEADER"), error
            return None
    until("the others go on", go_on)
    assert node.info()["disk"] == "full"
    subprocess.run(["mount", "-o", "remount,size=200m", small], check=True)
    until("there is room", lambda: node.info()["disk"] == "ok")
    absent(cluster, b"no room")


def test_conflict_while_another_list_waits_for_its_birth():
    with Cluster(1, bootstrap=None, request_timeout="200ms") as cluster:
        node = cluster.nodes[0].wait_answers()
        member = "0=" + cluster.peer(0)
        text = refused(node, "TIMEOUT", "CONFIG", "BOOTSTRAP", member,
                       "1=" + cluster.peer(1))
        assert "node 1" in text, text
        refused(node, "CONFLICT", "CONFIG", "BOOTSTRAP", member)
        refused(node, "NOCONFIG", "SUBMIT", b"early")


def damaged(cluster, change):
    """A node with 100 entries, of which an UPDATE has changed the eleventh; and
    their indexes."""
    until("leader", cluster.leader_now)
    node = cluster.nodes[0]
    indexes = [submit(node, b"%d " % n + b"x" * 200) for n in range(100)]
    node.kill(15)
    subprocess.run(
        ["sqlite3", node.directory + "/raft.db",
         "UPDATE log SET %s WHERE idx = %d" % (change, indexes[10])],
        check=True)
    node.start().wait_answers()
    until("leader", cluster.leader_now)
    return node, indexes


def test_corrupt_names_the_entry_and_serves_what_is_before_it():
    with Cluster(1, cache_size="4KiB") as cluster:
        node, indexes = damaged(cluster, "unix_ms = unix_ms + 1")
        broken = indexes[10]
        before = node.call("READ", indexes[0], "COUNT", 5000)
        assert [entry[0] for entry in before] == indexes[:10]
        text = refused(node, "CORRUPT", "READ", broken)
        assert text.split()[1] == str(broken), text
        with node.client() as client:
            client.send("FOLLOW", indexes[9])
            assert client.reply()[1] == indexes[9]
            assert client.reply().code == "CORRUPT"


def test_corrupt_is_what_nothing_proves():
    with Cluster(1, cache_size="4KiB") as cluster:
        node, indexes = damaged(cluster, "chain = zeroblob(3)")
        broken = indexes[10]
        text = refused(node, "CORRUPT", "READ", indexes[11])
        assert text.split()[1] == str(broken), text
        with node.client() as client:
            client.send("FOLLOW", indexes[11])
            answer = client.reply()
            assert answer.code == "CORRUPT", answer
            assert str(answer).split()[1] == str(broken), answer


if __name__ == "__main__":
    main(sys.modules[__name__])
