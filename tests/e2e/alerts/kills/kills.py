#!/usr/bin/env python3
"""Killed with SIGKILL while alerts wait (`for`), while they are told and while nobody can be told.

    tests/e2e/alerts/kills/run [--rounds N] [--seed N] [--keep DIR]

Several lanes run beside each other, each a Pilothouse with an exporter of five series and a receiver of its
own; in every round the five alerts begin, Pilothouse is killed at a random moment of the lane's phase and
started again on the same directory, and the alerts end. Then, over all rounds: every beginning and every end
arrived; what arrived more than once has the same `Idempotency-Key`, at most once more for each kill; and no
alert that was waiting lost the time it had waited.

The last line is `N passed, N failed`.
"""

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "rules"))
from houses import BINARY, Catcher, Quiet, Tally, admin, api, when  # noqa: E402

from gateway import Pilothouse, until  # noqa: E402

HOLD = 4
SERIES = 5
# From the beginning of a round: the kill, if the alerts begin at 0, wait for HOLD and are told about 2 s later.
PHASES = {
    "while they wait": (1.5, HOLD - 0.5),
    "while they are told": (HOLD + 0.2, HOLD + 3.2),
    "while they fire": (HOLD + 4.0, HOLD + 5.0),
    "while the receiver refuses": (HOLD + 1.0, HOLD + 4.0),
    "while the receiver is gone": (HOLD + 1.0, HOLD + 4.0),
    "while they end": (HOLD + 5.0, HOLD + 8.0),
}
# A scrape, a tick, a group's wait; of an alert that ends while nobody looks, the 20 s for which it was told; a
# busy machine. A scrape that fails is no end of an alert here, hence the range in the expression.
TOLD_SECONDS_MAX = 60


