#!/usr/bin/env python3
"""Asks Debian's Prometheus and our engine the same questions about the same samples.

    tests/e2e/promql/run [--seed N] [--random N] [--keep DIR]

Prometheus gets the samples through `promtool tsdb create-blocks-from openmetrics`, our engine from a file
(`cargo xtask cases ask`). Answers agree when both have the same series with values at the same times, each
within 1e-9 of the other, or when both refuse. Ends with how many agree and how many differ.
"""

import argparse
import json
import math
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import data
import queries
import scripts

ROOT = pathlib.Path(__file__).resolve().parents[3]
TOLERANCE = 1e-9
START_SECONDS_MAX = 60
ANSWER_SECONDS_MAX = 30
DIFFERENCES_SHOWN = 20
# Queries of our scripts that 2.42 cannot agree on, because it counts what lies on the left edge of a range or of
# a subquery, which Prometheus 3 does not, or because it lacks the function.
DIFFERENT_IN_2 = {
    'count_over_time((calls{tool="search"} @ 600)[10m:1m])',
    "increase(reset_total[100s])",
    "first_over_time(gauge[1m50s])",
    'sum_over_time(calls_total{tool="a"}[35s:10s])',
    "count_over_time(calls_total[35s:7s])",
    "count_over_time(vector(time())[35s:10s])",
    "sum_over_time(vector(time())[35s:10s])",
}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--random", type=int, default=200)
    parser.add_argument("--keep", help="a folder to work in and to leave as it is")
    args = parser.parse_args()
    for program in ("prometheus", "promtool"):
        if not shutil.which(program):
            print(f"{program} is missing: .ci/packages installs it")
            return 1
    folder = pathlib.Path(args.keep or tempfile.mkdtemp(prefix="ph-promql-"))
    folder.mkdir(exist_ok=True)
    try:
        code = compare_scripts(folder / "scripts")
        return compare(folder, args.seed, args.random) or code
    finally:
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)


def compare_scripts(folder: pathlib.Path) -> int:
    """Our own test scripts: what they expect is what we answer (`cargo test -p xtask`)."""
    agree, left_out, differences = 0, 0, []
    for number, part in enumerate(scripts.parts()):
        place = folder / str(number)
        place.mkdir(parents=True, exist_ok=True)
        left_out += part.left_out
        ours = ask_us(place, part.series, part.wishes)
        theirs = ask_prometheus(place, part.series, part.wishes)
        for wish, our, their in zip(part.wishes, ours, theirs, strict=True):
            difference = differ(our, their)
            if difference and wish["query"] in DIFFERENT_IN_2:
                left_out += 1
            elif difference:
                differences.append(f"{part.name} {json.dumps(wish)}\n    {difference}")
            else:
                agree += 1
    for difference in differences:
        print(f"DIFFER {difference}")
    print(f"own scripts: {agree} agree, {len(differences)} differ, {left_out} not comparable with 2.42")
    return 1 if differences else 0


def compare(folder: pathlib.Path, seed: int, random_count: int) -> int:
    series = data.make(seed)
    wishes = queries.asked(seed, random_count)
    ours = ask_us(folder, series, wishes)
    theirs = ask_prometheus(folder, series, wishes)
    agree, empty, refused, differences = 0, 0, 0, []
    for wish, our, their in zip(wishes, ours, theirs, strict=True):
        difference = differ(our, their)
        if difference:
            differences.append((wish, difference))
            continue
        agree += 1
        empty += our.get("series") == []
        refused += "series" not in our
    for wish, difference in differences[:DIFFERENCES_SHOWN]:
        print(f"DIFFER {json.dumps(wish)}\n    {difference}")
    samples = sum(len(one.samples) for one in series)
    distinct = len({wish["query"] for wish in wishes})
    print(f"seed {seed}: {len(series)} series, {samples} samples, {distinct} queries, each instant and ranged")
    print(f"{agree} agree ({empty} of them empty, {refused} refused by both), {len(differences)} differ")
    return 1 if differences else 0


