"""Our own test scripts as series and questions, so that Debian's Prometheus answers them, too."""

import json
import pathlib
import re

import data

ROOT = pathlib.Path(__file__).resolve().parents[3]
FOLDER = ROOT / "crates" / "ph-promql" / "tests" / "scripts"
UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


class Part:
    """What lies between two `clear`: series, and what is asked of them."""

    def __init__(self, name: str):
        self.name = name
        self.series: list[data.Series] = []
        self.wishes: list[dict] = []
        # OpenMetrics has no marker of staleness, so these cannot be told to Prometheus.
        self.stale: set[str] = set()
        self.left_out = 0


def parts() -> list[Part]:
    found = []
    for path in sorted(FOLDER.glob("*.test")):
        for number, text in enumerate(re.split(r"(?m)^clear$", path.read_text())):
            found.append(part(Part(f"{path.name}#{number + 1}"), text))
    return found


def part(made: Part, text: str) -> Part:
    step = 0
    for line in text.splitlines():
        words = line.split()
        if not words or line.startswith("#"):
            step = 0
        elif words[0] == "load":
            step = duration_ms(words[1])
        elif step:
            add_series(made, line, step)
        elif words[0] == "eval":
            ask(made, words)
    return made


def add_series(made: Part, line: str, step: int) -> None:
    name, labels, values = re.match(r"\s*([\w:]+)(?:\{(.*?)\})?\s+(.*)", line).groups()
    one = data.Series("unknown", name, **dict(re.findall(r'(\w+)="(.*?)"', labels or "")))
    at = 0
    for value in expand(values):
        if value == "stale":
            made.stale.add(name)
        elif value is not None:
            one.samples.append((at, value))
        at += step
    made.series.append(one)


def expand(text: str) -> list:
    values = []
    for word in text.split():
        pattern, _, times = word.partition("x")
        number = int(times) if times else 0
        if pattern == "_":
            values += [None] * (number or 1)
        elif pattern == "stale":
            values += ["stale"] * (number + 1)
        else:
            first, sign, step = re.fullmatch(r"(-?[^+-]+)(?:([+-])(.+))?", pattern).groups()
            each = float(step or 0) * (-1 if sign == "-" else 1)
            values += [float(first) + i * each for i in range(number + 1)]
    return values


def ask(made: Part, words: list[str]) -> None:
    if words[1] == "instant":
        wish = {"query": " ".join(words[4:]), "start": duration_ms(words[3])}
    else:
        start, end, step = (duration_ms(words[at]) for at in (3, 5, 7))
        wish = {"query": " ".join(words[8:]), "start": start, "end": end, "step": step}
    if any(re.search(rf"\b{name}\b", wish["query"]) for name in made.stale):
        made.left_out += 1
    else:
        made.wishes.append(wish)


def duration_ms(text: str) -> int:
    if text.isdigit():
        return int(text) * 1000
    return sum(int(number) * UNITS_MS[unit] for number, unit in re.findall(r"(\d+)(ms|s|m|h)", text))


if __name__ == "__main__":
    for one in parts():
        print(one.name, len(one.series), len(one.wishes), one.left_out, json.dumps(one.wishes[:1]))
