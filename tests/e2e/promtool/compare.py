"""Scenarios of rules, run by our engine and by Debian's promtool, compared at every tick.

What our engine sees at each tick (alerts that fire with labels and annotations, ALERTS,
ALERTS_FOR_STATE, recorded series) becomes the expectation of a promtool test file; promtool has to
agree with every one, and so has our own runner on the same file. Then one expectation of each file is
changed, and both have to see that. A rule that cannot be evaluated has to fail in both, at the same
time and for the same reason.

usage: compare.py [--seed N] [--count N] [--keep DIR]
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from scenarios import KINDS, Scenario

ROOT = pathlib.Path(__file__).resolve().parents[3]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PILOTHOUSE = os.environ.get("PILOTHOUSE_BIN", str(TARGET / "debug" / "pilothouse"))


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--count", type=int, default=6 * len(KINDS))
    arguments.add_argument("--keep", help="leave the files in this directory")
    args = arguments.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(args.keep or made)
        folder.mkdir(parents=True, exist_ok=True)
        scenarios = [Scenario(seed) for seed in range(args.seed, args.seed + args.count)]
        return run(scenarios, folder)


def run(scenarios: list[Scenario], folder: pathlib.Path) -> int:
    paths = [write(scenario, folder) for scenario in scenarios]
    seen = ours(paths)
    failures: list[str] = []
    filled, broken, ticks = [], [], 0
    for scenario, path in zip(scenarios, paths):
        cases = seen[path]
        if scenario.fails:
            broken.append((path, [case for case in cases if case["kind"] == "rule"]))
            continue
        errors = [case for case in cases if case["error"]]
        if errors:
            failures.append(f"{path.name}: we fail with {errors[0]['error']}")
            continue
        fill(path, cases)
        filled.append(path)
        ticks += len(cases)
    failures += agree(filled) + agree_to_fail(broken) + see_a_change(filled)
    fired = sum(1 for path in filled for case in seen[path] if case["kind"] == "alert" and case["got"])
    for failure in failures:
        print(failure, file=sys.stderr)
    print(
        f"{len(filled)} scenarios with {ticks} expectations ({fired} of alerts that fire), "
        f"{len(broken)} that fail in both: {len(failures)} disagreements"
    )
    # A generator that makes nothing fire proves nothing.
    return 0 if not failures and len(filled) + len(broken) >= 1 and fired > len(filled) else 1


def write(scenario: Scenario, folder: pathlib.Path) -> pathlib.Path:
    """The rule file, and a test file that asks about everything and expects nothing."""
    rules = folder / f"{scenario.name}.rules.yml"
    rules.write_text(json.dumps({"groups": scenario.groups}, indent=1, ensure_ascii=False))
    alerts, records = scenario.names()
    test = {
        "name": scenario.name,
        "interval": f"{scenario.sample_s}s",
        "input_series": scenario.series,
        "external_labels": scenario.external,
        "alert_rule_test": [],
        "promql_expr_test": [],
    }
    for tick in range(scenario.ticks):
        at = f"{tick * scenario.tick_s}s"
        for name in alerts:
            test["alert_rule_test"].append({"eval_time": at, "alertname": name, "exp_alerts": []})
        for expr in ["ALERTS", "ALERTS_FOR_STATE", *records]:
            test["promql_expr_test"].append({"expr": expr, "eval_time": at, "exp_samples": []})
    path = folder / f"{scenario.name}.test.yml"
    store(
        path,
        {
            "rule_files": [rules.name],
            "evaluation_interval": f"{scenario.tick_s}s",
            "group_eval_order": scenario.order,
            "tests": [test],
        },
    )
    return path


def store(path: pathlib.Path, tests: dict) -> None:
    path.write_text(json.dumps(tests, indent=1, ensure_ascii=False))


def ours(paths: list[pathlib.Path]) -> dict[pathlib.Path, list[dict]]:
    """The cases of each file, as our runner has them."""
    done = subprocess.run(
        [PILOTHOUSE, "rules", "test", "--json", *map(str, paths)], capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        sys.exit(f"pilothouse rules test: {done.stderr}")
    files = json.loads(done.stdout)["files"]
    for file in files:
        if "cases" not in file:
            sys.exit(f"{file['file']}: {file['problems']}")
    return {pathlib.Path(file["file"]): file["cases"] for file in files}


def fill(path: pathlib.Path, cases: list[dict]) -> None:
    """What we see becomes what is expected."""
    tests = json.loads(path.read_text())
    test = tests["tests"][0]
    by_question = {(case["kind"], case["subject"], case["at_ms"]): case["got"] for case in cases}
    for wish in test["alert_rule_test"]:
        got = by_question["alert", wish["alertname"], milliseconds(wish["eval_time"])]
        wish["exp_alerts"] = [
            {
                "exp_labels": {name: value for name, value in one["labels"].items() if name != "alertname"},
                "exp_annotations": one["annotations"],
            }
            for one in got
        ]
    for wish in test["promql_expr_test"]:
        got = by_question["expr", wish["expr"], milliseconds(wish["eval_time"])]
        wish["exp_samples"] = [{"labels": metric(one["labels"]), "value": float(one["value"])} for one in got]
    store(path, tests)


def milliseconds(time: str) -> int:
    return int(time.removesuffix("s")) * 1000


def metric(labels: dict[str, str]) -> str:
    rest = dict(labels)
    name = rest.pop("__name__", "")
    pairs = ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in rest.items())
    return f"{name}{{{pairs}}}"


def agree(paths: list[pathlib.Path]) -> list[str]:
    """promtool and our runner on files whose every expectation should hold."""
    failures = []
    for path, verdict in promtool(paths).items():
        if verdict != "":
            failures.append(f"{path.name}: promtool disagrees:\n{verdict[:3000]}")
    for path, cases in ours(paths).items():
        bad = [case for case in cases if not case["ok"]]
        if bad:
            failures.append(f"{path.name}: our runner disagrees with itself: {bad[0]}")
    return failures


def promtool(paths: list[pathlib.Path]) -> dict[pathlib.Path, str]:
    """What promtool says of each file; nothing when it agrees. One process for each, as its complaints
    do not name the file."""
    said = {}
    running: list[tuple[pathlib.Path, subprocess.Popen]] = []
    for path in paths:
        command = ["promtool", "test", "rules", str(path)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        running.append((path, child))
        if len(running) >= 2:
            collect(running.pop(0), said)
    for one in running:
        collect(one, said)
    return said


def collect(one: tuple[pathlib.Path, subprocess.Popen], said: dict[pathlib.Path, str]) -> None:
    path, child = one
    output, _ = child.communicate()
    said[path] = "" if child.returncode == 0 else output or "failed"


def agree_to_fail(broken: list[tuple[pathlib.Path, list[dict]]]) -> list[str]:
    """Both stop at the same rule, time and reason."""
    failures = []
    verdicts = promtool([path for path, _ in broken])
    for path, cases in broken:
        want = re.findall(r"rule: (\S+), time: (\S+), err: (.+)", verdicts[path])
        theirs = [(rule, seconds(time), error) for rule, time, error in want]
        mine = [(case["subject"], case["at_ms"] / 1000, case["error"]) for case in cases]
        if not mine or mine != theirs:
            failures.append(f"{path.name}: we fail with {mine}, promtool with {theirs}")
    return failures


def seconds(time: str) -> float:
    """Go's way to write a duration."""
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)([hms])", time))


