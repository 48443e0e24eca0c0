#!/usr/bin/env python3
"""HighErrorRate, SlowResponseTime and ServerDown against MCP servers that really fail, are slow and are killed.

    tests/e2e/alerts/real/run [--keep DIR]

Pilothouse stands before three servers. What `pilothouse generate prometheus` makes is taken, except that every
minute in the rules is a second, and that scrapes are a second apart: Debian's Prometheus runs by it, and
Pilothouse evaluates the same copy of its standard rules. Each alert fires and is resolved in both within two
intervals. Both tell a real Alertmanager, whose webhook arrives, and our own webhook arrives. amtool lists the
alerts that we show, and adds and expires a silence.

The last line is `N passed, N failed`.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "rules"))
from houses import BINARY, DEBIAN, Alertmanager, Catcher, Prometheus, Tally, amtool, api, needed, raw  # noqa: E402

from gateway import Pilothouse, Process, free_port, get, post, until  # noqa: E402

INTERVAL = 1.0
APART_MAX = 2 * INTERVAL
FIRE_SECONDS_MAX = 60
MODERN = "2026-07-28"
# What is done to which server, and what has to be said about it.
TROUBLES = {"failing": "HighErrorRate", "slow": "SlowResponseTime", "killed": "ServerDown"}
CALLERS = 6


class Server(Process):
    """An MCP server that can be told to be bad."""

    def __init__(self, folder, name, port=None):
        self.port = port or free_port()
        self.folder, self.name = folder, name
        number = len(list(folder.glob(f"server-{name}-*.log")))
        super().__init__([sys.executable, str(HERE / "server.py"), str(self.port)], folder / f"server-{name}-{number}.log")
        until(f"server {name}", lambda: "listening" in self.tail(), 20)

    def mode(self, mode):
        assert get(f"http://127.0.0.1:{self.port}/mode/{mode}")[0] == 200, f"no mode {mode}"


class Callers:
    """Calls of a tool of each server, from a few threads, until it is ended."""

    def __init__(self, origin, names):
        self.ended = threading.Event()
        self.count = 0
        self.threads = [
            threading.Thread(target=self.call, args=(f"{origin}/{name}/mcp", n), daemon=True)
            for name in names
            for n in range(CALLERS)
        ]
        for thread in self.threads:
            thread.start()

    def call(self, url, number):
        meta = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "real", "version": "1"},
        }
        headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "work"}
        while not self.ended.is_set():
            params = {"name": "work", "arguments": {}, "_meta": meta}
            post(url, {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}, headers)
            self.count += 1
            # A few calls a second are enough for a share.
            self.ended.wait(0.25)

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(20)


def generated(config, folder):
    """What `pilothouse generate prometheus` makes of a configuration."""
    command = [str(BINARY), "generate", "prometheus", "--config", str(config), "--out", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"{' '.join(command[1:])}: {done.stderr}"
    return folder / "prometheus.yml", folder / "rules/pilothouse-standard.yml"


def seconds_for_minutes(rules):
    """A copy in which every minute is a second, in ranges, in `for` and in intervals; hours are minutes."""

    def smaller(match):
        return re.sub(r"(\d+)([hm])\b", lambda one: one[1] + {"h": "m", "m": "s"}[one[2]], match[0])

    return re.sub(r"\[[^\]]+\]|^ *(?:for|keep_firing_for|interval): .*$", smaller, rules, flags=re.M)


def plan(folder, servers, catcher, alertmanager, listen, **more):
    config = {
        "admin": {"listen": listen},
        "servers": {
            name: {"url": f"http://127.0.0.1:{server.port}/mcp", "health": {"interval": "1s", "timeout": "5s"}}
            for name, server in servers.items()
        },
        "store": {"sample_interval": "1s"},
        "slos": {},
        "rules": {"enabled": "always", "interval": "1s", "resend_delay": "5s", "external_labels": {"from": "pilothouse"}} | more,
        "notify": {
            "alertmanagers": [alertmanager.url],
            "receivers": {"page": {"webhook": {"url": f"{catcher.url}/own"}}},
            "route": {"group_by": ["alertname", "server"], "group_wait": "1s", "group_interval": "1s"},
        },
    }
    path = folder / "pilothouse.yaml"
    path.write_text(json.dumps(config, indent=1))
    return path


def firing(url):
    """{(alertname, server): [seconds at which it fires]}, merged over further labels."""
    found = {}
    for labels, samples in raw(url, 'ALERTS{alertstate="firing"}[5m]').items():
        labels = json.loads(labels)
        found.setdefault((labels["alertname"], labels.get("server")), set()).update(at for at, _ in samples)
    return {labels: sorted(times) for labels, times in found.items()}


def is_firing(url, alert, server):
    query = f'ALERTS{{alertstate="firing",alertname="{alert}",server="{server}"}}'
    return bool(api(url, "query", query=query)["result"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", help="a folder to work in and to leave as it is")
    arguments = parser.parse_args()
    needed(*DEBIAN)
    folder = Path(arguments.keep or tempfile.mkdtemp(prefix="ph-alerts-real-"))
    folder.mkdir(exist_ok=True)
    tally, started = Tally(), []
    try:
        run(tally, folder, started)
        return tally.end()
    finally:
        for one in reversed(started):
            one.kill() if isinstance(one, Process) else one.stop()
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)


def run(tally, folder, started):
    def begin(one):
        started.append(one)
        return one

    catcher = begin(Catcher())
    servers = {name: begin(Server(folder, name)) for name in TROUBLES}
    hook = [{"url": f"{catcher.url}/alertmanager", "send_resolved": True}]
    alertmanager = begin(
        Alertmanager(
            folder,
            {
                "route": {"receiver": "hook", "group_by": ["alertname", "server", "from"], "group_wait": "1s", "group_interval": "1s"},
                "receivers": [{"name": "hook", "webhook_configs": hook}],
            },
        )
    ).ready()
    listen = f"127.0.0.1:{free_port()}"
    config = plan(folder, servers, catcher, alertmanager, listen)
    prometheus_yml, rules = generated(config, folder / "generated")
    rules.write_text(seconds_for_minutes(rules.read_text()))
    # Every second, and told apart from ours; the rest is as generated.
    text = prometheus_yml.read_text().replace("scrape_interval: 15s", "scrape_interval: 1s\n  scrape_timeout: 1s")
    prometheus_yml.write_text(text.replace("from: 'pilothouse'", "from: 'prometheus'"))
    plan(folder, servers, catcher, alertmanager, listen, standard=False, files=[str(rules)])
    house = begin(Pilothouse(BINARY, folder, ["--config", str(config), "--admin", listen]))
    house.wait("/livez")
    ours = f"http://{listen}"
    prometheus = begin(Prometheus(folder, prometheus_yml, ["--rules.alert.resend-delay=5s"])).ready()
    callers = Callers(house.origin, TROUBLES)
    try:
        # The windows are full of good calls.
        time.sleep(8)
        for url in (ours, prometheus.url):
            tally.check(not [one for one in firing(url) if one[0] in TROUBLES.values()], "nothing fires before anything is wrong")
        servers["failing"].mode("fail")
        servers["slow"].mode("slow")
        servers["killed"].kill()
        for name, alert in TROUBLES.items():
            for where, url in (("we", ours), ("Prometheus", prometheus.url)):
                until(f"{where}: {alert} of {name} fires", lambda: is_firing(url, alert, name), FIRE_SECONDS_MAX)
        amtool_works(tally, ours, catcher)
        servers["failing"].mode("ok")
        servers["slow"].mode("ok")
        servers["killed"] = begin(Server(folder, "killed", servers["killed"].port))
        for name, alert in TROUBLES.items():
            for where, url in (("we", ours), ("Prometheus", prometheus.url)):
                until(f"{where}: {alert} of {name} ends", lambda: not is_firing(url, alert, name), FIRE_SECONDS_MAX)
        alike(tally, firing(ours), firing(prometheus.url))
        arrived(tally, catcher)
    finally:
        callers.end()
    print(f"ok      {callers.count} calls")
    wrong = house.stop()
    tally.check(not wrong, f"it stops: {wrong}")


def alike(tally, ours, theirs):
    for name, alert in TROUBLES.items():
        one, other = ours.get((alert, name)), theirs.get((alert, name))
        if not tally.check(one and other, f"{alert} of {name} fired in both: {bool(one)} {bool(other)}"):
            continue
        begun, ended = abs(one[0] - other[0]), abs(one[-1] - other[-1])
        tally.check(begun <= APART_MAX and ended <= APART_MAX, f"{alert}: began {begun:.2f} s and ended {ended:.2f} s apart") and print(
            f"ok      {alert}: began {begun:.2f} s and ended {ended:.2f} s apart, fired {other[-1] - other[0]:.0f} s"
        )
    # Calls to a server that is gone end with 502.
    expected = {(alert, name) for name, alert in TROUBLES.items()} | {("HighErrorRate", "killed")}
    others = {one for one in ours.keys() | theirs.keys() if one[0] in TROUBLES.values()} - expected
    tally.check(not others, f"these fired as well: {others}")


def arrived(tally, catcher):
    """Both webhooks said of every alert that it fires and that it is over; Alertmanager's for both sources."""
    wanted = {("/own", alert, name, "pilothouse") for name, alert in TROUBLES.items()}
    wanted |= {("/alertmanager", alert, name, source) for name, alert in TROUBLES.items() for source in ("pilothouse", "prometheus")}

    def said():
        found = {}
        for path in ("/own", "/alertmanager"):
            for _, _, body in catcher.bodies(path):
                for alert in body["alerts"]:
                    labels = alert["labels"]
                    place = (path, labels["alertname"], labels.get("server"), labels.get("from"))
                    found.setdefault(place, []).append(alert["status"])
        return found

    def missing():
        found = said()
        return sorted(one for one in wanted if {"firing", "resolved"} - set(found.get(one, ())))

    deadline = time.monotonic() + 30
    while (left := missing()) and time.monotonic() < deadline:
        time.sleep(0.1)
    tally.check(not left, f"did not arrive as firing and as resolved: {left}") and print(
        f"ok      {len(wanted)} alerts arrived as firing and as resolved: from us, and from Alertmanager for us and for Prometheus"
    )
    for path in ("/own", "/alertmanager"):
        for _, _, body in catcher.bodies(path):
            for alert in body["alerts"]:
                if alert["labels"]["alertname"] in TROUBLES.values():
                    notes = alert["annotations"]
                    good = {"summary", "description", "runbook_url"} <= notes.keys() and "<error" not in json.dumps(notes)
                    if not good:
                        tally.check(False, f"annotations of {path}: {notes}")
                        return
    tally.check(True, "annotations")


