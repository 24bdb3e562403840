"""raftctl on data directories: inspect, verify, backup, restore, recover."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys

from cluster import Cluster, main, program, submit, until, upload
from history import Load


def ctl(*arguments, said=None):
    """(status, standard output, standard error)."""
    done = subprocess.run(
        [program("raftctl"), *arguments], timeout=60, capture_output=True,
        check=False, input=said, encoding="utf-8")
    return done.returncode, done.stdout, done.stderr


def ctl_ok(*arguments, said=None):
    status, out, err = ctl(*arguments, said=said)
    assert status == 0, (arguments, out, err)
    return out


def look(directory):
    return json.loads(ctl_ok("--json", "inspect", directory))


def verdict(directory):
    return json.loads(ctl_ok("--json", "verify", directory).splitlines()[-1])


def entries(directory):
    """{index: line} of an inspected log."""
    lines = ctl_ok("--json", "inspect", "--entries", "..", directory)
    found = [json.loads(line) for line in lines.splitlines()]
    return {entry["index"]: entry for entry in found}


def leads(node):
    """Waits until it leads, and has told all that it leads with."""
    until("it leads", lambda: node.role()[0] == b"leader")
    node.call("BARRIER")
    return node


def wipe(node):
    """An empty disk."""
    for name in os.listdir(node.directory):
        if name == "lock" or name.startswith("raft.db"):
            os.unlink(os.path.join(node.directory, name))


def members_of(cluster):
    return ", ".join("%d=%s" % (node.number, cluster.peer(node.number))
                     for node in cluster.nodes)


def test_a_directory_in_use_is_refused_and_one_at_rest_is_shown():
    with Cluster(1) as cluster:
        node = cluster.leader()
        submit(node, b"one")
        for command in (["inspect"], ["verify"], ["recover", "--yes",
                        "--members", members_of(cluster)]):
            status, _, err = ctl(*command, node.directory)
            assert status == 1 and "is in use by process" in err, err
        node.kill()
        found = look(node.directory)
        assert found["node_id"] == 0 and found["boot"] == 1, found
        assert found["last_index"] == 3 and found["epoch"] == "0", found
        assert len(found["configs"]) == 1, found
        log = entries(node.directory)
        assert [log[i]["kind"] for i in (1, 2, 3)] == ["config", "noop", "app"]
        assert log[3]["payload"] == "one" and log[3]["sound"]
        assert verdict(node.directory)["digest"] == log[3]["digest"]
        one = ctl_ok("inspect", "--entries", "3", node.directory)
        assert re.fullmatch(r"3 \d+ app key=\S+ one\n", one), one
        status, _, err = ctl("inspect", "--entries", "x", node.directory)
        assert status == 2 and "FIRST..LAST" in err, err


def test_what_lies_under_a_log_is_saved_and_rescued_with_it():
    with Cluster(1) as cluster:
        node = cluster.leader()
        with node.client() as client:
            keyed = client.call("SUBMIT", b"keyed", "KEY", "k")
            for number in range(300):
                client.send("SUBMIT", b"entry %d" % number)
            last = [client.reply() for _ in range(300)][-1]
            assert client.call("COMPACT", last - 3) == last - 2
            digest = client.call("DIGEST", last)
            history = client.call("CONFIG", "HISTORY")
        live = os.path.join(cluster.directory, "live")
        ctl_ok("-s", node.socket, "backup", live)
        node.kill()
        rest = os.path.join(cluster.directory, "rest")
        ctl_ok("backup", node.directory, rest)
        for path in (live, rest, node.directory):
            found = look(path)
            assert found["base_index"] == last - 3, found
            assert found["first_index"] == last - 2, found
            assert found["last_index"] == last, found
            assert verdict(path)["digest"] == digest[1].decode()
            assert verdict(path)["problems"] == 0
            assert sorted(entries(path)) == [last - 2, last - 1, last]
        ctl_ok("recover", "--yes", "--members", members_of(cluster),
               node.directory)
        node.start().wait_answers()
        cluster.leader()
        assert node.call("SUBMIT", b"again", "KEY", "k") == keyed
        assert node.call("CONFIG", "HISTORY")[:len(history)] == history
        node.kill()
        for path in (live, rest):
            wipe(node)
            ctl_ok("restore", path, node.directory + "/restored")
            for name in os.listdir(node.directory + "/restored"):
                os.rename(os.path.join(node.directory, "restored", name),
                          os.path.join(node.directory, name))
            os.rmdir(node.directory + "/restored")
            node.start().wait_answers()
            cluster.leader()
            assert node.call("SUBMIT", b"again", "KEY", "k") == keyed
            assert node.call("DIGEST", last) == digest
            assert node.call("CONFIG", "HISTORY")[:len(history)] == history
            assert int(node.info()["first_index"]) == last - 2
            node.kill()
        node.start().wait_answers()


def test_verify_names_what_a_bad_disk_did():
    with Cluster(1) as cluster:
        node = cluster.leader()
        for number in range(20):
            submit(node, b"entry %d" % number)
        node.kill()
        path = os.path.join(node.directory, "raft.db")
        database = sqlite3.connect(path)
        database.execute("UPDATE log SET payload = x'00' WHERE idx = 7")
        database.commit()
        database.close()
        status, out, _ = ctl("verify", node.directory)
        assert status == 1 and "entry 7: its checksum is wrong" in out, out
        status, out, _ = ctl("inspect", "--entries", "7", node.directory)
        assert status == 1 and " app DAMAGED " in out, out
        status, _, err = ctl("backup", node.directory, path + ".backup")
        assert status == 1 and "entry 7 is damaged" in err, err
        assert not [name for name in os.listdir(node.directory)
                    if name.startswith("raft.db.backup")]


def test_a_plausible_term_that_was_never_saved_is_believed_by_nobody():
    with Cluster(3) as cluster:
        cluster.leader()
        cluster.settle()
        for node in cluster.nodes:
            node.kill()
        node, *others = cluster.nodes
        path = os.path.join(node.directory, "raft.db")
        database = sqlite3.connect(path)
        database.execute(
            "UPDATE state SET value = value + 1 WHERE name = 'term'")
        database.commit()
        database.close()
        wanted = "state 'term' is not what was saved"
        status, out, _ = ctl("verify", node.directory)
        assert status == 1 and out.startswith(wanted), out
        status, out, err = ctl("inspect", node.directory)
        assert status == 1 and "\nterm " in out and wanted in err, (out, err)
        file = os.path.join(cluster.directory, "backup")
        status, _, err = ctl("backup", node.directory, file)
        assert status == 1 and wanted in err, err
        assert not os.path.exists(file)
        members = ",".join("%d=127.0.0.1:1" % other.number
                           for other in cluster.nodes)
        status, _, err = ctl("recover", "--yes", "--members", members,
                             others[0].directory, node.directory)
        assert status == 1 and wanted in err and "leave it out" in err, err
        node.start()
        assert node.process.wait(60) == 65
        node.process = None
        last = node.said().splitlines()[-1]
        assert wanted in last and "must be replaced" in last, last


def test_a_live_backup_under_load_is_what_the_cluster_committed():
    with Cluster(3) as cluster:
        cluster.leader()
        files = [os.path.join(cluster.directory, "backup%d" % i)
                 for i in range(3)]
        with Load(cluster) as load:
            for node, file in zip(cluster.nodes, files):
                wanted = load.acknowledged() + 200
                until("load", lambda: load.acknowledged() >= wanted)
                ctl_ok("-s", node.socket, "backup", file)
        cluster.settle()
        status, _, err = ctl("-s", cluster.nodes[0].socket, "backup", files[0])
        assert status == 1 and "there already" in err, err
        for node in cluster.nodes:
            node.kill()
        whole = entries(cluster.nodes[0].directory)
        for file in files:
            found = look(file)
            assert found["kind"] == "backup" and "node_id" not in found
            assert found["last_index"] == found["commit_index"] > 100, found
            last = verdict(file)
            assert last["rows"] == last["last_index"] == found["last_index"]
            assert last["digest"] == whole[last["last_index"]]["digest"]
            with sqlite3.connect(file) as database:
                state = dict(database.execute("SELECT name, value FROM state"))
                assert state["vote"] is None and state["node_id"] is None
                assert "instance" not in state and "boot" not in state
        numbers = [look(file)["last_index"] for file in files]
        assert numbers == sorted(set(numbers)), numbers


def restored_node(cluster, file, *options):
    """The cluster's first node, on a directory restored from `file`."""
    node = cluster.nodes[0]
    directory = os.path.join(cluster.directory, "restored")
    ctl_ok("restore", *options, file, directory)
    assert verdict(directory)["sound"]
    node.set_conf(data_dir=directory)
    return node.start().wait_answers()