def see_a_change(paths: list[pathlib.Path]) -> list[str]:
    """Of each file one expectation is changed; a comparer that does not see it is none."""
    changed = []
    for nth, path in enumerate(paths):
        tests = json.loads(path.read_text())
        test = tests["tests"][0]
        alerts = [alert for wish in test["alert_rule_test"] for alert in wish["exp_alerts"]]
        samples = [sample for wish in test["promql_expr_test"] for sample in wish["exp_samples"]]
        if alerts and nth % 3 == 0:
            alerts[nth % len(alerts)]["exp_labels"]["changed"] = "yes"
        elif alerts and nth % 3 == 1:
            alerts[nth % len(alerts)]["exp_annotations"]["changed"] = "yes"
        elif samples:
            samples[nth % len(samples)]["value"] += 1
        else:
            continue
        other = path.with_suffix(".changed.yml")
        store(other, tests)
        changed.append(other)
    if not changed:
        return ["nothing could be changed"]
    failures = [f"{path.name}: promtool does not see the change" for path, said in promtool(changed).items() if not said]
    for path, cases in ours(changed).items():
        if sum(not case["ok"] for case in cases) != 1:
            failures.append(f"{path.name}: our runner does not see the one change")
    return failures


if __name__ == "__main__":
    sys.exit(main())