def amtool_works(tally, ours, catcher):
    def shown():
        code, out, said = amtool(ours, "alert", "query", "--output=json")
        assert code == 0, f"amtool alert query: {said}"
        return json.loads(out)

    for name, alert in TROUBLES.items():
        found = [one for one in shown() if one["labels"]["alertname"] == alert and one["labels"].get("server") == name]
        tally.check(len(found) == 1 and found[0]["status"]["state"] == "active", f"amtool lists {alert}: {found}")
    code, out, said = amtool(ours, "silence", "add", "--author=me", "--comment=known", "--duration=10m", "alertname=ServerDown", "server=killed")
    if not tally.check(code == 0, f"amtool silence add: {said}"):
        return
    name = out.strip()
    code, out, said = amtool(ours, "silence", "query", "--output=json")
    listed = json.loads(out) if code == 0 else []
    tally.check([one["id"] for one in listed] == [name], f"amtool silence query: {out}{said}")
    state = lambda: [one["status"] for one in silenced(ours) if one["labels"]["alertname"] == "ServerDown"]  # noqa: E731
    until("ServerDown is suppressed", lambda: [one["silencedBy"] for one in state()] == [[name]], 10)
    code, _, said = amtool(ours, "silence", "expire", name)
    tally.check(code == 0, f"amtool silence expire: {said}")
    until("ServerDown is active again", lambda: [one["state"] for one in state()] == ["active"], 10)
    code, out, _ = amtool(ours, "silence", "query", "--output=json")
    tally.check(code == 0 and json.loads(out) == [], f"an expired silence is no longer listed: {out}")
    for words in (("silence", "query", "--expired"), ("config", "show"), ("alert", "query", "-o", "extended")):
        code, out, said = amtool(ours, *words)
        tally.check(code == 0 and out.strip(), f"amtool {' '.join(words)}: {code} {out}{said}")
    print("ok      amtool lists alerts, adds, lists and expires a silence")


def silenced(ours):
    code, out, said = amtool(ours, "alert", "query", "--output=json", "--silenced", "--active")
    if code != 0:
        code, out, said = amtool(ours, "alert", "query", "--output=json", "-s", "-a")
    assert code == 0, said
    return json.loads(out)


if __name__ == "__main__":
    sys.exit(main())
