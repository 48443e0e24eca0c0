"""What must hold of a Pilothouse as a whole: its metrics, its paths, its end, and a server that crashes."""

import json
import subprocess
import time
from pathlib import Path

import cases
from drivers import inspector
from gateway import get, initialize, post, until
from records import RECORDS_S

PROMTOOL = cases.DEPS / "prometheus/usr/bin/promtool"


def check_metrics(house):
    """The whole run of this server: totals agree, nothing was lost, and Prometheus accepts the text."""

    def totals():
        return house.total("mcp_requests_total"), len(house.call_lines())

    until("metrics == log lines", lambda: len(set(totals())) == 1, RECORDS_S)
    assert totals()[0] > 0, "no record at all"
    assert house.total("pilothouse_call_drafts_lost_total") == 0, "lost drafts"
    assert house.total("pilothouse_records_dropped_total") == 0, "dropped records"
    up = [value for name, _, value in house.metrics() if name == "mcp_server_up"]
    assert up == [1.0], f"mcp_server_up: {up}"
    errors = [line for line in house.log_lines("error.log") if line.get("outcome") == "ok"]
    assert not errors, f"a good call in error.log: {errors[0]}"
    text = get(f"{house.origin}/metrics")[2]
    promtool = str(PROMTOOL) if PROMTOOL.exists() else "promtool"
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr.strip(), f"promtool: {done.stdout}{done.stderr}"


def check_stop(house, stdio):
    """SIGTERM with a session open: exit code 0, and no process of ours survives."""
    if stdio:
        status, headers, body = post(house.url, initialize())
        assert status == 200 and headers.get("Mcp-Session-Id"), f"initialize: {status} {body}"
        assert house.offspring(), "no child process is to be seen, so this test would show nothing"
    wrong = house.stop()
    assert not wrong, "; ".join(wrong)


def check_paths(house, entries):
    """With several servers each has its own path, and `/mcp` says which there are."""
    status, _, body = post(house.url, initialize())
    assert status == 404, f"/mcp with several servers: {status} {body}"
    missing = [name for name in entries if f"/{name}/mcp" not in body]
    assert not missing, f"/mcp does not name the paths of {missing}: {body}"


def check_kill(house):
    """SIGKILL with a session open: nobody is left to tidy up, and still no process survives."""
    status, headers, body = post(house.url, initialize())
    assert status == 200 and headers.get("Mcp-Session-Id"), f"initialize: {status} {body}"
    children = house.offspring()
    assert children, "no child process is to be seen, so this test would show nothing"
    house.child.kill()
    house.child.wait()

    def left():
        return {pid: command for pid, command in children.items() if Path(f"/proc/{pid}").exists()} | house.offspring()

    until("no child after SIGKILL", lambda: not left(), 10)


def check_shared(house, sessions):
    """So many sessions at least, one process that was there all the time, and nothing left of them."""
    started = [line["pid"] for line in house.log_lines() if line.get("event") == "child_started"]
    assert len(started) == 1, f"processes: {started}"
    seen = {line["session"] for line in house.call_lines() if line.get("session")}
    assert len(seen) >= sessions, f"{len(seen)} sessions of {sessions} clients"
    alive = [pid for pid, command in house.offspring().items() if not command.endswith("__reaper")]
    assert alive == started, f"{house.offspring()}"


def check_crash_answer(house):
    started = time.monotonic()
    status, _, body = post(house.url, initialize(7))
    took = time.monotonic() - started
    assert status in (502, 503), f"status {status}: {body}"
    assert took < 15, f"it took {took:.1f} s"
    message = json.loads(body)
    assert message["id"] == 7 and message["error"], f"no JSON-RPC error: {body}"
    assert not -32768 <= message["error"]["code"] <= -32000, f"an error code that looks like the server's: {body}"
    assert "list_resources" in body, f"the reason on the child's stderr is not in the answer: {body}"
    assert cases.SECRET not in body, f"a secret of the child's goes to the client: {body}"


def check_crash_client(driver, plan):
    started = time.monotonic()
    facts = driver.run(plan)
    assert not facts[0]["ok"] or not facts[1]["ok"], f"it worked: {facts}"
    assert time.monotonic() - started < 15, f"it took {time.monotonic() - started:.1f} s: {facts}"
    # The Rust client keeps the reason of its second try to itself.
    if (plan["client"], plan["mode"]) != ("rmcp", "auto"):
        assert "list_resources" in json.dumps(facts), f"the user of this client learns no reason: {facts}"


def check_crash_inspector(house, scratch):
    fact = inspector({"url": house.url}, "legacy", ["tools/list"], scratch)
    assert not fact["ok"], f"it worked: {fact}"
    assert "502" in fact["error"] or "503" in fact["error"] or "list_resources" in fact["error"], f"not clear: {fact}"


def check_crash_loop(house):
    assert get(f"{house.origin}/livez")[0] == 200, "Pilothouse is not alive"
    assert get(f"{house.origin}/readyz")[0] != 200, "ready with a server that never started"
    until("mcp_server_up 0", lambda: [v for n, _, v in house.metrics() if n == "mcp_server_up"] == [0.0], 15)
    assert house.total("mcp_server_restarts_total") <= 20, f"restarts: {house.total('mcp_server_restarts_total')}"
    lines = [line for line in house.log_lines("error.log") if "list_resources" in json.dumps(line)]
    assert lines, "the reason is in no line of error.log"
    assert cases.SECRET not in json.dumps(house.log_lines()), "a secret of the child's is in the log"
    until("calls recorded", lambda: house.total("mcp_requests_total") == len(house.call_lines()) > 0, RECORDS_S)
    bad = [line for line in house.call_lines() if line["outcome"] not in ("unavailable", "refused")]
    assert not bad, f"the outcome of a call to a dead server: {bad[0]}"


def check_limited(driver, plan, house, status):
    """What a limit says reaches whoever called, at once, and the session goes on."""
    started = time.monotonic()
    _, first, refused, after, *_ = driver.run(plan)
    took = time.monotonic() - started
    assert first["ok"] and after["ok"], f"a call that no limit is for: {first} {after}"
    assert not refused["ok"], f"no error: {refused}"
    # The Rust client keeps status and Retry-After of such an answer, and drops its body.
    said = "HttpStatusError { status: 429, retry_after: Some(" if (plan["client"], status) == ("rmcp", 429) else cases.LIMITED
    assert said in refused["error"], f"the user of this client does not learn why: {refused}"
    assert took < 10, f"it took {took:.1f} s: it was tried again"
    until("one refusal", lambda: house.total("mcp_rate_limited_total") == 1, RECORDS_S)


def check_ruled(driver, plan, house, status):
    """A client sees what it may call; what a rule says reaches whoever called, and the session goes on."""
    _, tools, resources, first, refused, after, *_ = driver.run(plan)
    assert sorted(tools["names"]) == ["echo", "sleep"], f"the list of tools: {tools}"
    assert resources["uris"] == [], f"the list of resources: {resources}"
    assert first["ok"] and after["ok"], f"a call that is allowed: {first} {after}"
    assert not refused["ok"], f"no error: {refused}"
    # The Rust client keeps the status of such an answer, and drops its body.
    said = "403" if (plan["client"], status) == ("rmcp", 403) else cases.FORBIDDEN
    assert said in refused["error"], f"the user of this client does not learn why: {refused}"
    until("one refusal", lambda: house.total("mcp_refused_total") == 1, RECORDS_S)
