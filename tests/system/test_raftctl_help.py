#!/usr/bin/env python3
"""The command line of raftctl, its help, and that its man page agrees."""

import os
import re
import sys

from raftctl_script import (
    SRCDIR,
    ends,
    equal,
    main,
    run,
    test,
)

@test
def a_wrong_command_line_is_status_2():
    for arguments in (
        [],
        ["nonsense"],
        ["config"],
        ["config", "list"],
        ["status", "more"],
        ["status", "--raw"],
        ["read"],
        ["read", "1", "2", "3"],
        ["--nonsense", "status"],
        ["-x", "status"],
        ["status", "--timeout"],
        ["--timeout", "soon", "status"],
        ["--timeout", "0", "status"],
        ["help", "nonsense"],
    ):
        result = run("/nonexistent", *arguments)
        ends(result, 2)
        equal(result.out, "")
        assert result.err, arguments


@test
def version_and_help_need_no_node():
    result = run(None, "--version")
    ends(result, 0)
    assert re.fullmatch(r"raftctl \S+\n", result.out), result
    everything = run(None, "help")
    ends(everything, 0)
    equal(run(None, "--help").out, everything.out)
    equal(run(None, "read", "--help").out, run(None, "help", "read").out)
    assert "config set KEY VALUE" in run(None, "help", "config").out


@test
def help_fits_into_eighty_columns():
    texts = [run(None, "help").out]
    texts += [run(None, "help", *name.split()).out for name in help_commands()]
    for line in "".join(texts).splitlines():
        assert len(line) <= 80, line


def help_commands():
    """{name: [argument…]} of all commands, as help has them."""
    text = run(None, "help").out
    section = text.split("Commands:\n")[1].split("\n\n")[0]
    found = {}
    for line in section.splitlines():
        words = line.strip().split("  ")[0].split()
        name = " ".join(w for w in words if re.fullmatch("[a-z]+", w))
        found[name] = re.findall("[A-Z]+(?:-[A-Z]+)*", line.split("  ")[1])
    return found


def manual_commands():
    """The same, as the man page has them."""
    path = os.path.join(SRCDIR, "man", "raftctl.1")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    section = text.split(".Sh COMMANDS\n")[1].split("\n.Sh ")[0]
    found = {}
    for line in re.findall(r"^\.It Cm (.*)$", section, re.MULTILINE):
        words = re.split(r" (?=Ar|Op|Oo)", line, maxsplit=1)
        arguments = words[1] if len(words) > 1 else ""
        found[words[0]] = [
            word.upper()
            for word in arguments.split()
            if re.fullmatch(r"[a-z]+(-[a-z]+)*", word)
        ]
    return found


@test
def help_and_the_man_page_know_the_same_commands_and_arguments():
    equal(manual_commands(), help_commands())


@test
def help_and_the_man_page_know_the_same_options():
    texts = [run(None, "help").out]
    texts += [run(None, "help", *name.split()).out for name in help_commands()]
    helped = set(re.findall(r"^  (?:-\w, |    )--(\w+)", "".join(texts), re.M))
    path = os.path.join(SRCDIR, "man", "raftctl.1")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    section = text.split(".Sh DESCRIPTION\n")[1].split("\n.Sh ")[0]
    equal(set(re.findall(r"^\.It Fl .*-(\w+)", section, re.M)), helped)


if __name__ == "__main__":
    sys.exit(main())