def test_a_restored_backup_is_a_new_cluster_with_the_old_log():
    with Cluster(3) as cluster:
        for number in range(50):
            submit(cluster.leader(), b"entry %d" % number)
        log = cluster.settle()
        file = os.path.join(cluster.directory, "backup")
        leader = cluster.leader()
        old_term = leader.role()[1]
        ctl_ok("-s", leader.socket, "backup", file)
        cluster.nodes[0].kill()
        node = restored_node(cluster, file)
        leads(node)
        assert node.entries() == log
        assert node.role()[1] > old_term + 1000
        new = submit(node, b"new")
        assert new > max(log)
        assert node.call("CONFIG") == [
            b"0=%s voter" % cluster.peer(0).encode()]
        info = node.info()
        assert int(info["epoch"]) > 0, info
        # The old ones go on without it, and want nothing of it.
        survivor = cluster.nodes[1]
        until("the old ones refuse it", lambda: "link=refused" in
              survivor.info()["peer_0"])
        assert "is of another epoch of cluster test" in node.call(
            "WHY").decode() + survivor.call("WHY").decode()
        status, _, err = ctl("restore", file, node.get_conf()["data-dir"])
        assert status == 1 and "is not empty" in err, err
        before = info["instance"], info["epoch"]
        node.kill()
        node.start().wait_answers()
        info = node.info()
        assert (info["instance"], info["epoch"]) == before
        leads(node)
        assert len(node.call("CONFIG", "HISTORY")) == 2


