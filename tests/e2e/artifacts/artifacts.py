"""What `pilothouse generate` writes, given to the programs that it is for.

promtool and amtool read every file, of several configurations, and promtool runs the unit tests of the standard
rules. A real Prometheus, with the files that were made for it, scrapes a real Pilothouse that has traffic; then
each expression of each dashboard is asked there, and once more of a copy of the page that spells `le` as
Prometheus 2 does (`1` for `1.0`). Intervals are shortened (1 s for 15 s), so that nobody waits for minutes.

No Grafana runs here. PILOTHOUSE_BIN names the binary (default target/debug/pilothouse)."""

import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "tests" / "clients"))
from gateway import Pilothouse, Process, free_port, get, post, until  # noqa: E402

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BINARY = os.environ.get("PILOTHOUSE_BIN", str(TARGET / "debug/pilothouse"))
DEPS = ROOT / ".deps/artifacts"
GOLDEN = ROOT / "crates/ph-artifacts/tests/golden"
STANDARD = ROOT / "crates/ph-rules/tests/standard"
COST = ROOT / "crates/ph-rules/tests/cost"
MODERN = "2026-07-28"
WAIT_S = 60

# Panels that may have nothing to show in front of one server that works: nothing is refused, no sink and no
# receiver is configured, and no failure has a series. Everything else has to have data.
MAY_BE_EMPTY = {
    "Refused requests", "Lag of sinks", "Entries of sinks", "Notifications",
    "Budget left", "Budget left over time", "Burn rate", "Alerts",
}


