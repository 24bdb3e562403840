"""The manual pages against the program: keys, commands, codes, fields."""

import os
import re
import subprocess
import sys

from cluster import Cluster, main, program, submit


def page(name):
    """The source of a manual page."""
    path = os.path.join(os.environ.get("srcdir", "."), "man", name)
    with open(path, encoding="utf-8") as file:
        return file.read()


def defaults_of_the_page():
    """{key: default, or None}"""
    found = {}
    for item in page("raftsc.conf.5").split("\n.It Cm ")[1:]:
        text = " ".join(item.split(".El")[0].split())
        default = re.search(r"Default: (?:\.Pa |\.Cm )?(\S+?)[.,;]?(?: |$)",
                            text)
        found[text.split()[0]] = default and default[1]
    return found


def settings(node):
    said = subprocess.run([program("raftsc"), "-c", node.conf, "-t"],
                          capture_output=True, check=True, timeout=60).stdout
    return dict(line.split(" = ", 1) for line in said.decode().splitlines())


def duration_us(text):
    match = re.fullmatch(r"(\d+)(us|ms|s|m)", text)
    return match and int(match[1]) * {"us": 1, "ms": 1000, "s": 1000000,
                                      "m": 60000000}[match[2]]


def test_every_key_is_in_the_manual_with_its_default():
    with Cluster(1, start=0, cluster=None, app_socket=None,
                 bootstrap=None) as cluster:
        told = defaults_of_the_page()
        values = settings(cluster.nodes[0])
        assert set(told) == set(values), set(told) ^ set(values)
        for key, value in values.items():
            default = told[key]
            if key in ("id", "data-dir", "peer-listen"):
                assert default is None, key
            elif key == "peer-advertise":
                assert default == "peer-listen"
            elif default == "none":
                assert value == "", key
            else:
                assert (default == value or
                        duration_us(default) == duration_us(value)), key


def test_every_command_and_every_code_is_in_the_manual():
    with Cluster(1) as cluster:
        leader = cluster.leader()
        text = page("raftsc-app.7")
        told = re.findall(r"(?:^\.It|, ) ?Ic ([A-Z]+)", text, re.MULTILINE)
        names = {name.decode() for name in leader.call("COMMAND", "LIST")}
        assert {name.lower() for name in told} == names
        codes = re.findall(r"^\.It ([A-Z]+)\b",
                           text.split(".Ss Errors\n")[1], re.MULTILINE)
        fields = leader.call("INFO", "stats").decode()
        assert {code.lower() for code in codes} == set(
            re.findall(r"errors_([a-z]+):", fields))


def fields_of(node):
    """The names of all that INFO tells, but for the counts of errors."""
    names = set()
    for line in node.call("INFO").decode().split("\r\n"):
        key, _, value = line.partition(":")
        if key.startswith("peer_") and "=" in value:
            names.update(pair.split("=")[0] for pair in value.split(","))
        elif key and not key.startswith(("#", "errors_")):
            names.add(key)
    return names


def test_every_field_of_info_is_in_the_manual():
    with Cluster(2) as cluster:
        leader = cluster.leader()
        submit(leader, b"first")
        text = page("raftsc-app.7").split(".Ss Fields of INFO\n")[1]
        told = set(re.findall(r"[a-z][a-z0-9_]+", text.split("\n.Ss ")[0]))
        for node in cluster.nodes:
            missing = fields_of(node) - told
            assert not missing, missing


if __name__ == "__main__":
    main(sys.modules[__name__])
