"""Processes that the benchmark starts, their CPU time and their memory.

Everything started here leads a process group of its own and is ended by
`stop_all`, however the run ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

_started: list[subprocess.Popen] = []

# Our own ends are never part of a gateway's cost, also when they are its children.
OWN_ENDS = "ph-bench"
STOP_SECONDS = 10.0


def start(argv: list[str], directory: Path, environment: dict[str, str] | None = None, **pipes) -> subprocess.Popen:
    """Starts `argv`; what it says goes to files in `directory` unless piped."""
    directory.mkdir(parents=True, exist_ok=True)
    pipes.setdefault("stdin", subprocess.DEVNULL)
    with open(directory / "stdout", "ab") as out, open(directory / "stderr", "ab") as err:
        pipes.setdefault("stdout", out)
        process = subprocess.Popen(
            argv, stderr=err, cwd=directory, env=clean_environment() | (environment or {}), start_new_session=True, **pipes
        )
    _started.append(process)
    return process


def clean_environment() -> dict[str, str]:
    """The environment without what would change how a gateway behaves."""
    prefixes = ("OTEL_", "PILOTHOUSE_", "LOG_", "RUST_", "NODE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def stop(process: subprocess.Popen) -> int:
    """SIGTERM, then SIGKILL to the group; the exit code."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    code = process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()
    if process in _started:
        _started.remove(process)
    return code


def stop_all() -> None:
    for process in list(_started):
        stop(process)


def tree(root: int) -> list[int]:
    """`root` and its descendants, without our own ends and what is below them."""
    children: dict[int, list[int]] = {}
    names: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
            except OSError:
                continue
            pid = int(entry.name)
            names[pid] = text[text.index("(") + 1 : text.rindex(")")]
            children.setdefault(int(text[text.rindex(")") + 1 :].split()[1]), []).append(pid)
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        if names.get(pid) == OWN_ENDS:
            continue
        found.append(pid)
        waiting.extend(children.get(pid, ()))
    return found


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of these processes, to the nanosecond.

    The kernel's per-process CPU clock: /proc/PID/stat counts in 10 ms only,
    which is a tenth of what a gateway uses in two seconds at 500 calls/s.
    """
    total = 0.0
    for pid in pids:
        try:
            total += time.clock_gettime(~pid << 3 | 2)
        except OSError:  # it has ended
            continue
    return total


def rss_peak_mib(pids: list[int]) -> float:
    """Highest resident memory of these processes, added up, MiB."""
    return _status_kib(pids, "VmHWM:") / 1024


def _status_kib(pids: list[int], field: str) -> int:
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith(field))
    return total