def done(command, cwd=None, code=0):
    """The output of a program that has to end with `code`."""
    ran = subprocess.run([str(word) for word in command], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    assert ran.returncode == code, f"{command}: {ran.returncode}\n{ran.stdout}"
    return ran.stdout


def generate(what, config, out, *options, code=0):
    return done([BINARY, "generate", what, "--config", config, "--out", out, *options], code=code)


def secrets_named_in(text, base):
    """Puts the files there that an operator is told to fill in."""
    for name in re.findall(r"'(secrets/[^']+)'", text):
        path = base / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("http://127.0.0.1:1/hook" if name.endswith("-url") else "x")


def files_are_what_the_programs_read(scratch):
    for config in ("small.yaml", "everything.yaml"):
        out = scratch / config
        for what in ("prometheus", "alertmanager", "grafana"):
            generate(what, GOLDEN / config, out)
        for name in ("prometheus.yml", "alertmanager.yml"):
            secrets_named_in((out / name).read_text(), out)
        said = done(["promtool", "check", "config", "prometheus.yml"], cwd=out)
        assert "SUCCESS" in said and "FAILED" not in said, said
        rules = sorted((out / "rules").glob("*.yml"))
        assert len(rules) >= 2, rules
        said = done(["promtool", "check", "rules", *rules])
        assert said.count("SUCCESS") == len(rules), said
        done(["amtool", "check-config", "alertmanager.yml"], cwd=out)
        for dashboard in (out / "dashboards").glob("*.json"):
            json.loads(dashboard.read_text())


# Grafana's types have enumerations where JSON has their words.
TYPES = """import type { Dashboard } from '@grafana/schema';
type Plain<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T
  : T extends (infer U)[] ? Plain<U>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
"""


def dashboards_are_what_grafana_says_they_are(scratch):
    """The compiler compares every field with the types that Grafana publishes."""
    out = scratch / "typed"
    generate("grafana", GOLDEN / "everything.yaml", out)
    boards = sorted((out / "dashboards").glob("*.json"))
    assert len(boards) == 4, boards
    (out / "node_modules").symlink_to(DEPS / "node_modules")
    compiler = [DEPS / "node_modules/.bin/tsc", "--noEmit", "--strict", "--skipLibCheck", "--moduleResolution", "bundler", "--module", "esnext", "--target", "es2022", "boards.ts"]

    def check(texts, code):
        lines = [f"export const board{nth}: Plain<Dashboard> = {text};" for nth, text in enumerate(texts)]
        (out / "boards.ts").write_text(TYPES + "\n".join(lines))
        return done(compiler, cwd=out, code=code)

    texts = [board.read_text() for board in boards]
    check(texts, 0)
    # The types are not so loose that anything goes.
    for good, bad in (('"schemaVersion": 42', '"schemaVersion": "42"'), ('"mode": "absolute"', '"mode": "relative"'), ('"gridPos"', '"gridpos"')):
        assert good in texts[-1], good
        assert "error TS" in check([texts[-1].replace(good, bad)], 2), bad


def unit_tests_of_the_standard_rules_pass(_):
    tests = sorted(STANDARD.glob("[A-Z]*.yml"))
    assert len(tests) >= 18, tests
    said = done(["promtool", "test", "rules", *[test.name for test in tests]], cwd=STANDARD)
    assert said.count("SUCCESS") == len(tests) and "FAILED" not in said, said
    said = done(["promtool", "test", "rules", "CostPerRequest.yml"], cwd=COST)
    assert said.count("SUCCESS") == 1 and "FAILED" not in said, said


def files_are_written_again_and_compared(scratch):
    out, config = scratch / "again", GOLDEN / "small.yaml"
    said = generate("prometheus", config, out, "--check", code=1)
    assert "prometheus.yml is missing" in said, said
    assert "written" in generate("prometheus", config, out)
    assert generate("prometheus", config, out).count("unchanged") == 3
    generate("prometheus", config, out, "--check")
    changed = scratch / "changed.yaml"
    changed.write_text(config.read_text() + "rules: {thresholds: {error_ratio: 0.5}}\n")
    said = generate("prometheus", changed, out, "--check", code=1)
    assert said.count("differs") == 1 and "pilothouse-standard.yml differs" in said, said
    assert "pilothouse-standard.yml rewritten" in generate("prometheus", changed, out)
    # What somebody else wrote stays, and nothing else is written beside it.
    (out / "prometheus.yml").write_text("global: {}\n")
    said = generate("prometheus", config, out, code=2)
    assert "--force" in said and "was not written by" in said, said
    assert "0.5" in (out / "rules/pilothouse-standard.yml").read_text()
    generate("prometheus", config, out, "--force")
    generate("prometheus", config, out, "--check")
    # A single file is printed, several are not.
    single = done([BINARY, "generate", "alertmanager", "--config", config])
    assert single.startswith("# Alertmanager"), single
    said = done([BINARY, "generate", "prometheus", "--config", config], code=2)
    assert "--out DIR" in said, said


class Old(http.server.BaseHTTPRequestHandler):
    """The page of metrics with bounds of buckets as Prometheus 2 keeps them, as another instance."""

    origin = ""

    def do_GET(self):
        status, head, text = get(f"{self.origin}/metrics", headers={"Accept": "text/plain;version=0.0.4"})
        text, count = re.subn(r'le="(\d+)\.0"', r'le="\1"', text)
        # The series of the page have to have such bounds, else this proves nothing.
        status = status if count or "_bucket" not in text else 500
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class Watched:
    """Pilothouse with traffic, and the Prometheus that was configured for it."""

    def __init__(self, scratch):
        self.stopped = threading.Event()
        self.processes = []
        self.config = scratch / "pilothouse.yaml"
        self.config.write_text(json.dumps({
            "servers": {"bench": {"command": BINARY, "args": ["workbench"], "otel": True, "health": {"interval": "1s"}}},
            "store": {"sample_interval": "500ms"},
            "rules": {"interval": "1s"},
        }))
        self.house = Pilothouse(BINARY, scratch, ["--config", str(self.config)])
        self.processes.append(self.house)
        self.house.wait("/readyz")
        self.admin = (self.house.data / "admin.addr").read_text().strip()
        threading.Thread(target=self.traffic, daemon=True).start()
        self.old = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Old)
        Old.origin = f"http://{self.admin}"
        threading.Thread(target=self.old.serve_forever, daemon=True).start()
        self.start_prometheus(scratch)

    def start_prometheus(self, scratch):
        out = scratch / "prometheus"
        generate("prometheus", self.config, out, "--target", self.admin)
        generate("grafana", self.config, out)
        port = free_port()
        self.real = f"http://127.0.0.1:{port}"
        main = out / "prometheus.yml"
        text = main.read_text()
        assert "scrape_interval: 15s" in text, text
        text = text.replace("scrape_interval: 15s", "scrape_interval: 1s\n  scrape_timeout: 1s")
        text += f"  - job_name: 'old'\n    static_configs:\n      - targets: ['127.0.0.1:{self.old.server_port}']\n"
        main.write_text(text)
        command = ["prometheus", f"--config.file={main}", f"--storage.tsdb.path={scratch / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage"]
        self.processes.append(Process(command, scratch / "prometheus.log"))
        until("a Prometheus that is ready", lambda: get(f"{self.real}/-/ready")[0] == 200, WAIT_S)
        self.dashboards = [json.loads(path.read_text()) for path in sorted((out / "dashboards").glob("*.json"))]

    def traffic(self):
        while not self.stopped.wait(0.1):
            self.call("searchFiles", {"pattern": "*.yaml", "maxResults": 3})
            self.call("fail", {"message": "man overboard"})
            self.call("searchFiles", {"pattern": "*.none"})

    def call(self, tool, arguments):
        meta = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "artifacts", "version": "1"},
        }
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments, "_meta": meta}}
        post(self.house.url, message, {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": tool})

    def ask(self, path, **params):
        status, _, body = get(f"{self.real}/api/v1/{path}?{urllib.parse.urlencode(params, doseq=True)}")
        answer = json.loads(body)
        assert status == 200 and answer["status"] == "success", f"{params}: {status} {body}"
        return answer["data"]

    def close(self):
        self.stopped.set()
        for process in reversed(self.processes):
            process.kill()
        if hasattr(self, "old"):
            self.old.shutdown()


def substituted(expr, job):
    """As Grafana does with all servers and tools chosen; a literal dollar is none of ours."""
    values = {"$__rate_interval": "10s", "$job": job, "$instance": ".+", "$server": ".+", "$tool": ".+"}
    for name, value in values.items():
        expr = expr.replace(name, value)
    assert "$" not in expr, expr
    return expr


def expressions_are_answered(watched):
    asked = 0
    # The last series to come: a histogram of what the store does, and the counts of both jobs.
    for job in ("mcp-server", "old"):
        until(f"calls of {job}", lambda: watched.ask("query", query=f'sum(rate(mcp_tool_calls_total{{job="{job}"}}[10s])) > 1')["result"], WAIT_S)
    until("a sample of processes", lambda: watched.ask("query", query='rate(mcp_server_cpu_seconds_total{job="old"}[10s])')["result"], WAIT_S)
    until("health checks", lambda: watched.ask("query", query='rate(mcp_health_check_duration_seconds_count{job="old"}[10s])')["result"], WAIT_S)
    missing = []
    for dashboard in watched.dashboards:
        for panel in dashboard["panels"]:
            for job in ("mcp-server", "old"):
                found = 0
                for target in panel.get("targets", []):
                    asked += 1
                    query = substituted(target["expr"], job)
                    result = watched.ask("query", query=query)["result"]
                    found += sum(element["value"][1] != "NaN" for element in result)
                    now = time.time()
                    watched.ask("query_range", query=query, start=now - 10, end=now, step=5)
                if panel.get("targets") and not found and panel["title"] not in MAY_BE_EMPTY:
                    missing.append(f"{dashboard['title']}: {panel['title']} ({job}): {query}")
    assert not missing, "no data:\n" + "\n".join(missing)
    assert asked > 150, asked
    print(f"{asked} expressions")


def both_spellings_say_the_same(watched):
    share = 'sum(rate(mcp_response_duration_seconds_bucket{{job="{job}", le=~"1([.]0)?"}}[10s])) / sum(rate(mcp_response_duration_seconds_count{{job="{job}"}}[10s]))'
    spelled = {}
    for job in ("mcp-server", "old"):
        spelled[job] = {one["le"] for one in watched.ask("series", **{"match[]": f'mcp_response_duration_seconds_bucket{{job="{job}"}}'})}
        value = float(watched.ask("query", query=share.format(job=job))["result"][0]["value"][1])
        assert 0 < value <= 1, value
    assert "1.0" in spelled["mcp-server"] and "1" not in spelled["mcp-server"], spelled
    assert "1" in spelled["old"] and "1.0" not in spelled["old"], spelled


def variables_have_values(watched):
    for dashboard in watched.dashboards:
        for variable in dashboard["templating"]["list"]:
            if variable["type"] != "query":
                continue
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
            values = watched.ask(f"label/{label}/values", **{"match[]": substituted(selector, ".+")})
            assert values, f"{dashboard['title']}: {variable['name']}"


def rules_run_in_prometheus(watched):
    groups = until("an evaluation of every rule", lambda: evaluated(watched), WAIT_S)
    names = {rule["name"] for group in groups for rule in group["rules"]}
    assert {"HighErrorRate", "ServerDown", "ErrorBudgetBurn"} <= names, names


def evaluated(watched):
    """The groups, once each rule of those that run often has been evaluated without error."""
    groups = watched.ask("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    bad = [rule for rule in rules if rule["health"] == "err"]
    assert not bad, bad
    often = [rule for group in groups if group["interval"] <= 15 for rule in group["rules"]]
    return groups if often and all(rule["health"] == "ok" for rule in often) else None


def main():
    began, failed = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="artifacts-") as folder:
        scratch = Path(folder)
        steps = [(files_are_what_the_programs_read, scratch), (files_are_written_again_and_compared, scratch), (dashboards_are_what_grafana_says_they_are, scratch), (unit_tests_of_the_standard_rules_pass, scratch)]
        watched = None
        try:
            watched = Watched(scratch)
            steps += [(step, watched) for step in (rules_run_in_prometheus, expressions_are_answered, both_spellings_say_the_same, variables_have_values)]
        except Exception:
            failed += 1
            traceback.print_exc()
        for step, given in steps:
            name = step.__name__.replace("_", " ")
            try:
                step(given)
                print(f"ok      {name}", flush=True)
            except Exception:
                failed += 1
                print(f"FAILED  {name}", flush=True)
                traceback.print_exc()
        if watched:
            if failed:
                print(watched.house.tail())
            watched.close()
    print(f"artifacts: {len(steps) - failed} of {len(steps)} passed in {time.monotonic() - began:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
