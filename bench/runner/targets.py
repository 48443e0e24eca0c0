"""What is measured: the upstream itself, nginx, Pilothouse, and peers.

A target is started afresh for each scenario, so that its peak memory is that
scenario's own, and serves `/mcp` on a port of loopback.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from runner import probe, processes
from runner.issuer import AUDIENCE, Issuer

BENCH = Path(__file__).resolve().parent.parent
SUPERGATEWAY = BENCH.parent / ".deps" / "bench" / "node_modules" / "supergateway" / "dist" / "index.js"


@dataclass
class Tools:
    """The programs that a run needs."""

    ends: Path  # ph-bench
    pilothouse: Path | None
    nginx: Path


@dataclass
class Started:
    """A running target."""

    port: int
    process: subprocess.Popen | None  # None: no gateway, the upstream itself
    directory: Path
    sent: dict[str, int] = field(default_factory=dict)  # requests of the load generator so far
    headers: list[str] = field(default_factory=list)  # of each request, `NAME: VALUE`
    issuer: Issuer | None = None  # whose tokens it takes

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def pids(self) -> list[int]:
        return processes.tree(self.process.pid) if self.process else []

    def stop(self) -> int:
        if self.issuer:
            self.issuer.stop()
            self.issuer = None
        return processes.stop(self.process) if self.process else 0


class Target:
    """How one gateway is started. `upstream_port` is where the HTTP upstream listens."""

    name = ""

    def start(self, tools: Tools, directory: Path, upstream_port: int) -> Started:
        """Starts it; it may not answer yet."""
        raise NotImplementedError

    def wait(self, started: Started) -> None:
        """Waits until it answers."""
        probe.until(lambda: probe.tool_call_works(started.port), self.name, started.process)


class Direct(Target):
    name = "direct"

    def start(self, tools: Tools, directory: Path, upstream_port: int) -> Started:
        return Started(upstream_port, None, directory)


class Nginx(Target):
    name = "nginx"

    def start(self, tools: Tools, directory: Path, upstream_port: int) -> Started:
        directory.mkdir(parents=True, exist_ok=True)
        port = probe.free_port()
        config = (BENCH / "nginx.conf.in").read_text()
        values = {
            "DIR": str(directory),
            "PORT": str(port),
            "UPSTREAM_PORT": str(upstream_port),
            # The workers of a master that runs as root drop to a user who cannot write here.
            "USER": "user root;" if os.geteuid() == 0 else "",
        }
        for name, value in values.items():
            config = config.replace(f"@{name}@", value)
        path = directory / "nginx.conf"
        path.write_text(config)
        argv = [str(tools.nginx), "-e", str(directory / "error.log"), "-p", str(directory), "-c", str(path)]
        return Started(port, processes.start(argv, directory), directory)


class Pilothouse(Target):
    """Pilothouse with metrics and log lines on, as always; with `store`, what is kept is kept, too.

    `upstream`: `http`, `stdio-sessions` (one child for each legacy session) or
    `stdio-shared` (one stateless child).
    """

    def __init__(self, upstream: str = "http", spans: bool = False, store: bool = False):
        self.name = "pilothouse" + ("+spans" if spans else "") + ("+store" if store else "")
        self.upstream, self.spans, self.store = upstream, spans, store

    def start(self, tools: Tools, directory: Path, upstream_port: int) -> Started:
        directory.mkdir(parents=True, exist_ok=True)
        port = probe.free_port()
        environment = {}
        if self.spans:
            sink = processes.start([str(tools.ends), "otlp-sink"], directory / "sink", stdout=subprocess.PIPE, text=True)
            address = json.loads(sink.stdout.readline())["listening"]
            (directory / "sink-address").write_text(address)
            environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://{address}"
        config = directory / "pilothouse.yaml"
        config.write_text(self.config(tools, upstream_port))
        argv = [str(tools.pilothouse), "run", "--listen", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0"]
        argv += ["--data-dir", str(directory / "data"), "--config", str(config)]
        return Started(port, processes.start(argv, directory, environment), directory)

    def config(self, tools: Tools, upstream_port: int) -> str:
        return f"store: {{enabled: {json.dumps(self.store)}}}\n" + self.servers(tools, upstream_port)

    def servers(self, tools: Tools, upstream_port: int) -> str:
        if self.upstream == "http":
            return f"servers:\n  bench:\n    url: http://127.0.0.1:{upstream_port}/mcp\n"
        eras = "modern" if self.upstream == "stdio-shared" else "legacy"
        return (
            f"servers:\n  bench:\n    command: {json.dumps(str(tools.ends))}\n"
            f"    args: {json.dumps(['upstream-stdio', '--eras', eras])}\nchildren:\n  max: 128\n"
        )

    def wait(self, started: Started) -> None:
        # Not by calls: the count of calls is compared with the load generator's.
        ready = f"http://127.0.0.1:{started.port}/readyz"
        probe.until(lambda: probe.get(ready)[0] == 200, "pilothouse", started.process)

    def spans_received(self, started: Started) -> int:
        """Spans that the collector has counted so far."""
        address = (started.directory / "sink-address").read_text()
        return json.loads(probe.get(f"http://{address}/count")[1])["spans"]


class Unguarded(Pilothouse):
    """Nothing of a call is asked or looked at, and its parameters are logged as they are."""

    def config(self, tools: Tools, upstream_port: int) -> str:
        return "log: {params: true}\nredaction: {values: false}\n" + super().config(tools, upstream_port)


class Guarded(Pilothouse):
    """Everything on that guards a server: tokens, three limits, rules of access, watching for what is
    abnormal, and redaction of the parameters that are logged."""

    def __init__(self):
        super().__init__()
        self.name = "pilothouse+guard"
        self.issuer_url = ""

    def start(self, tools: Tools, directory: Path, upstream_port: int) -> Started:
        issuer = Issuer(directory)
        self.issuer_url = issuer.url
        started = super().start(tools, directory, upstream_port)
        started.issuer = issuer
        started.headers = [f"Authorization: Bearer {issuer.token()}"]
        return started

    def config(self, tools: Tools, upstream_port: int) -> str:
        guard = {
            "auth": {"issuers": {"bench": {"issuer": self.issuer_url, "audience": [AUDIENCE], "jwks_url": self.issuer_url}}},
            "limits": {
                "client": {"rate": "1000000/s"},
                "tool": {"per": ["client", "tool"], "rate": "1000000/s", "daily": 4_000_000_000},
                "server": {"per": ["server"], "concurrency": 10_000},
            },
            "access": {
                "rules": [
                    {"deny": {"tools": ["delete*", "drop*"]}},
                    {"allow": {"groups": ["operators"]}},
                    {"allow": {"principals": ["bench:*"], "servers": ["bench"], "tools": ["echo", "search*"]}},
                ]
            },
            "anomalies": {},
            "log": {"params": True},
            # The books are read there.
            "metrics_on_data_listener": "always",
        }
        lines = "".join(f"{key}: {json.dumps(value)}\n" for key, value in guard.items())
        return lines + super().config(tools, upstream_port)


class Supergateway(Target):
    """supergateway 4, stateful: one child for each session."""

    name = "supergateway"

    def start(self, tools: Tools, directory: Path, upstream_port: int) -> Started:
        port = probe.free_port()
        argv = ["node", str(SUPERGATEWAY), "--stdio", f"{tools.ends} upstream-stdio --eras legacy"]
        argv += ["--outputTransport", "streamableHttp", "--stateful", "--port", str(port), "--logLevel", "none"]
        return Started(port, processes.start(argv, directory), directory)
