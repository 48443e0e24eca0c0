#!/usr/bin/env python3
"""Rule files that are wrong are refused with their place, and what runs goes on.

    tests/e2e/rules/bad/run [--keep DIR]

For each mistake (an unknown field, a bad duration, wrong PromQL, a wrong template, a name twice, no YAML): at a
reload the place (file:line:column) and the mistake are said on stderr, an alert that waits goes on and fires,
`/metrics` and `/readyz` say since when, and the next good file ends that. `pilothouse rules check` refuses the
same file with the same place, and a start with it fails. So does Debian's promtool, whose place is not compared.

The last line is `N passed, N failed`.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from houses import BINARY, Tally, admin, api, needed  # noqa: E402

from gateway import Pilothouse, get, until  # noqa: E402

STEP_SECONDS = 20
GOOD = """groups:
  - name: good
    interval: 1s
    rules:
      - alert: Always
        expr: vector(1) > 0
        for: 2s
        labels: {severity: warning}
        annotations: {summary: "{{ $value }} is here"}
"""
# What is changed in the good file, the place of the mistake and a word of what is said; and whether promtool sees it.
MISTAKES = {
    "an unknown field": (("        for: 2s", "        forr: 2s"), (7, 9), "forr", True),
    "a bad duration": (("for: 2s", "for: 2 parsecs"), (7, 14), "2 parsecs", True),
    "wrong PromQL": (("vector(1) > 0", "vector(1) >> 0"), (6, 15), "promql", True),
    "an unknown function": (("vector(1) > 0", "vectr(1) > 0"), (6, 15), "vectr", True),
    "a string for an expression": (("vector(1) > 0", "'\"text\"'"), (6, None), "", False),
    "a wrong template": (("{{ $value }}", "{{ $value | nonsense }}"), (9, None), "nonsense", True),
    "a template that does not end": (("{{ $value }}", "{{ $value "), (9, None), "", True),
    "a name twice": (("groups:\n", "groups:\n  - name: good\n"), (3, None), "good", True),
    "both kinds of rule": (("        for: 2s", "        record: a:b\n        for: 2s"), (None, None), "record", True),
    "no YAML": (("groups:\n", "groups: [\n"), (None, None), "", True),
    "an interval of zero": (("interval: 1s", "interval: 0x"), (3, 15), "0x", True),
}


def wrong(text, change):
    old, new = change
    assert text.count(old) == 1, f"{old!r} is not once in the good file"
    return text.replace(old, new)


def place(said, name="rules.yml"):
    """The first file:line:column that is said."""
    found = re.search(rf"{re.escape(name)}:(\d+):(\d+)", said)
    return (int(found[1]), int(found[2])) if found else None


def check_places(tally, what, said, where, word):
    found = place(said)
    line, column = where
    tally.check(
        found and line in (None, found[0]) and column in (None, found[1]),
        f"{what}: expected {line}:{column}, said {found}:\n{said}",
    )
    tally.check(word in said, f"{what}: does not name {word!r}:\n{said}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", help="a folder to work in and to leave as it is")
    arguments = parser.parse_args()
    needed("promtool")
    folder = Path(arguments.keep or tempfile.mkdtemp(prefix="ph-rules-bad-"))
    folder.mkdir(exist_ok=True)
    tally = Tally()
    house = None
    try:
        for name, (change, where, word, promtool) in MISTAKES.items():
            refused(tally, folder, name, wrong(GOOD, change), where, word, promtool)
        house = running(tally, folder)
        return tally.end()
    finally:
        if house:
            house.kill()
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)


def config(folder):
    path = folder / "pilothouse.yaml"
    value = {
        "servers": {"bench": {"command": str(BINARY), "args": ["workbench"], "cwd": str(folder)}},
        "slos": {},
        "rules": {"enabled": "always", "standard": False, "files": ["rules.yml"]},
    }
    path.write_text(json.dumps(value, indent=1))
    return path


def refused(tally, folder, name, text, where, word, promtool):
    """By `rules check` and by a start; and by promtool."""
    (folder / "rules.yml").write_text(text)
    start = ["run", "--config", str(config(folder)), "--listen", "127.0.0.1:0", "--data-dir", str(folder / "never")]
    for words in (["rules", "check", "rules.yml"], start):
        done = subprocess.run([str(BINARY), *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        what = f"{name}, `{' '.join(words[:2])}`"
        tally.check(done.returncode in (1, 2), f"{what}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        check_places(tally, what, done.stdout + done.stderr, where, word)
    theirs = subprocess.run(["promtool", "check", "rules", "rules.yml"], cwd=folder, capture_output=True, text=True, check=False)
    tally.check((theirs.returncode != 0) == promtool, f"{name}: promtool says {theirs.returncode}: {theirs.stdout}{theirs.stderr}")


def running(tally, folder):
    """One process that is given every mistake in turn."""
    rules = folder / "rules.yml"

    def put(text):
        (folder / "new").write_text(text)
        (folder / "new").rename(rules)
        os.kill(house.child.pid, signal.SIGHUP)

    def value(name):
        return next((v for metric, _, v in house.metrics() if metric == name), None)

    put_first = GOOD
    rules.write_text(put_first)
    house = Pilothouse(BINARY, folder, ["--config", str(config(folder))])
    house.wait("/livez")
    ours = admin(house)
    active = {}

    def alert():
        found = [one for group in api(ours, "rules")["groups"] for rule in group["rules"] for one in rule.get("alerts", [])]
        return found[0] if found else None

    until("the alert fires", lambda: (alert() or {}).get("state") == "firing", STEP_SECONDS)
    active = alert()["activeAt"]
    for name, (change, where, word, _) in MISTAKES.items():
        begun, before = time.time(), len(house.log.read_text())
        put(wrong(GOOD, change))
        until(f"{name} is rejected", lambda: value("pilothouse_config_rejected") == 1, STEP_SECONDS)
        said = house.log.read_text()[before:]
        check_places(tally, f"{name}, at a reload", said, where, word)
        since = value("pilothouse_config_rejected_timestamp_seconds")
        tally.check(since and begun - 1 <= since <= time.time() + 1, f"{name}: rejected since {since}, it is {begun}")
        status, _, text = get(f"{house.origin}/readyz")
        tally.check(status == 200 and "rejected since" in text, f"{name}: /readyz says {status} {text}")
        ticks = "pilothouse_rule_evaluations_total"
        seen = house.total(ticks)
        until("rules are evaluated", lambda: house.total(ticks) > seen, STEP_SECONDS)
        tally.check(alert() and alert()["activeAt"] == active, f"{name}: the alert is active since {active}, now {alert()}")
        put(GOOD)
        until("a good file is taken", lambda: value("pilothouse_config_rejected") == 0, STEP_SECONDS)
        status, _, text = get(f"{house.origin}/readyz")
        tally.check("rejected" not in text, f"{name}: /readyz still says {text}")
    tally.check(alert() and alert()["activeAt"] == active, f"the alert is active since {active} through all of it: {alert()}")
    wrong_end = house.stop()
    tally.check(not wrong_end, f"it stops: {wrong_end}")
    if not tally.failures:
        print(f"ok      {len(MISTAKES)} mistakes: each refused with its place by `rules check`, a start and a reload; the alert went on")
    return house


if __name__ == "__main__":
    sys.exit(main())
