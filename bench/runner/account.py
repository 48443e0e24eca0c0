"""Whether Pilothouse's books are those of the load generator, call by call."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from runner import probe
from runner.targets import Started

SAMPLE = re.compile(r"^mcp_requests_total\{([^}]*)\} (\S+)$")
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def problems(gateway: Started) -> list[str]:
    """Ends the gateway and compares; empty when every number is equal.

    What the generator sent must be what `mcp_requests_total` counts and what
    the log has lines for, in total and by method.
    """
    want = {method: gateway.sent.get(method, 0) for method in ("initialize", "tools/call")}
    want = {method: count for method, count in want.items() if count}
    base = f"http://127.0.0.1:{gateway.port}"
    # A record is made after its answer has gone out: the last one may be on its way.
    try:
        probe.until(lambda: metric_counts(base) == want, "the last record", seconds=2.0, pause=0.05)
    except RuntimeError:
        pass
    counted = metric_counts(base)
    code = gateway.stop()
    logged = log_counts(gateway.directory / "data" / "logs")
    found = [] if code == 0 else [f"exit code {code} after SIGTERM"]
    for name, got in (("mcp_requests_total", counted), ("log lines", logged)):
        if got != want:
            found.append(f"{name} {got}, sent {want}")
    return found


def metric_counts(base: str) -> dict[str, int]:
    """`mcp_requests_total` by method."""
    status, text = probe.get(f"{base}/metrics")
    if status != 200:
        raise RuntimeError(f"/metrics answered {status}")
    counts: dict[str, int] = {}
    for line in text.splitlines():
        if sample := SAMPLE.match(line):
            method = dict(LABEL.findall(sample[1]))["method"]
            counts[method] = counts.get(method, 0) + int(float(sample[2]))
    return counts


def log_counts(logs: Path) -> dict[str, int]:
    """Lines of calls by method, in `combined.log` and what was rotated out of it."""
    counts: dict[str, int] = {}
    for path in sorted(logs.glob("combined*")):
        for line in _lines(path):
            entry = json.loads(line)
            # Events of the process itself have no outcome.
            if "method" in entry and "outcome" in entry:
                counts[entry["method"]] = counts.get(entry["method"], 0) + 1
    return counts


def _lines(path: Path) -> list[str]:
    if path.suffix == ".zst":
        text = subprocess.run(["zstd", "-dcq", str(path)], check=True, capture_output=True, timeout=120).stdout
        return text.decode().splitlines()
    return path.read_text().splitlines()