def test_a_compacted_log_is_restored_with_its_keys_and_the_snapshot():
    with Cluster(1) as cluster:
        node = cluster.leader()
        keyed = node.call("SUBMIT", "keyed", "KEY", "k")
        for number in range(30):
            last = submit(node, b"entry %d" % number)
        state = b"state" * 300000
        live, rest, empty = [os.path.join(cluster.directory, name)
                             for name in ("live", "rest", "empty")]
        upload(node, last - 5, state)
        assert node.call("COMPACT", last - 10, "FORCE") > keyed
        digest = node.call("DIGEST", last)
        history = node.call("CONFIG", "HISTORY")
        ctl_ok("-s", node.socket, "backup", live)
        node.kill()
        ctl_ok("backup", node.directory, rest)
        for file in (live, rest):
            assert verdict(file)["digest"].encode() == digest[1]
            assert look(file)["snapshot_size"] == len(state)
        node.start().wait_answers()
        cluster.leader()
        # Nothing but the base, not even a snapshot that is of use.
        last = submit(node, b"last")
        assert node.call("COMPACT", last) == last + 1
        ctl_ok("-s", node.socket, "backup", empty)
        assert verdict(empty)["rows"] == 0
        node.kill()
        wipe(node)
        node = leads(restored_node(cluster, live))
        assert node.call("SUBMIT", "again", "KEY", "k") == keyed
        assert node.call("DIGEST", digest[0]) == digest
        assert node.call("CONFIG", "HISTORY")[:-1] == history
        assert node.call("SNAPSHOT", "INFO")[:1] == [digest[0] - 5]
        with node.client() as client:
            got = client.call("SNAPSHOT", "READ", 0, 2000000)
            assert got == state, (len(got), len(state))
        # recover leaves all that in place.
        node.kill()
        ctl_ok("recover", "--yes", "--members", members_of(cluster),
               node.get_conf()["data-dir"])
        node.start().wait_answers()
        cluster.leader()
        assert node.call("OUTCOME", "k") == keyed
        assert node.call("SNAPSHOT", "INFO")[:1] == [digest[0] - 5]
        node.kill()
        shutil.rmtree(node.get_conf()["data-dir"])
        node = leads(restored_node(cluster, empty))
        assert node.call("SUBMIT", "again", "KEY", "k") == keyed
        assert submit(node, b"behind it all") == last + 3


def test_a_damaged_backup_is_not_restored():
    with Cluster(1) as cluster:
        node = cluster.leader()
        submit(node, b"one")
        file = os.path.join(cluster.directory, "backup")
        target = os.path.join(cluster.directory, "target")
        ctl_ok("-s", node.socket, "backup", file)
        os.chmod(file, 0o600)
        with sqlite3.connect(file) as database:
            database.execute("UPDATE log SET unix_ms = 7 WHERE idx = 3")
        status, _, err = ctl("restore", file, target)
        assert status == 1 and "is damaged: entry 3" in err, err
        assert os.listdir(target) in ([], ["lock"])
        status, _, err = ctl("restore", os.path.join(node.directory, "raft.db"),
                             target)
        assert status == 1 and "is not a backup" in err, err
        node.kill()
        shutil.copy(file, os.path.join(node.directory, "raft.db"))
        for name in ("raft.db-wal", "raft.db-shm"):
            os.unlink(os.path.join(node.directory, name))
        node.start()
        assert node.process.wait(60) == 65
        node.process = None
        assert "is a backup" in node.said()


