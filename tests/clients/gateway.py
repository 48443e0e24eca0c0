"""Pilothouse (and other servers) as processes under test, and what can be seen of them from outside."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from pathlib import Path

MARKER = "PILOTHOUSE_CLIENTS_RUN"


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def until(what, holds, seconds):
    """Polls `holds` until it is true; its last value is in the error."""
    end = time.monotonic() + seconds
    while not (value := holds()):
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s (last: {value!r})")
        time.sleep(0.02)
    return value


def get(url, data=None, headers=None, timeout=10):
    """(status, headers, body); a status of 400 or more is no exception, an unreachable server is (0, {}, '')."""
    request = urllib.request.Request(url, data=data, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()
    except OSError:
        return 0, {}, ""


def post(url, message, headers=None, timeout=30):
    accept = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    return get(url, json.dumps(message).encode(), accept | (headers or {}), timeout)


def initialize(request_id=1):
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "run", "version": "1"}}
    return {"jsonrpc": "2.0", "id": request_id, "method": "initialize", "params": params}


class Process:
    """A process in its own group with its output in a file, and an own value of MARKER in its environment.

    `env`: what differs from our own environment; None takes a variable away."""

    def __init__(self, command, log: Path, env=None):
        self.mark = uuid.uuid4().hex
        self.log = log
        variables = os.environ | {MARKER: self.mark} | (env or {})
        variables = {name: value for name, value in variables.items() if value is not None}
        with log.open("wb") as out:
            self.child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=variables,
                start_new_session=True,
            )

    def offspring(self):
        """Processes that carry our mark or descend from the child: {pid: command}, itself left out."""
        parents, commands, marked = {}, {}, set()
        for path in Path("/proc").glob("[0-9]*"):
            try:
                pid, stat = int(path.name), (path / "stat").read_text()
                parents[pid] = int(stat.rpartition(")")[2].split()[1])
                command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                commands[pid] = command or "(zombie)"
                if f"{MARKER}={self.mark}".encode() in (path / "environ").read_bytes().split(b"\0"):
                    marked.add(pid)
            except OSError:
                continue

        def descends(pid):
            while pid in parents and pid != self.child.pid:
                pid = parents[pid]
            return pid == self.child.pid

        found = marked | {pid for pid in parents if descends(pid)}
        return {pid: commands[pid] for pid in found - {self.child.pid}}

    def kill(self):
        """Ends it and all that it left behind, whatever state they are in."""
        left = self.offspring()
        for pid in [self.child.pid, *left]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.child.wait()

    def tail(self, lines=60):
        text = self.log.read_text(errors="replace").splitlines()
        return "\n".join(text[-lines:])


SAMPLE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Pilothouse(Process):
    """The real binary in front of one server."""

    def __init__(self, binary, scratch: Path, target, env=None, options=(), data=None):
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.origin}/mcp"
        self.data = data or scratch / f"data-{self.port}"
        listen = ["--listen", f"127.0.0.1:{self.port}", "--data-dir", str(self.data)]
        if "--admin" not in [*options, *target]:
            listen += ["--admin", "127.0.0.1:0"]
        # The defaults are under test: what the developer's shell exports must not change them.
        clean = {"LOG_LEVEL": None, "OTEL_EXPORTER_OTLP_ENDPOINT": None} | (env or {})
        super().__init__([binary, "run", *listen, *options, *target], scratch / f"pilothouse-{self.port}.log", clean)

    def wait(self, path, seconds=20):
        def ready():
            if self.child.poll() is not None:
                raise AssertionError(f"pilothouse ended with {self.child.returncode}\n{self.tail()}")
            return get(self.origin + path)[0] == 200

        until(path, ready, seconds)

    def metrics(self):
        """[(name, labels, value)] of /metrics."""
        status, _, text = get(f"{self.origin}/metrics")
        assert status == 200, f"/metrics answered {status}"
        found = []
        for line in text.splitlines():
            if match := SAMPLE.match(line):
                found.append((match[1], dict(LABEL.findall(match[2] or "")), float(match[3])))
        return found

    def total(self, name, by=None):
        """A counter's sum, or its sums by one label."""
        sums = Counter()
        for metric, labels, value in self.metrics():
            if metric == name and value:
                sums[labels.get(by)] += int(value)
        return sums if by else sum(sums.values())

    def log_lines(self, file="combined.log"):
        """The JSON lines of a log file."""
        path = self.data / "logs" / file
        text = path.read_text() if path.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.strip()]

    def call_lines(self):
        """The lines that are records of calls."""
        return [line for line in self.log_lines() if "outcome" in line]

    def stop(self, seconds=20):
        """SIGTERM; what is wrong with the way it ended, as a list of texts."""
        before = self.offspring()
        self.child.send_signal(signal.SIGTERM)
        try:
            code = self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            return [f"still running {seconds} s after SIGTERM; children: {before}"]
        wrong = [] if code == 0 else [f"exit code {code} after SIGTERM"]
        left = self.offspring() | {pid: cmd for pid, cmd in before.items() if Path(f"/proc/{pid}").exists()}
        if left:
            wrong.append(f"processes left behind after exit: {left}")
        return wrong
