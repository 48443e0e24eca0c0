"""Child processes of a test run: started in groups of their own, and never left behind."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from contextlib import suppress
from pathlib import Path

STOP_SECONDS = 5
START_SECONDS = 30
# Inherited by whatever our processes start, so that a lost grandchild can be found.
MARK = f"PILOTHOUSE_TEST_RUN={uuid.uuid4().hex}"


class Failure(Exception):
    """Something that ends a comparison, said in one line."""


class Process:
    def __init__(self, name: str, command: list[str], log: Path, cwd: Path | None = None) -> None:
        self.name, self.log = name, log
        key, value = MARK.split("=")
        with log.open("ab") as out:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, key: value},
                start_new_session=True,
            )

    def wait(self, seconds: float) -> int:
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} took longer than {seconds:.0f} s") from None

    def wait_until(self, ready, what: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if self._child.poll() is not None:
                raise Failure(f"{self.name} ended with code {self._child.returncode} before {what}")
            if time.monotonic() > deadline:
                raise Failure(f"{self.name}: not {what} within {START_SECONDS} s")
            time.sleep(0.05)

    def stop(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._child.pid, number)
                self._child.wait(STOP_SECONDS)
            except ProcessLookupError:
                self._child.wait(STOP_SECONDS)
                return
            except subprocess.TimeoutExpired:
                continue


def kill_leftovers() -> list[str]:
    """Kill every process that still carries our mark after a moment, and say which they were."""
    deadline = time.monotonic() + STOP_SECONDS
    while (left := marked()) and time.monotonic() < deadline:
        time.sleep(0.05)
    for number in left:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    return [f"{number} {command}" for number, command in left.items()]


def marked() -> dict[int, str]:
    """The running processes, other than this one, that were started by this run: id -> command line."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        try:
            if MARK.encode() not in (folder / "environ").read_bytes().split(b"\0"):
                continue
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
            found[int(folder.name)] = command.decode(errors="replace").strip()
        except OSError:  # it ended while we looked, or is not ours to look at
            continue
    return found


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False
