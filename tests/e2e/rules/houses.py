"""What stands around the engine of rules in these suites: Debian's Prometheus and Alertmanager, a catcher of
webhooks, and what is asked of each. All of them listen on free loopback ports and are ended by their owner."""

import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "tests/clients"))
from gateway import Pilothouse, Process, free_port, get, until  # noqa: E402

TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
BINARY = Path(os.environ.get("PILOTHOUSE_BIN") or TARGET / "debug/pilothouse")
START_SECONDS_MAX = 60
DEBIAN = ("prometheus", "promtool", "prometheus-alertmanager", "amtool")


def needed(*programs):
    """Ends the run where a program is missing: nothing is left out silently."""
    missing = [name for name in programs if not shutil.which(name)]
    if missing:
        sys.exit(f"missing: {', '.join(missing)}; .ci/packages installs them")


def when(text):
    """Unix seconds of a time of RFC 3339, to the microsecond; None for Go's zero time."""
    if text.startswith("0001-"):
        return None
    match = re.fullmatch(r"(\d+-\d+-\d+T\d+:\d+:\d+)(\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    assert match, f"no time: {text!r}"
    zone = "+00:00" if match[3] == "Z" else match[3]
    whole = datetime.datetime.fromisoformat(match[1] + zone).timestamp()
    return whole + float(match[2] or 0)


class Quiet(ThreadingHTTPServer):
    """A server that does not mind clients that are killed."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Catcher:
    """A receiver of webhooks: keeps (time, path, headers, body), and refuses while told to."""

    def __init__(self, port=0):
        self.caught = []
        self.refusing = False
        self.lock = threading.Lock()
        catcher = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                refused = catcher.refusing
                if not refused:
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    with catcher.lock:
                        catcher.caught.append((time.time(), self.path, headers, json.loads(body or b"null")))
                self.send_response(503 if refused else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = Quiet(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def bodies(self, path):
        """(time, headers, body) of what came to a path, in order of arrival."""
        with self.lock:
            return [(at, headers, body) for at, its, headers, body in self.caught if its == path]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Prometheus(Process):
    """Debian's, on a folder that outlives it."""

    def __init__(self, folder: Path, config: Path, options=(), port=None):
        self.folder = folder
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        number = len(list(folder.glob("prometheus-*.log")))
        command = [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            f"--web.external-url={self.url}",
            "--web.enable-lifecycle",
            "--rules.alert.for-grace-period=0s",
            "--rules.alert.for-outage-tolerance=1h",
            "--log.level=debug",
            *options,
        ]
        super().__init__(command, folder / f"prometheus-{number}.log")

    def ready(self):
        started(self, "Prometheus", f"{self.url}/-/ready")
        return self

    def reload(self):
        status, _, body = get(f"{self.url}/-/reload", data=b"")
        assert status == 200, f"Prometheus did not reload: {body}"

    def api(self, path, **form):
        return api(self.url, path, **form)

    def end(self):
        end(self)


class Alertmanager(Process):
    def __init__(self, folder: Path, config: dict):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        path = folder / "alertmanager.json"
        path.write_text(json.dumps(config, indent=1))
        command = [
            "prometheus-alertmanager",
            f"--config.file={path}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ]
        super().__init__(command, folder / "alertmanager.log")

    def ready(self):
        started(self, "Alertmanager", f"{self.url}/-/ready")
        return self

    def end(self):
        end(self)


def started(process, name, url):
    def ready():
        assert process.child.poll() is None, f"{name} ended\n{process.tail(20)}"
        return get(url)[0] == 200

    until(f"{name} is ready", ready, START_SECONDS_MAX)


def end(process, seconds=20):
    process.child.terminate()
    try:
        process.child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()


def api(url, path, **form):
    """`data` of an answer of Prometheus's API, by whomever."""
    query = urllib.parse.urlencode(form, doseq=True)
    status, _, body = get(f"{url}/api/v1/{path}?{query}")
    assert status == 200, f"{path}?{query}: {status} {body[:300]}"
    return json.loads(body)["data"]


def raw(url, selector, at=None):
    """Raw samples, {labels as JSON: [(seconds, value)]}, of a range selector."""
    form = {"query": selector} | ({"time": at} if at else {})
    result = api(url, "query", **form)["result"]
    return {key(one["metric"]): [(float(t), float(v)) for t, v in one["values"]] for one in result}


def key(labels):
    return json.dumps(labels, sort_keys=True)


def amtool(url, *words):
    """(exit code, stdout, stderr) of amtool against a server of the v2 API."""
    command = ["amtool", f"--alertmanager.url={url}", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


def admin(house: Pilothouse):
    """Where its admin listener is: `admin.addr` in its data directory says it."""
    path = house.data / "admin.addr"
    until("the admin address", lambda: path.exists() and path.read_text().strip(), START_SECONDS_MAX)
    text = path.read_text().strip()
    return text if text.startswith("http") else f"http://{text}"


class Tally:
    """Checks of a suite: what failed is said at once, and the last line counts."""

    def __init__(self):
        self.passed = 0
        self.failures = []

    def check(self, holds, what):
        if holds:
            self.passed += 1
        else:
            self.failures.append(what)
            print(f"FAILED  {what}", flush=True)
        return bool(holds)

    def end(self):
        print(f"{self.passed} passed, {len(self.failures)} failed")
        return 0 if self.passed and not self.failures else 1
