"""Whether Pilothouse's books are those of the load generator, call by call."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from runner import probe
from runner.targets import Started

SAMPLE = re.compile(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


@dataclass
class Account:
    """What the books say about the calls of one gateway."""

    problems: list[str]  # empty when every number is equal
    records_dropped: int  # lines that were never written, as the gateway says
    spans_dropped: int  # spans that were never exported, as the gateway says


def close(gateway: Started) -> Account:
    """Ends the gateway and compares.

    What the generator sent must be what `mcp_requests_total` counts, by method,
    and what the log has lines for, by method. A line that was not written must
    be counted as dropped.
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
    dropped = {name: total(base, f"pilothouse_{name}_dropped_total") for name in ("records", "spans")}
    code = gateway.stop()
    logged = log_counts(gateway.directory / "data" / "logs")
    found = [] if code == 0 else [f"exit code {code} after SIGTERM"]
    if counted != want:
        found.append(f"mcp_requests_total {counted}, sent {want}")
    if sum(logged.values()) + dropped["records"] != sum(want.values()) or (logged != want and not dropped["records"]):
        found.append(f"log lines {logged}, {dropped['records']:,} dropped, sent {want}")
    return Account(found, dropped["records"], dropped["spans"])


def metric_counts(base: str) -> dict[str, int]:
    """`mcp_requests_total` by method."""
    counts: dict[str, int] = {}
    for labels, value in samples(base, "mcp_requests_total"):
        counts[labels["method"]] = counts.get(labels["method"], 0) + value
    return counts


def total(base: str, name: str) -> int:
    """A counter, added up over its labels."""
    return sum(value for _, value in samples(base, name))


def samples(base: str, name: str) -> list[tuple[dict[str, str], int]]:
    status, text = probe.get(f"{base}/metrics")
    if status != 200:
        raise RuntimeError(f"/metrics answered {status}")
    matches = filter(None, map(SAMPLE.match, text.splitlines()))
    return [(dict(LABEL.findall(m[2] or "")), int(float(m[3]))) for m in matches if m[1] == name]


def log_counts(logs: Path) -> dict[str, int]:
    """Lines of calls by method, in `combined.log` and what was rotated out of it."""
    counts: dict[str, int] = {}
    for path in sorted(logs.glob("combined*")):
        # While a file is being compressed, it is there as it was, too.
        if path.suffix == ".tmp" or (path.suffix == ".zst" and path.with_suffix("").exists()):
            continue
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
