"""What both engines are given: a few hours of a gateway's metrics, the same each time.

Every sample lies 1 ms after a multiple of 15 s and every question is asked 7 s after a multiple of 10 s, so no
range, lookback or subquery begins on a sample or a step: there Prometheus 2 and 3 differ (closed and open).
"""

import math
import random

BASE_S = 1_767_225_600  # 2026-01-01
HOURS = 5
INTERVAL_S = 15
STEPS = HOURS * 3600 // INTERVAL_S
TOOLS = ("search", "read", "write", "list")
INSTANCES = ("gw-1:3001", "gw-2:3001")
BOUNDS = ("0.1", "0.5", "1.0", "2.5", "10.0", "+Inf")


def t_ms(step: int) -> int:
    return (BASE_S + step * INTERVAL_S) * 1000 + 1


class Series:
    """Labels and samples; the kind is that of its family."""

    def __init__(self, kind: str, name: str, **labels: str):
        self.kind = kind
        self.name = name
        self.labels = labels
        self.samples: list[tuple[int, float]] = []

    def add(self, step: int, value: float) -> None:
        self.samples.append((t_ms(step), float(value)))

    def as_json(self) -> dict:
        return {
            "labels": {"__name__": self.name, **self.labels},
            "samples": [[t, number(v)] for t, v in self.samples],
        }


def number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)


def make(seed: int) -> list[Series]:
    rng = random.Random(seed)
    return [
        *counters(rng),
        *histograms(rng),
        *gauges(rng),
        *odd(rng),
    ]


def counters(rng: random.Random) -> list[Series]:
    made = []
    for tool in TOOLS:
        for instance in INSTANCES:
            for outcome in ("ok", "error"):
                one = Series(
                    "counter", "calls_total", job="mcp", tool=tool, instance=instance, outcome=outcome
                )
                # Large enough that no range reaches back to a counter's zero, where 2 and 3 differ.
                value = rng.randrange(100_000, 200_000)
                most = 40 if outcome == "ok" else 3
                reset = rng.randrange(STEPS)
                for step in range(STEPS):
                    if step == reset and tool != "list":
                        value = 0
                    value += rng.randrange(most)
                    one.add(step, value)
                made.append(one)
    # One that begins late and one that ends early.
    late = Series("counter", "calls_total", job="mcp", tool="late", instance=INSTANCES[0], outcome="ok")
    gone = Series("counter", "calls_total", job="mcp", tool="gone", instance=INSTANCES[0], outcome="ok")
    for step in range(STEPS):
        if step > STEPS * 2 // 3:
            late.add(step, 1_000_000 + step)
        if step < STEPS // 2:
            gone.add(step, 2_000_000 + 2 * step)
    return [*made, late, gone]


def histograms(rng: random.Random) -> list[Series]:
    made = []
    for tool in TOOLS:
        labels = {"job": "mcp", "tool": tool, "instance": INSTANCES[0]}
        name = "call_duration_seconds"
        buckets = [Series("histogram", f"{name}_bucket", le=bound, **labels) for bound in BOUNDS]
        count = Series("histogram", f"{name}_count", **labels)
        total = Series("histogram", f"{name}_sum", **labels)
        counts = [0] * len(BOUNDS)
        seconds = 0.0
        for step in range(STEPS):
            for _ in range(rng.randrange(6)):
                at = rng.choice((0, 0, 1, 1, 2, 3, 4, 5))
                for i in range(at, len(BOUNDS)):
                    counts[i] += 1
                seconds += (0.0625, 0.25, 0.75, 2.0, 5.0, 20.0)[at]
            for one, value in zip(buckets, counts):
                one.add(step, value)
            count.add(step, counts[-1])
            total.add(step, seconds)
        made += [*buckets, count, total]
    return made


def gauges(rng: random.Random) -> list[Series]:
    made = []
    for n, instance in enumerate(INSTANCES):
        up = Series("gauge", "up", job="mcp", instance=instance)
        memory = Series("gauge", "memory_bytes", job="mcp", instance=instance)
        sessions = Series("gauge", "sessions", job="mcp", instance=instance)
        limit = Series("gauge", "sessions_max", job="mcp", instance=instance)
        value = 50_000_000 * (n + 1)
        for step in range(STEPS):
            up.add(step, 0 if 300 <= step < 330 + 20 * n else 1)
            value += rng.randrange(-1_000_000, 1_050_000)
            memory.add(step, value)
            # A pause that is longer than the lookback, and some that are shorter.
            if not (500 + 50 * n <= step < 600) and rng.random() > 0.1:
                sessions.add(step, rng.randrange(-5, 100) + 0.5 * n)
            limit.add(step, 60 + n)
        made += [up, memory, sessions, limit]
    for n, version in enumerate(("1.0", "1.1")):
        info = Series("gauge", "build_info", job="mcp", instance=INSTANCES[n], version=version)
        for step in range(STEPS):
            info.add(step, 1)
        made.append(info)
    return made


def odd(rng: random.Random) -> list[Series]:
    made = []
    values = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1e300, -1e-300, 3.0, -7.25)
    for n in range(3):
        one = Series("gauge", "odd", n=str(n))
        for step in range(STEPS):
            one.add(step, rng.choice(values[: 3 * (n + 1)]))
        made.append(one)
    clock = Series("gauge", "certificate_not_after_seconds", job="mcp", instance=INSTANCES[0])
    for step in range(STEPS):
        clock.add(step, BASE_S + 40 * 86_400)
    return [*made, clock]


def openmetrics(series: list[Series]) -> str:
    """As `promtool` reads it. Parts of histograms go as metrics of unknown kind: a histogram's samples would have
    to be sorted by time before they are sorted by bucket."""
    families: dict[str, list[Series]] = {}
    for one in series:
        name = one.name.removesuffix("_total") if one.kind == "counter" else one.name
        families.setdefault(name, []).append(one)
    lines = []
    for family, members in families.items():
        kind = members[0].kind
        lines.append(f"# TYPE {family} {'unknown' if kind == 'histogram' else kind}")
        for member in members:
            labels = ",".join(f'{key}="{value}"' for key, value in member.labels.items())
            for t, v in member.samples:
                lines.append(f"{member.name}{{{labels}}} {number(v)} {t / 1000:.3f}")
    lines.append("# EOF\n")
    return "\n".join(lines)
