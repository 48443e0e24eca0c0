"""Results as text and as JSON."""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
from pathlib import Path

from runner.scenarios import Outcome, Reports
from runner.targets import Tools

HEADINGS = ["", "calls/s", "/direct", "/nginx", "p50 ms", "p90", "p99", "p99.9", "CPU µs/call", "/nginx", "RSS MiB"]


def medians(rounds: list[Reports]) -> Reports:
    """The median of each figure over the rounds."""
    return {name: _median([reports[name] for reports in rounds]) for name in rounds[0]}


def _median(values: list):
    if isinstance(values[0], dict):
        return {key: _median([value[key] for value in values]) for key in values[0] if key != "errors_by_kind"}
    return None if values[0] is None else statistics.median(values)


def table(outcome: Outcome) -> str:
    """One line for each target, its verdicts and its problems below."""
    failures = [f"FAIL  {problem}" for problem in outcome.problems]
    if not outcome.rounds:
        return "\n".join(failures)
    median = medians(outcome.rounds)
    rows = [HEADINGS]
    for name, report in median.items():
        if "first_call_ms" in report:
            rows = rows if len(rows) > 1 else [["", "start to first call, ms"]]
            rows.append([name, f"{report['first_call_ms']:.1f}"])
            continue
        latency = [f"{report['latency_us'][q] / 1000:.3f}" for q in ("p50", "p90", "p99", "p99.9")]
        rows.append(
            [
                name,
                f"{report['calls_per_second']:,.0f}",
                _ratio(report, median.get("direct"), "calls_per_second"),
                _ratio(report, median.get("nginx"), "calls_per_second"),
                *latency,
                _number(report["cpu_us_per_call"], ".1f"),
                _ratio(report, median.get("nginx"), "cpu_us_per_call"),
                _number(report["rss_peak_mib"], ".1f"),
            ]
        )
    lines = _aligned(rows)
    lines += [f"{'PASS' if v['kept'] else 'MISS'}  {v['promise']}: {v['got']:.2f}" for v in outcome.verdicts]
    lines += [f"NOTE  {note}" for note in outcome.notes]
    return "\n".join(lines + failures)


def _ratio(report: dict, to: dict | None, name: str) -> str:
    if not to or not to[name] or report[name] is None:
        return "–"
    return f"{report[name] / to[name]:.2f}"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]


def machine(tools: Tools) -> dict:
    """The machine and the versions, for whoever reads the numbers later."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    model = re.search(r"model name\s*:\s*(.+)", cpuinfo)
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory[1]) / 1048576) if memory else None,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "nginx": _version([str(tools.nginx), "-v"]),
        "pilothouse": _version([str(tools.pilothouse), "--version"]) if tools.pilothouse else None,
        "commit": _version(["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]),
    }


def _version(argv: list[str]) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10)
    except OSError as error:
        return f"unknown ({error.strerror})"
    return (done.stdout or done.stderr).strip()
