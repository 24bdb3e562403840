"""What processes have used, as the kernel counts it; for the benchmarks."""

import os

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids):
    """Of user and system, of all of them since they began."""
    total = 0
    for pid in pids:
        with open("/proc/%d/stat" % pid, encoding="ascii") as stat:
            words = stat.read().rsplit(")", 1)[1].split()
        total += int(words[11]) + int(words[12])
    return total / TICKS


def memory_mib(pids, which="VmRSS"):
    """Of all of them: what is resident now, or with VmHWM at most so far."""
    total = 0
    for pid in pids:
        with open("/proc/%d/status" % pid, encoding="ascii") as status:
            total += sum(int(line.split()[1]) for line in status
                         if line.startswith(which + ":"))
    return total / 1024
