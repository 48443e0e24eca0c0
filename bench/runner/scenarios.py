"""The scenarios, and what is promised about each."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner import account, loads, probe
from runner.loads import Load
from runner.targets import Direct, Guarded, Nginx, Pilothouse, Started, Supergateway, Target, Tools, Unguarded

Reports = dict[str, dict]  # by target


@dataclass(frozen=True)
class Promise:
    """A figure and its bound. `figure` takes one round's reports, or the medians."""

    text: str
    bound: float
    figure: Callable[[Reports], float]
    at_least: bool = False

    def verdict(self, rounds: list[Reports]) -> dict:
        got = statistics.median(self.figure(reports) for reports in rounds)
        kept = got >= self.bound if self.at_least else got <= self.bound
        sign = "≥" if self.at_least else "≤"
        return {"promise": f"{self.text} {sign} {self.bound:g}", "got": got, "kept": kept}


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    targets: list[Target]
    load: Load
    promises: list[Promise] = field(default_factory=list)
    seconds_factor: float = 1.0

    def without_pilothouse(self) -> Scenario:
        others = [target for target in self.targets if not isinstance(target, Pilothouse)]
        return replace(self, targets=others, promises=[])


def ratio(field_name: str, of: str, to: str) -> Callable[[Reports], float]:
    return lambda reports: reports[of][field_name] / reports[to][field_name]


def added_p99_ms(reports: Reports) -> float:
    return (reports["pilothouse"]["latency_us"]["p99"] - reports["direct"]["latency_us"]["p99"]) / 1000


CPU, RATE = "cpu_us_per_call", "calls_per_second"
ECHO = [
    Promise("CPU per call / nginx", 1.5, ratio(CPU, "pilothouse", "nginx")),
    Promise("calls/s / nginx", 0.6, ratio(RATE, "pilothouse", "nginx"), at_least=True),
]
STORE = [Promise("CPU per call / without store", 1.15, ratio(CPU, "pilothouse+store", "pilothouse"))]
LARGE = [Promise("CPU per call / nginx", 1.3, ratio(CPU, "pilothouse", "nginx"))]
ADDED = [Promise("added p99, ms", 0.5, added_p99_ms)]
SPANS = [Promise("CPU per call / without spans", 1.15, ratio(CPU, "pilothouse+spans", "pilothouse"))]
GUARD = [Promise("CPU per call / unguarded", 1.25, ratio(CPU, "pilothouse+guard", "pilothouse"))]
STDIO = [Promise("CPU per call / nginx (HTTP upstream)", 2.5, ratio(CPU, "pilothouse", "nginx"))]
BRIDGE = [Promise("calls/s / supergateway", 10, ratio(RATE, "pilothouse", "supergateway"), at_least=True)]
MEMORY = [Promise("peak RSS, MiB", 40, lambda reports: reports["pilothouse"]["rss_peak_mib"])]


def catalogue(peer: bool) -> list[Scenario]:
    """All scenarios in the order in which they run."""
    nginx = Nginx()
    http = [Direct(), nginx, Pilothouse()]
    kept = [*http, Pilothouse(store=True)]
    spans = [nginx, Pilothouse(), Pilothouse(spans=True)]

    def stdio(upstream: str) -> list[Target]:
        peers = [Supergateway()] if peer and upstream == "stdio-sessions" else []
        return [Direct(), nginx, Pilothouse(upstream), *peers]

    found = [
        Scenario(
            f"echo-{n}",
            f"echo of 100 B, {n} connection{'s' if n > 1 else ''}",
            kept if n in (16, 64) else http,
            Load(n),
            ECHO + STORE if n in (16, 64) else [],
        )
        for n in (1, 16, 64, 256)
    ]
    found += [
        Scenario("modern-16", "echo of 100 B, stateless era, 16 connections", http, Load(16, era="modern")),
        Scenario("blob-16", "answers of 100 KB, 16 connections", http, Load(16, blob_bytes=100_000), LARGE),
        Scenario("records-16", "answers of 100 KB, JSON in a text, 16 connections", http, Load(16, records_bytes=100_000)),
        Scenario("rate-500", "500 calls/s, open loop", http, Load(16, rate=500), ADDED, 2),
        Scenario("rate-2000", "2,000 calls/s, open loop", http, Load(16, rate=2000), [], 1.5),
        Scenario("spans-16", "echo with spans exported, 16 connections", spans, Load(16), SPANS),
        Scenario("guard-16", "echo with everything on that guards a server, 16 connections", [nginx, Unguarded(), Guarded()], Load(16), GUARD),
        Scenario("sessions-256", "256 sessions left open", kept[1:], Load(256, keep_sessions=True), MEMORY),
    ]
    for n in (16, 64):
        shared, sessions = Load(n, era="modern"), Load(n)
        found += [
            Scenario(f"stdio-{n}", f"echo, one stateless stdio child, {n} connections", stdio("stdio-shared"), shared, STDIO),
            Scenario(
                f"stdio-sessions-{n}",
                f"echo, {n} sessions with a stdio child each",
                stdio("stdio-sessions"),
                sessions,
                STDIO + (BRIDGE if peer else []),
            ),
        ]
    return found


