"""Our engine on what Prometheus scraped, at the times at which Prometheus evaluated: sample by sample the same.

The samples come from Prometheus's own files (`promtool tsdb dump`, in which a marker of staleness is NaN, and
no scenario has another NaN), the ticks from a series that every group records. `cargo xtask rules replay`
answers with what our groups write.
"""

import json
import re
import subprocess
from collections import defaultdict

from houses import ROOT

MADE = ("ALERTS", "ALERTS_FOR_STATE")
SHOWN = 15
LABEL = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')
# A value of ALERTS_FOR_STATE is a second: a restart moves it by the time that passed, of which we know no fraction.
SECOND = 1.0


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
    text = "".join(
        json.dumps(event) + "\n"
        for event in events(samples, [(int(t * 1000), one) for t, one in files], groups, int(at["stop"] * 1000) + 500)
    )
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
    for line in done.stdout.splitlines():
        tick = json.loads(line)
        for one in tick["samples"]:
            value = None if one["value"] == "stale" else float(one["value"])
            ours[json.dumps(one["labels"], sort_keys=True)][tick["at"]] = value
    wrong, same = [], 0
    for labels in sorted(theirs.keys() | ours.keys()):
        mine, yours = theirs.get(labels, {}), ours.get(labels, {})
        for t in sorted(mine.keys() | yours.keys()):
            one, other = mine.get(t, "none"), yours.get(t, "none")
            if one == other:
                same += 1
            else:
                wrong.append((t, f"{labels} at {(t / 1000) - at['began']:.3f}: Prometheus {one}, we {other}"))
    for _, line in sorted(wrong)[:SHOWN]:
        print(f"DIFFER  {line}")
    ticks = sum(len(values) for labels, values in theirs.items() if '"tick:' in labels)
    tally.check(same and not wrong, f"ticks: {len(wrong)} samples differ, {same} are the same") and print(
        f"ok      ticks: {same} samples of {len(theirs)} series are the same at {ticks} ticks, 0 differ"
    )
