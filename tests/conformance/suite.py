"""One run of the official suite, and what its checks said."""

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from processes import Failure, Process

ROOT = Path(__file__).resolve().parents[2]
DEPS = ROOT / ".deps" / "conformance"
NODE = DEPS / "node_modules" / ".bin" / "node"
PACKAGE = DEPS / "node_modules" / "@modelcontextprotocol" / "conformance"
SUITE_SECONDS = 240

# Revision -> the least number of checks that make a run worth comparing.
REVISIONS = {"2025-11-25": 84, "2026-07-28": 194}

# These count transport events; their number varies from run to run.
NOT_CHECKS = {"INFO", "DEBUG"}

Key = tuple[str, str]  # scenario, check id


@dataclass
class Results:
    exit_code: int
    statuses: dict[Key, Counter]
    messages: dict[Key, list[str]]

    def count(self, *wanted: str) -> int:
        return sum(statuses[status] for statuses in self.statuses.values() for status in wanted)

    def summary(self) -> str:
        return f"{self.count('SUCCESS')}/{self.count('FAILURE')}"

    def said(self, key: Key) -> str:
        """`-`, or the check's statuses with how often each came: `SUCCESS`, `FAILURE SUCCESSx2`."""
        times = sorted(self.statuses.get(key, Counter()).items())
        return " ".join(status if n == 1 else f"{status}x{n}" for status, n in times) or "-"


def run(url: str, revision: str, out: Path) -> Results:
    out.mkdir(parents=True)
    command = [NODE, PACKAGE / "dist" / "index.js", "server", "--url", url, "--requirements", revision, "-o", out]
    suite = Process(f"suite {revision}", [str(part) for part in command], out / "suite.log")
    try:
        exit_code = suite.wait(SUITE_SECONDS)
    finally:
        suite.stop()
    return load(out, exit_code)


def load(folder: Path, exit_code: int) -> Results:
    statuses: dict[Key, Counter] = defaultdict(Counter)
    messages: dict[Key, list[str]] = defaultdict(list)
    for file in sorted(folder.rglob("checks.json")):
        scenario = re.sub(r"-\d{4}-\d\d-\d\dT[^/]*$", "", file.parent.name).removeprefix("server-")
        for check in json.loads(file.read_text()):
            if check["status"] in NOT_CHECKS:
                continue
            key = (scenario, check["id"])
            statuses[key][check["status"]] += 1
            if check.get("errorMessage"):
                messages[key].append(f"{check['status']}: {check['errorMessage']}")
    return Results(exit_code, dict(statuses), dict(messages))


def unscored(revision: str) -> set[str]:
    """The server scenarios that the suite runs but does not count for this revision."""
    text = (PACKAGE / "requirements" / f"{revision}.yaml").read_text()
    found = re.findall(r"^  - scenario: (\S+)\n    leg: server$", text, re.MULTILINE)
    if not found:
        raise Failure(f"the suite's list for {revision} names no unscored scenario; has its form changed?")
    return set(found)


def check_baseline(revision: str, first: Results, second: Results) -> None:
    """Raise unless the direct result is complete, stable and free of scored failures."""
    decided = first.count("SUCCESS", "FAILURE", "WARNING")
    if decided < REVISIONS[revision]:
        raise Failure(f"the direct run decided {decided} checks, at least {REVISIONS[revision]} are needed")
    if unstable := [key for key in all_keys(first, second) if first.said(key) != second.said(key)]:
        raise Failure(f"the direct result is not stable: {describe(unstable, first, second)}")
    free = unscored(revision)
    if failed := [key for key, times in first.statuses.items() if times["FAILURE"] and key[0] not in free]:
        raise Failure(f"scored checks fail without Pilothouse: {describe(failed, first, second)}")
    if first.exit_code != 0:
        raise Failure(f"the suite ended with code {first.exit_code} on the direct run")


def all_keys(*results: Results) -> list[Key]:
    return sorted({key for result in results for key in result.statuses})


def differing(direct: Results, through: Results) -> list[Key]:
    return [key for key in all_keys(direct, through) if direct.said(key) != through.said(key)]


def describe(keys: list[Key], left: Results, right: Results) -> str:
    return "; ".join(f"{scenario} {check}: {left.said(k)} / {right.said(k)}" for k in keys for scenario, check in [k])
