#!/usr/bin/env python3
"""Runs a scenario against a real Alertmanager and writes down what its webhooks said.

    capture.py OUT.json    needs `prometheus-alertmanager` (Debian's 0.25)

What comes out is a fact that ph-notify's unit tests replay through our own machine
(crates/ph-notify/tests/captured/alertmanager-0.25.json, test `as_the_real_alertmanager`).
"""
import http.server
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from datetime import datetime, timezone

AM, HOOK = 19793, 19801
CONFIG = f"""
route:
  receiver: all.hooks
  group_by: [alertname, server]
  group_wait: 1s
  group_interval: 2s
  repeat_interval: 1h
  routes:
  - matchers: ['severity="critical"', 'team=~"a|b.*"']
    receiver: crit
    group_by: ['...']
    continue: true
  - matchers: ['team!="x"', 'job="mcp-server"']
    receiver: job
    group_by: [team]
  - matchers: ['alertname="Again"']
    receiver: again
    repeat_interval: 3s
inhibit_rules:
- source_matchers: [alertname="Source"]
  target_matchers: [severity="warning"]
  equal: [server]
receivers:
- name: all.hooks
  webhook_configs: [{{url: "http://127.0.0.1:{HOOK}/all.hooks", max_alerts: 3}}]
- name: crit
  webhook_configs: [{{url: "http://127.0.0.1:{HOOK}/crit", send_resolved: false}}]
- name: job
  webhook_configs: [{{url: "http://127.0.0.1:{HOOK}/job"}}]
- name: again
  webhook_configs: [{{url: "http://127.0.0.1:{HOOK}/again"}}]
"""

now_ms = lambda: int(time.time() * 1000)


def iso(ms):
    return datetime.fromtimestamp(ms / 1000, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def alert(name, starts=None, ends=None, annotations=None, url="", **labels):
    out = {"labels": {"alertname": name, **labels}, "annotations": annotations or {}, "generatorURL": url}
    out["_starts"], out["_ends"] = starts, ends
    return out


def many(names, **more):
    return [alert(name, starts=-500, ends=600_000, **more) for name in names]


# (milliseconds from the beginning, what is posted); times of alerts are relative to their post.
odd = dict(path='C:\\dir "x"\n<b>&', name_="ü 日本 \u00a0\u2028", instance="i:1")
STEPS = [
    (0, [alert("Simple", starts=-300, ends=600_000, server="one", annotations={"summary": "s <&>"}, url="http://p/g?a=1&b=2")]),
    (300, [alert("Simple", starts=-100, ends=600_000, server="one", job="z", annotations={"summary": "s <&>", "more": "1"})]),
    (600, [alert("Odd", starts=-10, ends=600_000, **odd)]),
    # Six in one group, of which three are shown; the order of jobs and instances.
    (900, [alert("Order", starts=-10, ends=600_000, server="o", job=j, instance=i, n=str(k))
           for k, (j, i) in enumerate([("b", "2"), ("b", "1"), ("a", "9"), ("c", "0")])]
        + [alert("Order", starts=-10, ends=600_000, server="o", n=n) for n in ("5", "4")]),
    # Two routes, since the first continues.
    (1_200, [alert("Crit", starts=-10, ends=600_000, severity="critical", team="blue", job="mcp-server", server="c")]),
    (1_250, [alert("Team", starts=-10, ends=600_000, team="blue", job="mcp-server")]),
    # No times at all, and an end alone.
    (1_500, [alert("NoTimes", server="n")]),
    (1_550, [alert("OldEnd", ends=-60_000, server="e")]),
    # Comes and goes before anybody is told; comes and goes in an interval.
    (1_600, [alert("Short", starts=-10, ends=400, server="s")]),
    (1_700, [alert("Again", starts=-10, ends=600_000, server="a")]),
    # Kept quiet by another.
    (1_800, [alert("Source", starts=-10, ends=600_000, server="q"), alert("Target", starts=-5, ends=600_000, server="q", severity="warning"),
             alert("Target", starts=-5, ends=600_000, server="r", severity="warning")]),
    (2_600, {"matchers": [{"name": "alertname", "value": "Hush.*", "isRegex": True, "isEqual": True}], "_starts": -1, "_ends": 4_500}),
    (2_900, [alert("Hushed", starts=-10, ends=600_000, server="h")]),
    # One of two is over, then the other; then one comes again.
    (4_300, [alert("Simple", starts=-4_600, ends=-1, server="one", annotations={"summary": "s <&>"})]),
    (4_400, [alert("Crit", starts=-3_210, ends=-1, severity="critical", team="blue", job="mcp-server", server="c")]),
    (4_500, [alert("Source", starts=-2_710, ends=-1, server="q")]),
    (6_500, [alert("Simple", starts=-6_300, ends=-1, server="one", job="z", annotations={"summary": "s <&>"})]),
    (9_500, [alert("Simple", starts=-10, ends=600_000, server="one", annotations={"summary": "again"})]),
    (9_700, [alert("Late", starts=-60_000, ends=600_000, server="l")]),
]
END_MS = 14_000


def main(out):
    got = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            got.append({"at_ms": now_ms(), "path": self.path, "body": body})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    hook = http.server.ThreadingHTTPServer(("127.0.0.1", HOOK), Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as dir:
        open(f"{dir}/am.yml", "w").write(CONFIG)
        am = subprocess.Popen(
            ["prometheus-alertmanager", f"--config.file={dir}/am.yml", f"--storage.path={dir}/data",
             f"--web.listen-address=127.0.0.1:{AM}", "--cluster.listen-address=", "--web.external-url=http://alerts.example/am"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(100):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{AM}/am/-/ready", timeout=1)
                    break
                except OSError:
                    time.sleep(0.1)
            json.dump(play(got), open(out, "w"), indent=1, ensure_ascii=False)
        finally:
            am.terminate()
            am.wait()
    hook.shutdown()


def play(got):
    begin, steps = now_ms(), []
    for at, what in STEPS:
        time.sleep(max(0, begin + at - now_ms()) / 1000)
        base = now_ms()
        time_of = lambda ms: None if ms is None else iso(base + ms)
        if isinstance(what, dict):
            body = {k: v for k, v in what.items() if not k.startswith("_")}
            body |= {"startsAt": iso(base + what["_starts"]), "endsAt": iso(base + what["_ends"]), "createdBy": "me", "comment": "c"}
            path = "silences"
        else:
            body = []
            for one in what:
                posted = {k: v for k, v in one.items() if not k.startswith("_")}
                for key, field in (("_starts", "startsAt"), ("_ends", "endsAt")):
                    if one[key] is not None:
                        posted[field] = time_of(one[key])
                body.append(posted)
            path = "alerts"
        request = urllib.request.Request(f"http://127.0.0.1:{AM}/am/api/v2/{path}", json.dumps(body).encode(), {"content-type": "application/json"})
        before = now_ms()
        urllib.request.urlopen(request, timeout=5).read()
        steps.append({"at_ms": (before + now_ms()) // 2, "path": path, "body": body})
    time.sleep(max(0, begin + END_MS - now_ms()) / 1000)
    return {"program": "Alertmanager 0.25.0 (Debian 12)", "begin_ms": begin, "end_ms": begin + END_MS, "steps": steps, "webhooks": got}


if __name__ == "__main__":
    main(sys.argv[1])