class Exporter:
    """Series that are high or low, all in the same round."""

    def __init__(self):
        self.high = False
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                value = 9 if exporter.high else 1
                body = "".join(f'scene{{n="{n}"}} {value}\n' for n in range(SERIES)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/metrics"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Lane:
    def __init__(self, folder, phase, rounds, rng):
        self.folder = folder / phase.replace(" ", "-")
        self.folder.mkdir()
        self.phase, self.rounds, self.rng = phase, rounds, rng
        self.exporter, self.catcher = Exporter(), Catcher()
        self.caught = []
        self.house = None
        self.problems, self.said = [], []
        self.kills = 0

    def config(self):
        rules = f"""groups:
  - name: kills
    interval: 1s
    rules:
      - alert: Waits
        expr: last_over_time(scene[20s]) > 5
        for: {HOLD}s
        annotations: {{summary: "{{{{ $labels.n }}}} is high"}}
"""
        (self.folder / "rules.yml").write_text(rules)
        config = {
            "servers": {"bench": {"command": str(BINARY), "args": ["workbench"], "cwd": str(self.folder)}},
            "scrape": {"page": {"urls": [self.exporter.url], "interval": "1s", "timeout": "1s"}},
            "slos": {},
            "rules": {"enabled": "always", "standard": False, "files": ["rules.yml"], "interval": "1s", "resend_delay": "5s"},
            "notify": {
                "receivers": {"page": {"webhook": {"url": f"{self.catcher.url}/page", "timeout": "2s"}}},
                "route": {"group_by": ["n"], "group_wait": "1s", "group_interval": "1s", "repeat_interval": "4h"},
            },
        }
        path = self.folder / "pilothouse.yaml"
        path.write_text(json.dumps(config, indent=1))
        return path

    def start(self):
        data = self.folder / "data"
        (data / "admin.addr").unlink(missing_ok=True)
        self.house = Pilothouse(BINARY, self.folder, ["--config", str(self.path)], data=data)
        self.house.wait("/livez", 60)
        self.admin = admin(self.house)

    def run(self):
        try:
            self.path = self.config()
            self.start()
            for number in range(self.rounds):
                self.round(number)
            wrong = self.house.stop()
            self.problems += [f"it does not stop: {wrong}"] if wrong else []
        except Exception as problem:  # noqa: BLE001 - it is told at the end
            self.problems.append(f"{type(problem).__name__}: {problem}")
            if self.house:
                self.problems.append(self.house.tail(15))
        finally:
            if self.house:
                self.house.kill()
            self.catcher.stop()

    def round(self, number):
        earliest, latest = PHASES[self.phase]
        kill_at = self.rng.uniform(earliest, latest)
        over_at = HOLD + 5.0
        if "refuses" in self.phase:
            self.catcher.refusing = True
        if "gone" in self.phase:
            self.catcher.stop()
        begun, told_before = time.time(), len(self.pages())
        self.exporter.high = True
        if kill_at < over_at:
            self.kill_and_start(begun + kill_at)
        self.back()
        self.wait_for("firing", number, told_before, begun)
        until("it says that they fire", self.firing, TOLD_SECONDS_MAX)
        self.exporter.high = False
        if kill_at >= over_at:
            self.kill_and_start(time.time() + kill_at - over_at)
        self.wait_for("resolved", number, told_before, begun)
        # Quiet, so that rounds do not run into each other.
        until("nothing is left over", lambda: not self.firing() and not self.pending(), TOLD_SECONDS_MAX)
        time.sleep(1.5)

    def kill_and_start(self, at):
        time.sleep(max(0.0, at - time.time()))
        self.house.child.send_signal(signal.SIGKILL)
        self.house.kill()
        self.kills += 1
        self.start()

    def back(self):
        """The receiver works again, where it did not."""
        if "refuses" in self.phase:
            time.sleep(1)
            self.catcher.refusing = False
        if "gone" in self.phase:
            time.sleep(1)
            self.caught += self.catcher.caught
            self.catcher = Catcher(self.catcher.port)

    def firing(self):
        return len(api(self.admin, "query", query='ALERTS{alertstate="firing"}')["result"]) == SERIES

    def pending(self):
        return api(self.admin, "query", query="ALERTS")["result"]

    def pages(self):
        """(status, n, key, startsAt, time) of every alert that arrived."""
        with self.catcher.lock:
            caught = [*self.caught, *self.catcher.caught]
        return [
            (alert["status"], alert["labels"]["n"], headers.get("idempotency-key"), when(alert["startsAt"]), at)
            for at, _, headers, body in caught
            for alert in body["alerts"]
        ]

    def wait_for(self, status, number, told_before, begun):
        def missing():
            told = {n for its, n, *_ in self.pages()[told_before:] if its == status}
            return sorted({str(n) for n in range(SERIES)} - told)

        deadline = time.monotonic() + TOLD_SECONDS_MAX
        while (left := missing()) and time.monotonic() < deadline:
            time.sleep(0.05)
        if left:
            self.problems.append(f"round {number}: not told as {status}: {left}")
        elif status == "firing":
            first = min(at for its, *_, at in self.pages()[told_before:] if its == status)
            self.said.append(first - begun)

    def judge(self, tally):
        pages = self.pages()
        keys = defaultdict(Counter)
        for status, n, key, _, _ in pages:
            keys[n, status][key] += 1
        repeats = sum(count - 1 for counts in keys.values() for count in counts.values())
        for problem in self.problems:
            print(f"        {problem}")
        what = f"killed {self.phase}"
        tally.check(not self.problems, f"{what}: {len(self.problems)} problems")
        tally.check(all(key for *_, key, _, _ in pages), f"{what}: without Idempotency-Key: {pages[:3]}")
        # Each of the groups has one alert, so a key names one beginning or one end.
        for (n, status), counts in sorted(keys.items()):
            tally.check(len(counts) == self.rounds, f"{what}: alert {n} was {status} {self.rounds} times and is told under {len(counts)} keys")
            most = max(counts.values())
            tally.check(most <= 2, f"{what}: alert {n} {status}: {most} times under one key")
        tally.check(repeats <= self.kills * SERIES, f"{what}: {repeats} repeats after {self.kills} kills")
        if "wait" in self.phase and self.said:
            # A restart that began the time anew would be later by at least what had passed.
            print(f"ok      {what}: told {min(self.said):.1f} to {max(self.said):.1f} s after their beginning, of which they wait for {HOLD} s")
        print(f"ok      {what}: {self.kills} kills, {len(pages)} alerts arrived, {repeats} of them again with the same key")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--keep", help="a folder to work in and to leave as it is")
    arguments = parser.parse_args()
    folder = Path(arguments.keep or tempfile.mkdtemp(prefix="ph-alerts-kills-"))
    folder.mkdir(exist_ok=True)
    tally = Tally()
    try:
        lanes = [Lane(folder, phase, arguments.rounds, random.Random(arguments.seed * 100 + n)) for n, phase in enumerate(PHASES)]
        threads = [threading.Thread(target=lane.run) for lane in lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for lane in lanes:
            lane.judge(tally)
        return tally.end()
    finally:
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
