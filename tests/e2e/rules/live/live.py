#!/usr/bin/env python3
"""The same pages of metrics and rule files to Debian's Prometheus with Alertmanager and to Pilothouse, live.

    tests/e2e/rules/live/run [--seed N] [--keep DIR] [--without-pilothouse]

For a minute both scrape one exporter of scenarios (scenes.py) every second, each at moments of its own, and
evaluate every second. In that minute a target goes and comes, the rule files change, and both evaluators are
restarted. Then:

- states: the series ALERTS of both have the same beginnings and ends, within two intervals;
- webhooks: what Alertmanager and we sent agrees in alerts, labels, annotations, status and grouping;
- ticks: our engine is given the samples that Prometheus scraped and the times at which it evaluated, and every
  sample of ALERTS, ALERTS_FOR_STATE and of recording rules is the same, markers of staleness included.

The last line is `N passed, N failed`.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import agree  # noqa: E402
import replay  # noqa: E402
import scenes  # noqa: E402
from houses import BINARY, DEBIAN, Alertmanager, Catcher, Prometheus, Quiet, Tally, admin, api, needed, raw  # noqa: E402

from gateway import Pilothouse, free_port, until  # noqa: E402

SITE = {"site": "lab"}
ROUTE = {"group_by": ["alertname", "team"], "group_wait": "1s", "group_interval": "2s", "repeat_interval": "4h"}
PHASES = "{__name__=~'tick:.*|up'}[1m]"
APART_MS_MIN = 40
ATTEMPTS_MAX = 2
INHIBIT = {"source_matchers": ['role="source"'], "target_matchers": ['role="target"'], "equal": ["scene"]}


class Exporter:
    """Two pages of the scenarios on ports of their own; `fragile` can go away and come back."""

    def __init__(self, made):
        self.made = made
        self.began = None
        self.ports, self.servers = {}, {}
        self.scrapes = {"steady": [], "fragile": []}
        for name in self.scrapes:
            self.open(name)

    def open(self, name):
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                now = time.time()
                exporter.scrapes[name].append((now, self.headers.get("User-Agent", "")))
                # Before the beginning it is as at the beginning, when nothing fires.
                t = max(0.0, now - exporter.began) if exporter.began else 0.0
                body = scenes.page(exporter.made, name, t).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = Quiet(("127.0.0.1", self.ports.get(name, 0)), Handler)
        self.ports[name], self.servers[name] = server.server_address[1], server
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def first_scrape(self, since, agent):
        """The time of the first scrape by one of the evaluators."""
        found = [t for t, by in self.scrapes["steady"] if t > since and agent in by]
        return min(found, default=None)

    def missed(self, at):
        """Pauses between the scrapes of either evaluator."""
        count = 0
        for agent in ("Prometheus", "ilothouse"):
            times = [t for t, by in self.scrapes["steady"] if agent in by]
            count += sum(late(one, other, at) for one, other in zip(times, times[1:]))
        return count

    def close(self, name):
        self.servers[name].shutdown()
        self.servers[name].server_close()


class Theirs:
    """Prometheus, which tells Alertmanager, which tells the catcher."""

    def __init__(self, folder, exporter, catcher):
        self.folder = folder / "theirs"
        self.folder.mkdir()
        self.exporter = exporter
        self.port = free_port()
        routes = [
            {"matchers": ['severity="critical"'], "receiver": "pager", "continue": True},
            {"matchers": ['alertname=~".+"'], "receiver": "default"},
        ]
        hook = lambda path: [{"url": f"{catcher.url}/theirs/{path}", "send_resolved": True}]  # noqa: E731
        self.alertmanager = Alertmanager(
            self.folder,
            {
                "route": {"receiver": "default", "routes": routes} | ROUTE,
                "receivers": [{"name": name, "webhook_configs": hook(name)} for name in ("default", "pager")],
                "inhibit_rules": [INHIBIT],
            },
        ).ready()
        self.server = None

    def rules(self, text):
        (self.folder / "rules.yml").write_text(text)

    def config(self):
        jobs = [
            {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
            for name, port in self.exporter.ports.items()
        ]
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s", "external_labels": SITE},
            "rule_files": ["rules.yml"],
            "scrape_configs": jobs,
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{self.alertmanager.port}"]}]}]},
        }
        path = self.folder / "prometheus.json"
        path.write_text(json.dumps(config, indent=1))
        return path

    def good_phases(self):
        """Names of groups that are evaluated well between scrapes, by the group of the scenarios.

        When in a second Prometheus scrapes and evaluates depends on names only. Ranges are N.5 s, so samples
        lie on no edge of a range, and are stored well before a tick, when their distance is neither 0 nor 0.5 s.
        """
        names = [f"{group}-{n}" for group in scenes.GROUPS for n in range(12)]
        lines = ["groups:"]
        for name in names:
            lines += [f"  - name: {name}", "    rules:", f"      - {{record: 'tick:{name.replace('-', '_')}', expr: vector(1)}}"]
        self.rules("\n".join(lines) + "\n")
        self.start()
        try:
            wanted = len(names) + 2
            seen = until("a tick of every group", lambda: len(found := raw(self.url(), PHASES)) == wanted and found, 20)
        finally:
            self.server.end()
        (self.folder / "tsdb").rename(self.folder / "tsdb-of-phases")
        last = {json.loads(labels)["__name__"] + json.loads(labels).get("job", ""): round(samples[-1][0] * 1000) for labels, samples in seen.items()}
        scraped = [at for name, at in last.items() if name.startswith("up")]

        def distance(name):
            ticked = last["tick:" + name.replace("-", "_")]
            return min(min((ticked - at) % 500, (at - ticked) % 500) for at in scraped)

        chosen = {group: max((name for name in names if name.startswith(group + "-")), key=distance) for group in scenes.GROUPS}
        least = min(map(distance, chosen.values()))
        print(f"scrapes and ticks are at least {least} ms apart")
        assert least >= APART_MS_MIN, "no group between the scrapes"
        return chosen

    def start(self):
        self.server = Prometheus(self.folder, self.config(), ["--rules.alert.resend-delay=5s"], self.port).ready()

    def knows_whom_to_tell(self):
        return self.server.api("alertmanagers")["activeAlertmanagers"]

    def reload(self):
        self.server.reload()

    def restart_begins(self):
        self.server.end()

    def url(self):
        return self.server.url

    def end(self):
        if self.server:
            self.server.kill()
        self.alertmanager.kill()


class Ours:
    def __init__(self, folder, exporter, catcher):
        self.folder = folder / "ours"
        self.folder.mkdir()
        self.exporter = exporter
        self.catcher = catcher
        self.server = None
        self.data = self.folder / "data"

    def rules(self, text):
        # In one step: it watches the file.
        new = self.folder / "rules.new"
        new.write_text(text)
        new.rename(self.folder / "rules.yml")

    def config(self):
        hook = lambda path: {"webhook": {"url": f"{self.catcher.url}/ours/{path}"}, "send_resolved": True}  # noqa: E731
        routes = [
            {"matchers": ['severity="critical"'], "receiver": "pager", "continue": True},
            {"matchers": ['alertname=~".+"'], "receiver": "default"},
        ]
        config = {
            "servers": {"bench": {"command": str(BINARY), "args": ["workbench"], "cwd": str(self.folder)}},
            "store": {"sample_interval": "1s"},
            "scrape": {
                name: {"urls": [f"http://127.0.0.1:{port}/metrics"], "interval": "1s", "timeout": "1s"}
                for name, port in self.exporter.ports.items()
            },
            "slos": {},
            "rules": {
                "enabled": "always",
                "standard": False,
                "files": ["rules.yml"],
                "interval": "1s",
                "external_labels": SITE,
                "resend_delay": "5s",
            },
            "notify": {
                "receivers": {name: hook(name) for name in ("default", "pager")},
                "route": {"receiver": "default", "routes": routes} | ROUTE,
                "inhibit": [INHIBIT],
            },
        }
        path = self.folder / "pilothouse.yaml"
        path.write_text(json.dumps(config, indent=1))
        return path

    def start(self):
        self.server = Pilothouse(BINARY, self.folder, ["--config", str(self.config())], data=self.data)
        self.server.wait("/livez")
        self.admin = admin(self.server)

    def reload(self):
        os.kill(self.server.child.pid, signal.SIGHUP)

    def restart_begins(self):
        self.server.stop()
        (self.data / "admin.addr").unlink(missing_ok=True)

    def url(self):
        return self.admin

    def end(self):
        if self.server:
            self.server.kill()


def wait_until(exporter, t):
    # The scenario is a matter of the clock.
    time.sleep(max(0.0, exporter.began + t - time.time()))


def play(exporter, catcher, sides, made, groups):
    """The minute; the times, in Unix seconds, at which evaluators were told of changes."""
    both(sides, lambda side: side.start())
    for side in sides:
        until("groups that have learnt what was", lambda: ticked(side) >= 4, 60)
    until("Prometheus knows Alertmanager", sides[0].knows_whom_to_tell, 60)
    # Before the first scrape something is absent, and that may have been told.
    for side in sides:
        until("nothing fires", lambda: not api(side.url(), "query", query="ALERTS")["result"], 60)
    time.sleep(2 * seconds(ROUTE["group_interval"]))
    catcher.caught.clear()
    halfway_between_ticks(sides[0], groups["scenes-reload"])
    exporter.began = time.time()
    at = {"began": exporter.began}
    wait_until(exporter, scenes.FRAGILE_DOWN[0])
    exporter.close("fragile")
    wait_until(exporter, scenes.FRAGILE_DOWN[1])
    exporter.open("fragile")
    wait_until(exporter, scenes.RELOAD)
    for side in sides:
        side.rules(scenes.rule_file(made, True, groups))
    at["reload"] = time.time()
    both(sides, lambda side: side.reload())
    wait_until(exporter, scenes.RESTART[0])
    away_from_ticks(sides[0], groups)
    at["stop"] = time.time()
    both(sides, lambda side: side.restart_begins())
    wait_until(exporter, scenes.RESTART[1])
    at["start"] = time.time()
    both(sides, lambda side: side.start())
    wait_until(exporter, scenes.END)
    at["end"] = time.time()
    at["scraped"] = [exporter.first_scrape(at["start"], agent) for agent in ("Prometheus", "ilothouse")]
    return at


def seconds(text):
    return float(text.removesuffix("s"))


def ticked(side):
    """Ticks of the group that has had the fewest."""
    found = raw(side.url(), "{__name__=~'tick:.*'}[1m]")
    return min(map(len, found.values())) if len(found) == len(scenes.GROUPS) else 0


def halfway_between_ticks(side, group):
    """Waits until then. The reload is whole seconds after it, so there is no doubt which ticks come after it."""
    last = max(t for _, samples in last_ticks(side, group) for t, _ in samples)
    time.sleep((last + 0.5 - time.time()) % 1)


def away_from_ticks(side, groups):
    """Waits for the longest pause between any two groups' ticks, and most of it: a stop within a tick takes half of it away."""
    phases = sorted(t % 1 for group in groups.values() for _, samples in last_ticks(side, group) for t, _ in samples[-1:])
    pauses = [((after - before) % 1 or 1, before) for before, after in zip(phases, phases[1:] + phases[:1])]
    longest, begin = max(pauses)
    time.sleep((begin + 0.7 * longest - time.time()) % 1)