@dataclass
class Outcome:
    """What a scenario gave."""

    rounds: list[Reports]
    verdicts: list[dict] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def run(scenario: Scenario, tools: Tools, directory: Path, upstream_port: int, rounds: int, seconds: float) -> Outcome:
    """Starts the scenario's targets, loads them in turn `rounds` times, and stops them."""
    started: dict[str, tuple[Target, Started]] = {}
    try:
        for target in scenario.targets:
            up = target.start(tools, directory / scenario.name / target.name, upstream_port)
            started[target.name] = (target, up)
        for target, up in started.values():
            target.wait(up)
        seconds *= scenario.seconds_factor
        measured = [
            {name: loads.run(tools, up, scenario.load, seconds, seconds / 6) for name, (_, up) in started.items()}
            for _ in range(rounds)
        ]
        outcome = Outcome(measured, [promise.verdict(measured) for promise in scenario.promises])
        for name, (target, up) in started.items():
            failed = [reports[name]["errors_by_kind"] for reports in measured if reports[name]["errors"]]
            outcome.problems += [f"{name}: failed calls: {kinds}" for kinds in failed]
            if isinstance(target, Pilothouse):
                close_books(outcome, scenario, target, up)
    finally:
        for _, up in started.values():
            up.stop()
    return outcome


def close_books(outcome: Outcome, scenario: Scenario, target: Pilothouse, up: Started) -> None:
    """Ends the gateway and notes what its books say.

    A closed loop takes all that the machine can give: lines and spans may be
    dropped then, if they are counted. At a fixed rate none may.
    """
    books = account.close(up)
    calls = up.sent["initialize"] + up.sent["tools/call"]
    problems = list(books.problems)
    dropped = []
    if books.records_dropped:
        dropped.append(f"{books.records_dropped:,} of {calls:,} log lines dropped, and counted")
    if target.spans:
        # One span towards the client and one towards the server, for each record that was kept.
        spans, want = target.spans_received(up), 2 * (calls - books.records_dropped)
        if spans + books.spans_dropped != want:
            problems.append(f"{spans:,} spans arrived and {books.spans_dropped:,} were dropped, of {want:,}")
        if books.spans_dropped:
            dropped.append(f"{books.spans_dropped:,} of {want:,} spans dropped, and counted")
    (outcome.notes if scenario.load.rate is None else problems).extend(dropped)
    outcome.problems += [f"{target.name}: {problem}" for problem in problems]


def first_call(tools: Tools, directory: Path, upstream_port: int, times: int) -> Outcome:
    """Milliseconds from the start of a process to its first successful call, `times` times."""
    rounds = []
    for number in range(times):
        round_reports: Reports = {}
        for target in (Nginx(), Pilothouse()):
            begin = time.monotonic()
            up = target.start(tools, directory / "first-call" / f"{target.name}-{number}", upstream_port)
            try:
                probe.until(
                    lambda: probe.tool_call_works(up.port), target.name, up.process, pause=probe.RETRY_SECONDS
                )
                round_reports[target.name] = {"first_call_ms": (time.monotonic() - begin) * 1000}
            finally:
                up.stop()
        rounds.append(round_reports)
    promise = Promise("start to first call, ms", 50, lambda reports: reports["pilothouse"]["first_call_ms"])
    return Outcome(rounds, [promise.verdict(rounds)])
