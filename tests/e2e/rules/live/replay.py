"""Our engine on what Prometheus scraped, at the times at which Prometheus evaluated: sample by sample the same.

The samples come from Prometheus's own files (`promtool tsdb dump`, in which a marker of staleness is NaN, and
no scenario has another NaN), the ticks from a series that every group records. `cargo xtask rules replay`
answers with what our groups write.
"""

import json
import re
import subprocess
from collections import defaultdict

import scenes
from houses import ROOT

MADE = ("ALERTS", "ALERTS_FOR_STATE")
SHOWN = 15
LABEL = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')
# A value of ALERTS_FOR_STATE is a second: a restart moves it by the time that passed, of which we know no fraction.
SECOND = 1.0
INTERVAL_MS = 1000
DOWN_MS_MAX = 10_000


def dump(tsdb):
    """[(ms, labels as JSON, value)], NaN as None, of all that Prometheus kept."""
    done = subprocess.run(["promtool", "tsdb", "dump", str(tsdb)], capture_output=True, text=True, check=True)
    found = []
    for line in done.stdout.splitlines():
        inner, _, rest = line.rpartition("} ")
        value, at = rest.split()
        labels = {name: json.loads(text) for name, text in LABEL.findall(inner)}
        found.append((int(at), json.dumps(labels, sort_keys=True), None if value == "NaN" else float(value)))
    return sorted(found, key=lambda one: one[:2])


def made_by_rules(labels):
    name = json.loads(labels)["__name__"]
    return name in MADE or name.startswith(("tick:", "scene:"))


def events(samples, files, groups, restart_ms):
    """What happens to our engine, in order: samples, files, a restart, ticks."""
    ticks = {f"tick:{group.replace('-', '_')}": group for group in groups}
    found = []
    for at, labels, value in samples:
        name = json.loads(labels)["__name__"]
        if name in ticks:
            found.append((at, 3, {"at": at, "tick": ticks[name]}))
        elif not made_by_rules(labels):
            found.append((at, 2, {"at": at, "sample": json.loads(labels), "value": number(value)}))
    for at, text in files:
        found.append((at, 0, {"at": at, "load": text}))
    found.append((restart_ms, 1, {"at": restart_ms, "restart": True}))
    return [event for *_, event in sorted(found, key=lambda one: one[:2])]


def number(value):
    return "stale" if value is None else repr(value)


def compare(tally, folder, groups, files, at):
    samples = dump(folder / "tsdb")
    restart_ms = int(at["stop"] * 1000) + 500
    told = [(int(t * 1000), text) for t, text in files]
    text = "".join(json.dumps(event) + "\n" for event in events(samples, told, groups, restart_ms))
    (folder / "events.jsonl").write_text(text)
    command = ["cargo", "run", "--quiet", "--package", "xtask", "--", "rules", "replay", str(folder / "events.jsonl")]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if not tally.check(done.returncode == 0, "cargo xtask rules replay"):
        return
    (folder / "replayed.jsonl").write_text(done.stdout)
    theirs, ours = defaultdict(dict), defaultdict(dict)
    for t, labels, value in samples:
        if made_by_rules(labels):
            theirs[labels][t] = value
    ticks = [json.loads(line) for line in done.stdout.splitlines()]
    for tick in ticks:
        for one in tick["samples"]:
            value = None if one["value"] == "stale" else float(one["value"])
            ours[json.dumps(one["labels"], sort_keys=True)][tick["at"]] = value
    silences = [Silence(ticks, begin_ms, theirs) for begin_ms in (0, restart_ms)]
    wrong, same, sooner = [], 0, 0
    different = set()
    for labels in sorted(theirs.keys() | ours.keys()):
        if json.loads(labels).get("alertname") in scenes.DIFFERENT_IN_2:
            different.add(labels)
            continue
        mine, yours = theirs.get(labels, {}), ours.get(labels, {})
        for t in sorted(mine.keys() | yours.keys()):
            one, other = mine.get(t, "none"), yours.get(t, "none")
            if one == other:
                same += 1
            elif any(silence.covers(labels, t, one, other) for silence in silences):
                sooner += 1
            else:
                wrong.append((t, f"{labels} at {(t / 1000) - at['began']:.3f}: Prometheus {one}, we {other}"))
    for _, line in sorted(wrong)[:SHOWN]:
        print(f"DIFFER  {line}")
    failures = sum(len(tick["failures"]) for tick in ticks)
    print(f"        {len(different)} series are not comparable with 2.42")
    print(f"        {sooner} samples differ as they are meant to: after a start Prometheus is silent for two ticks, and waits longer")
    tally.check(same and not wrong, f"ticks: {len(wrong)} samples differ, {same} are the same") and print(
        f"ok      ticks: {same} samples of {len(theirs)} series are the same at {len(ticks)} ticks ({failures} failures of rules), 0 differ"
    )


class Silence:
    """The ticks after a start in which we are meant to differ.

    Prometheus writes no ALERTS before it has restored, which is after its second tick; we restore before the
    first. The time without an evaluator, which does not count as waiting, ends a tick and a moment later for it,
    so alerts that waited across a restart fire up to two ticks later and are active a second later.
    """

    def __init__(self, ticks, begin_ms, theirs):
        self.first = defaultdict(list)
        for tick in ticks:
            if tick["at"] > begin_ms and len(self.first[tick["group"]]) < 3:
                self.first[tick["group"]].append(tick["at"])
        self.begin = min(its[0] for its in self.first.values())
        self.theirs = theirs

    def covers(self, labels, t, one, other):
        if json.loads(labels)["__name__"] not in MADE:
            return False
        # What we alone have written in the first two, and its end in the third.
        if one == "none" and any(t in its[: 3 if other is None else 2] for its in self.first.values()):
            return True
        return t >= self.begin and self.waited(labels) and self.is_later(labels, t, one, other)

    def alert(self, labels, state):
        return json.dumps(json.loads(labels) | {"__name__": "ALERTS", "alertstate": state}, sort_keys=True)

    def waited(self, labels):
        """It was pending in the last tick before the start."""
        last = {
            state: max((at for at, value in self.theirs.get(self.alert(labels, state), {}).items() if at < self.begin and value), default=0)
            for state in ("pending", "firing")
        }
        return last["pending"] > last["firing"] and self.begin - last["pending"] < DOWN_MS_MAX

    def is_later(self, labels, t, one, other):
        if '"ALERTS_FOR_STATE"' in labels:
            return "none" not in (one, other) and None not in (one, other) and one - other == SECOND
        later = self.theirs.get(self.alert(labels, "firing"), {})
        fires = [at for at, value in later.items() if at > self.begin and value]
        return bool(fires) and 0 <= min(fires) - t <= 2 * INTERVAL_MS