def ask_us(folder: pathlib.Path, series: list[data.Series], wishes: list[dict]) -> list[dict]:
    for name, values in (("series", [one.as_json() for one in series]), ("queries", wishes)):
        text = "".join(json.dumps(value) + "\n" for value in values)
        (folder / f"{name}.jsonl").write_text(text)
    command = ["cargo", "run", "--quiet", "--package", "xtask", "--", "cases", "ask"]
    files = [str((folder / f"{name}.jsonl").resolve()) for name in ("series", "queries")]
    done = subprocess.run([*command, *files], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    answers = []
    for line in done.stdout.splitlines():
        answer = json.loads(line)
        for one in answer.get("series", []):
            one["samples"] = [(t, float(v)) for t, v in one["samples"]]
        answers.append(answer)
    return answers


def ask_prometheus(folder: pathlib.Path, series: list[data.Series], wishes: list[dict]) -> list[dict]:
    (folder / "series.om").write_text(data.openmetrics(series))
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "series.om", "data"],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (folder / "prometheus.yml").write_text("{}\n")
    port = free_port()
    command = [
        "prometheus",
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        "--storage.tsdb.retention.time=3650d",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with open(folder / "prometheus.log", "wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        wait_until_ready(process, port, folder)
        return [ask(port, wish) for wish in wishes]
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until_ready(process: subprocess.Popen, port: int, folder: pathlib.Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5):
                return
        except OSError:
            # Asking again is the only way to learn it.
            time.sleep(0.1)
    sys.exit("Prometheus did not start:\n" + (folder / "prometheus.log").read_text()[-2000:])


def ask(port: int, wish: dict) -> dict:
    form = {"query": wish["query"]}
    if "end" in wish:
        path = "query_range"
        for name in ("start", "end", "step"):
            form[name] = wish[name] / 1000
    else:
        path = "query"
        form["time"] = wish["start"] / 1000
    url = f"http://127.0.0.1:{port}/api/v1/{path}"
    body = urllib.parse.urlencode(form).encode()
    try:
        with urllib.request.urlopen(url, body, timeout=ANSWER_SECONDS_MAX) as response:
            result = json.load(response)["data"]
    except urllib.error.HTTPError as error:
        return {"error": json.load(error)["error"]}
    if result["resultType"] == "scalar":
        elements = [{"metric": {}, "values": [result["result"]]}]
    else:
        elements = result["result"]
    series = []
    for one in elements:
        pairs = one.get("values") or [one["value"]]
        samples = [(round(t * 1000), float(v)) for t, v in pairs]
        series.append({"labels": one["metric"], "samples": samples})
    return {"series": series}


def differ(our: dict, their: dict) -> str | None:
    """What differs, if anything."""
    if "series" not in our or "series" not in their:
        if "series" in our or "series" in their or "unsupported" in our:
            return f"we: {short(our)}; Prometheus: {short(their)}"
        return None
    we = {key(one): one["samples"] for one in our["series"]}
    they = {key(one): one["samples"] for one in their["series"]}
    if len(we) != len(our["series"]) or we.keys() != they.keys():
        ours, theirs = sorted(we.keys() - they.keys()), sorted(they.keys() - we.keys())
        return f"only we: {ours[:3]}; only Prometheus: {theirs[:3]}"
    for labels, samples in we.items():
        others = they[labels]
        if [t for t, _ in samples] != [t for t, _ in others]:
            return f"{labels}: at {len(samples)} times, Prometheus at {len(others)}"
        for (t, v), (_, other) in zip(samples, others):
            if not near(v, other):
                return f"{labels} at {t}: {v!r}, Prometheus {other!r}"
    return None


def key(one: dict) -> str:
    return json.dumps(one["labels"], sort_keys=True)


def short(answer: dict) -> str:
    return json.dumps(answer)[:300]


def near(one: float, other: float) -> bool:
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other or abs(one - other) <= TOLERANCE * max(abs(one), abs(other))


if __name__ == "__main__":
    sys.exit(main())
