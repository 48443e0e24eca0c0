"""The daemon of a stage, or the one that a document starts; its traffic, and what is seen of it."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

from words import missing
from yard import ROOT

READY_SECONDS_MAX = 30
STOP_SECONDS_MAX = 20
START = re.compile(r"^([A-Z_]+=\S+ )*(\S*/)?pilothouse (run\b|workbench --http)")
DATA, ADMIN, SEARCH = "http://127.0.0.1:3000", "http://127.0.0.1:3001", "http://127.0.0.1:8000/mcp"


def get(url, data=None, headers=None, method=None):
    """(status, headers, body); (0, {}, '') when nobody answers."""
    request = urllib.request.Request(url, data=data, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()
    except OSError:
        return 0, {}, ""


def is_gone(group):
    """Whether nothing of a process group is left. We are the first process here: what it left behind is ours to reap."""
    try:
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


class House:
    def __init__(self, shell, scratch):
        self.shell, self.scratch = shell, scratch
        self.daemon = self.search = self.is_own = None

    @property
    def pid(self):
        return self.daemon.pid if self.daemon else os.getpid()

    def own(self, folder):
        """The stage's own daemon in a folder of its own, if it is not there already, with some calls on record."""
        if self.is_own and self.daemon.poll() is None:
            self.forget_keys()
            return
        self.stop()
        self.shell.enter(folder)
        wrong = self.begin("pilothouse workbench --http 127.0.0.1:8000 --root tree", SEARCH)
        wrong = wrong or self.begin("pilothouse run", DATA + "/readyz")
        assert not wrong, wrong
        self.is_own = True
        self.forget_keys()
        self.traffic()

    def forget_keys(self):
        """Each file makes its keys under the names that it likes."""
        _, _, listed = get(f"{ADMIN}/api/pilothouse/keys")
        for key in json.loads(listed)["keys"]:
            get(f"{ADMIN}/api/pilothouse/keys/{key['name']}", method="DELETE")

    @staticmethod
    def is_start(command):
        return START.match(command)

    def start(self, command, expected=None):
        """A daemon that a document starts, in the place of the one that is there. What is wrong, or `None`."""
        if "workbench --http" in command:
            if self.search:
                return None
            return self.begin(command, SEARCH)
        if expected and expected[0].startswith("error"):
            return self.shell.run(command, expected)
        self.end("daemon")
        self.is_own = False
        wrong = self.begin(command, DATA + "/readyz")
        said = self.said()
        if not wrong and expected and (line := missing(expected, said.splitlines())) is not None:
            return f"is not said as it is shown: {line!r}; it said:\n{said[-2000:]}"
        return wrong

    def said(self):
        return (self.scratch / "daemon.log").read_text(errors="replace")

    def begin(self, command, address):
        which = "search" if address == SEARCH else "daemon"
        with (self.scratch / f"{which}.log").open("w") as log:
            child = self.shell.popen(command, stdout=log, stderr=subprocess.STDOUT)
        setattr(self, which, child)
        end = time.monotonic() + READY_SECONDS_MAX
        while get(address)[0] in (0, 503):
            if child.poll() is not None or time.monotonic() > end:
                return f"did not become ready ({child.poll()}): {(self.scratch / f'{which}.log').read_text()[-1500:]}"
            time.sleep(0.05)
        return None

    def end(self, which):
        child = getattr(self, which)
        setattr(self, which, None)
        if not child:
            return
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(child.pid, how)
            except ProcessLookupError:
                break
            end = time.monotonic() + STOP_SECONDS_MAX
            while not is_gone(child.pid) and time.monotonic() < end:
                time.sleep(0.02)
        child.wait()

    def stop(self):
        self.end("daemon")
        self.end("search")

    def traffic(self):
        """Calls that go well, fail and take their time, in a session whose id documents write as $ID."""
        for server in ("files", "search"):
            session = Session(f"{DATA}/{server}/mcp")
            for tool, arguments in (
                ("searchFiles", {"pattern": "*.txt"}),
                ("searchFiles", {"pattern": "**/*.rs"}),
                ("readFile", {"path": "note-1.txt"}),
                ("readFile", {"path": "nowhere.txt"}),
                ("echo", {"text": "hello"}),
                ("fail", {"message": "as asked"}),
            ):
                session.call(tool, arguments)
        session = Session(f"{DATA}/files/mcp")
        late = session.post({"method": "tools/call", "params": {"name": "sleep", "arguments": {"ms": 9000}}}, late=True)[2]
        assert "50400" in late, late
        self.shell.variables["ID"] = Session(f"{DATA}/files/mcp").id

    def unseen(self):
        """What the five commands have to leave behind, and have not: protected, and observed."""
        hello = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        status, _, body = get(f"{DATA}/mcp", json.dumps(hello).encode(), HEAD)
        if status != 401:
            return f"a call without the key got {status}: {body}"
        _, _, metrics = get(f"{DATA}/metrics")
        if not re.search(r'^mcp_tool_calls_total\{[^}]*tool="echo",outcome="ok"\} [1-9]', metrics, re.M):
            return "the call is not in /metrics"
        if not re.search(r'^mcp_auth_failures_total\{[^}]*reason="missing"\} [1-9]', metrics, re.M):
            return "the refused call is not in /metrics"
        logs = list(self.shell.home.rglob("combined.log"))
        lines = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
        seen = [line for line in lines if line.get("tool") == "echo" and line.get("principal") == "me"]
        return None if seen else f"no log line has the call with its principal: {logs}"


HEAD = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


class Session:
    def __init__(self, url):
        self.url, self.ids, self.id = url, 0, ""
        info = {"name": "inspector-cli", "version": "2.12.0"}
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
        self.id = self.post({"method": "initialize", "params": params})[1].get("mcp-session-id", "")
        self.post({"method": "notifications/initialized"}, is_call=False)

    def post(self, message, is_call=True, late=False):
        if is_call:
            self.ids += 1
            message = {"id": self.ids, **message}
        head = HEAD | ({"Mcp-Session-Id": self.id} if self.id else {})
        status, headers, body = get(self.url, json.dumps({"jsonrpc": "2.0", **message}).encode(), head)
        assert 200 <= status < 300 or late, f"{self.url} {message['method']}: {status} {body}"
        return status, headers, body

    def call(self, tool, arguments):
        return self.post({"method": "tools/call", "params": {"name": tool, "arguments": arguments}})