def last_ticks(side, group):
    return raw(side.url(), f"tick:{group.replace('-', '_')}[5s]").items()


def both(sides, act):
    """On all sides at the same time; the first failure is ours, too."""
    failures = []

    def guarded(side):
        try:
            act(side)
        except Exception as failure:  # noqa: BLE001 - it is raised below
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(side,)) for side in sides]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--keep", help="a folder to work in and to leave as it is")
    parser.add_argument("--without-pilothouse", action="store_true", help="Prometheus and the exact part only")
    arguments = parser.parse_args()
    needed(*DEBIAN)
    folder = Path(arguments.keep or tempfile.mkdtemp(prefix="ph-rules-live-"))
    folder.mkdir(exist_ok=True)
    made = scenes.make(arguments.seed)
    try:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            place = folder / str(attempt)
            place.mkdir()
            tally = Tally()
            pauses = run(tally, place, made, arguments)
            code = tally.end()
            if code == 0 or not pauses or attempt == ATTEMPTS_MAX:
                return code
            # Evaluators that miss ticks cannot be compared tick by tick; that is the machine's fault and not theirs.
            print(f"{pauses} ticks or scrapes were missed or late: the machine is too busy, once more")
    finally:
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)


def run(tally, folder, made, arguments):
    """One minute and what comes of it; how many ticks and scrapes were missed or late."""
    catcher, exporter, sides = Catcher(), Exporter(made), []
    try:
        theirs = Theirs(folder, exporter, catcher)
        sides.append(theirs)
        ours = None
        if not arguments.without_pilothouse:
            ours = Ours(folder, exporter, catcher)
            sides.append(ours)
        groups = theirs.good_phases()
        for side in sides:
            side.rules(scenes.rule_file(made, False, groups))
        at = play(exporter, catcher, sides, made, groups)
        series = {side: raw(side.url(), "{__name__=~'ALERTS.*|tick:.*'}[3m]") for side in sides}
        slow = [v for values in raw(theirs.url(), "scrape_duration_seconds[3m]").values() for _, v in values if v > APART_MS_MIN / 1000]
        (folder / "caught.json").write_text(json.dumps(catcher.caught))
        (folder / "at.json").write_text(json.dumps(at | {"groups": groups}))
        for name, side in (("theirs", theirs), ("ours", ours)):
            if side:
                (folder / f"{name}.json").write_text(json.dumps(series[side]))
        theirs.server.end()
        print(f"seed {arguments.seed}: {len(made)} scenarios, {len(groups)} groups")
        if ours:
            agree.states(tally, series[theirs], series[ours], exporter.began, at)
            agree.webhooks(tally, catcher, exporter.began)
        files = [(exporter.began - 60, scenes.rule_file(made, False, groups)), (at["reload"], scenes.rule_file(made, True, groups))]
        replay.compare(tally, folder / "theirs", groups.values(), files, at)
        return missed(series.values(), at) + exporter.missed(at) + len(slow)
    finally:
        for side in sides:
            side.end()
        catcher.stop()
        for server in exporter.servers.values():
            server.shutdown()
            server.server_close()


def missed(sides, at):
    """Pauses of a group's ticks, the restart left out."""
    count = 0
    for series in sides:
        for labels, samples in series.items():
            times = [t for t, _ in samples if '"tick:' in labels]
            count += sum(late(one, other, at) for one, other in zip(times, times[1:]))
    return count


def late(one, other, at):
    return other - one > 1.5 and other > at["began"] and not at["stop"] - 2 < other < at["start"] + 9


if __name__ == "__main__":
    sys.exit(main())
