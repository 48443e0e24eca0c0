"""One run of the load generator, with the gateway's CPU clock read around it."""

from __future__ import annotations

import json
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from runner import processes
from runner.targets import Started, Tools

# What a run may take beyond its phases before it is killed.
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Load:
    """What the generator is asked to do."""

    connections: int = 16
    rate: float | None = None  # calls per second in open loop; None: closed loop
    blob_bytes: int | None = None  # an answer of this length instead of an echo of 100 B
    records_bytes: int | None = None  # JSON lines in a text, about this long
    era: str = "legacy"
    keep_sessions: bool = False

    def arguments(self) -> list[str]:
        arguments = ["--connections", str(self.connections), "--era", self.era]
        if self.rate is not None:
            arguments += ["--rate", str(self.rate)]
        if self.blob_bytes is not None:
            arguments += ["--blob-bytes", str(self.blob_bytes)]
        if self.records_bytes is not None:
            arguments += ["--records-bytes", str(self.records_bytes)]
        return arguments + (["--keep-sessions"] if self.keep_sessions else [])


def run(tools: Tools, target: Started, load: Load, seconds: float, warmup_seconds: float) -> dict:
    """The generator's report, with `cpu_us_per_call` and `rss_peak_mib` of the gateway."""
    argv = [str(tools.ends), "load", "--gate", "--url", target.url, *load.arguments()]
    argv += ["--seconds", str(seconds), "--warmup-seconds", str(warmup_seconds)]
    for header in target.headers:
        argv += ["--header", header]
    process = processes.start(argv, target.directory / "load", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    watchdog = threading.Timer(seconds + warmup_seconds + PATIENCE_SECONDS, process.kill)
    watchdog.start()
    try:
        _expect(process, target.directory / "load", "ready")
        pids = target.pids()
        before = processes.cpu_seconds(pids)
        _go(process)
        _expect(process, target.directory / "load", "ran")
        used = processes.cpu_seconds(pids) - before
        rss_peak = processes.rss_peak_mib(pids)
        _go(process)
        report = _event(process, target.directory / "load")
    finally:
        watchdog.cancel()
        processes.stop(process)
    for kind, count in report["sent"].items():
        target.sent[kind] = target.sent.get(kind, 0) + count
    report["cpu_us_per_call"] = used * 1e6 / report["calls"] if pids and report["calls"] else None
    report["rss_peak_mib"] = rss_peak if pids else None
    return report


def _expect(process: subprocess.Popen, directory: Path, event: str) -> None:
    got = _event(process, directory)
    if got.get("event") != event:
        raise RuntimeError(f"the load generator said {got}, not `{event}`")


def _event(process: subprocess.Popen, directory: Path) -> dict:
    line = process.stdout.readline()
    if not line:
        said = (directory / "stderr").read_text(errors="replace")[-800:].strip()
        raise RuntimeError(f"the load generator ended early: {said}")
    return json.loads(line)


def _go(process: subprocess.Popen) -> None:
    process.stdin.write("go\n")
    process.stdin.flush()