def test_a_lost_quorum_is_recovered_with_the_most_complete_log():
    with Cluster(3) as cluster:
        leader = cluster.leader()
        submit(leader, b"on all")
        cluster.settle()
        behind = cluster.follower()
        behind.kill()
        submit(cluster.leader(), b"on two")
        log = cluster.settle()
        kept = [node for node in cluster.nodes if node.process][0]
        lost = [node for node in cluster.nodes
                if node not in (kept, behind)][0]
        for node in (kept, lost):
            node.kill()
        old = os.path.join(cluster.directory, "old")
        shutil.copytree(lost.directory, old,
                        ignore=shutil.ignore_patterns("app.sock"))
        both = [behind.directory, kept.directory]
        members = members_of(cluster)
        wrong = "%d=%s" % (behind.number, cluster.peer(behind.number))
        status, out, err = ctl("recover", "--yes", "--members", wrong, *both)
        assert status == 1 and "is not among the members" in err, (out, err)
        status, out, err = ctl("recover", "--members", members, *both,
                               said="no\n")
        assert status == 1 and "nothing was done" in err, (out, err)
        status, out, err = ctl("--json", "recover", "--members", members,
                               *both, said="no\n")
        assert status == 1 and out == "", (out, err)
        for line in ("picked", "a majority", "new epoch", "Type yes"):
            assert line in err, err
        asked = subprocess.run(
            ["sh", "-c", 'exec "$@" >/dev/full', "sh", program("raftctl"),
             "recover", "--members", members, *both], input=b"yes\n",
            stderr=subprocess.PIPE, timeout=60, check=False)
        assert asked.returncode == 1, asked
        assert b"nothing was done" in asked.stderr, asked
        assert b"Type yes" not in asked.stderr, asked
        assert look(kept.directory)["epoch"] == "0"
        before = look(kept.directory)
        out = ctl_ok("recover", "--members", members, *both, said="yes\n")
        assert "picked" in out, out
        after = look(kept.directory)
        assert after["term"] > before["term"] + 1000
        assert int(after["epoch"]) > 0
        assert verdict(kept.directory)["sound"]
        wipe(behind)
        wipe(lost)
        kept.start().wait_answers()
        leads(kept)
        assert kept.entries() == log
        assert b"on two" in [payload for _, payload in log.values()]
        epoch = kept.info()["epoch"]
        with kept.client() as client:
            client.send("EVENTS")
            told = [client.reply() for _ in range(4)]
        assert [b"cluster", kept.info()["cluster_id"].encode(),
                int(epoch)] in told, told
        # Two of three nodes come with new disks and the list of the birth:
        # they are taken in, and are not born as a cluster of their own.
        for node in (behind, lost):
            node.start().wait_answers()
        new = submit(kept, b"new")
        for node in (behind, lost):
            until("it has the log", lambda n=node: n.role()[3] >= new)
            assert node.role()[0] == b"learner"
            assert node.entries() == kept.entries()
            assert node.info()["epoch"] == epoch
        digests = set()
        for node in cluster.nodes:
            node.kill()
        for node in cluster.nodes:
            digests.add(entries(node.directory)[new]["digest"])
        assert len(digests) == 1
        # One of the old history is refused, under whichever id.
        lost.set_conf(data_dir=old)
        kept.start().wait_answers()
        lost.start().wait_answers()
        until("the old one is refused", lambda: "link=refused" in
              lost.info()["peer_%d" % kept.number])
        leads(kept)


def test_directories_that_cannot_be_compared_are_refused():
    with Cluster(1) as one, Cluster(1) as other:
        for cluster in (one, other):
            submit(cluster.leader(), b"x")
            cluster.nodes[0].kill()
        directories = [one.nodes[0].directory, other.nodes[0].directory]
        status, _, err = ctl("recover", "--yes", "--members", members_of(one),
                             *directories)
        assert status == 1 and "of another cluster" in err, err
        status, _, err = ctl("recover", "--yes", directories[0])
        assert status == 2 and "--members" in err, err
        status, _, err = ctl("recover", "--yes", "--members", "0", "/nowhere")
        assert status == 2, err
        status, _, err = ctl("recover", "--yes", "--members", members_of(one),
                             "/nowhere")
        assert status == 1 and "/nowhere" in err, err


if __name__ == "__main__":
    main(sys.modules[__name__])
