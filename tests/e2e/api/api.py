"""Official clients of others drive the admin API: they must not notice that it is not what they were made for.

`prometheus-api-client` asks for numbers, the exporters of OpenTelemetry's SDK send spans and log records, and
a real Prometheus scrapes Pilothouse and is asked the same questions. No Grafana runs here: what it asks a
Prometheus for is asked by hand (`grafana` below), with the parameters it is known to send.

PILOTHOUSE_BIN names the binary (default target/debug/pilothouse)."""

import json
import logging
import math
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

import openapi_spec_validator
from jsonschema import Draft202012Validator
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_api_client import PrometheusApiClientException, PrometheusConnect

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "clients"))
from gateway import Pilothouse, Process, free_port, get, post, until  # noqa: E402

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parents[2] / "target"))
BINARY = os.environ.get("PILOTHOUSE_BIN", str(TARGET / "debug/pilothouse"))
MODERN = "2026-07-28"
WAIT_S = 20
# Both sides sample often, so that the test need not wait for minutes.
SAMPLE = "500ms"


def api(url, path, params=None, form=False):
    """(status, JSON) of a question, in the address or as a form."""
    text = urllib.parse.urlencode(params or {}, doseq=True)
    if form:
        head = {"Content-Type": "application/x-www-form-urlencoded"}
        status, _, body = get(f"{url}{path}", text.encode(), head)
    else:
        status, _, body = get(f"{url}{path}?{text}")
    return status, json.loads(body)


def vector(url, query, at):
    """{labels: value} of an instant query; labels that differ by who asked are left out."""
    status, answer = api(url, "/api/v1/query", {"query": query, "time": at})
    assert status == 200, f"{query}: {status} {answer}"
    data = answer["data"]
    if data["resultType"] == "scalar":
        return {(): float(data["result"][1])}
    found = {}
    for element in data["result"]:
        labels = {name: value for name, value in element["metric"].items() if name not in ("job", "instance")}
        found[tuple(sorted(labels.items()))] = float(element["value"][1])
    return found


def same(one, other):
    if one.keys() != other.keys():
        return False
    return all(math.isclose(one[key], other[key], rel_tol=1e-9) or one[key] == other[key] or (math.isnan(one[key]) and math.isnan(other[key])) for key in one)


class Bench:
    """Pilothouse in front of its workbench, its admin address, and a Prometheus that scrapes it."""

    def __init__(self, scratch):
        harbour = scratch / "harbour"
        harbour.mkdir()
        for name in ("north.chart", "south.chart", "crew.txt"):
            (harbour / name).write_text(name)
        # The same rules for both: one that is never active, and one that always gives a value.
        self.rules = scratch / "same.rules.yml"
        self.rules.write_text(json.dumps({"groups": [{"name": "same", "interval": SAMPLE, "rules": [
            {"alert": "Never", "expr": "up == 2", "for": "1m", "labels": {"severity": "info"}, "annotations": {"summary": "never"}},
            {"record": "job:up:sum", "expr": "sum by (job) (up)"},
        ]}]}))
        config = scratch / "pilothouse.yaml"
        config.write_text(json.dumps({
            "rules": {"standard": False, "files": [self.rules.name]},
            "slos": {},
            "servers": {"bench": {"command": BINARY, "args": ["workbench"], "cwd": str(harbour), "otel": True}},
            "store": {"sample_interval": SAMPLE},
        }))
        self.house = Pilothouse(BINARY, scratch, ["--config", str(config)])
        self.prometheus = None
        try:
            self.house.wait("/readyz")
            # Programs find the admin listener by this file.
            address = (self.house.data / "admin.addr").read_text().strip()
            self.admin = f"http://{address}"
            self.start_prometheus(scratch, address)
        except AssertionError:
            self.close()
            raise

    def start_prometheus(self, scratch, address):
        port = free_port()
        self.real = f"http://127.0.0.1:{port}"
        config = scratch / "prometheus.yml"
        config.write_text(json.dumps({
            "global": {"scrape_interval": SAMPLE, "scrape_timeout": SAMPLE},
            "rule_files": [str(self.rules)],
            "scrape_configs": [{"job_name": "mcp-server", "static_configs": [{"targets": [address]}]}],
        }))
        command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={scratch / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}"]
        self.prometheus = Process(command, scratch / "prometheus.log")
        until("a Prometheus that is ready", lambda: get(f"{self.real}/-/ready")[0] == 200, WAIT_S)

    def close(self):
        self.house.kill()
        if self.prometheus:
            self.prometheus.kill()

    def call(self, tool, arguments, traceparent=None):
        meta = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "api", "version": "1"},
            **({"traceparent": traceparent} if traceparent else {}),
        }
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments, "_meta": meta}}
        head = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": tool}
        status, _, body = post(self.house.url, message, head)
        assert status == 200, f"{tool}: {status} {body}"

    def traffic(self):
        """Some calls, and then quiet until both sides have seen all of them."""
        for nth in range(20):
            self.call("searchFiles", {"pattern": "*.chart", "maxResults": 2 + nth % 3})
        for _ in range(3):
            self.call("fail", {"message": "man overboard"})
        wanted = 'sum(mcp_tool_calls_total{tool=~"searchFiles|fail"})'
        for url in (self.admin, self.real):
            until(f"23 calls at {url}", lambda: vector(url, wanted, time.time()) == {(): 23.0}, WAIT_S)

    def store(self, path, **params):
        status, answer = api(self.admin, f"/api/pilothouse/{path}", params)
        assert status == 200, f"{path}: {status} {answer}"
        return answer


def official_prometheus_client(bench):
    client = PrometheusConnect(url=bench.admin)
    assert client.check_prometheus_connection()
    names = client.all_metrics()
    assert "mcp_tool_calls_total" in names and "up" in names, names
    assert {"server", "tool", "le"} <= set(client.get_label_names()), client.get_label_names()
    assert client.get_label_values("server") == ["bench"], client.get_label_values("server")
    now = datetime.now(timezone.utc)
    series = client.get_series(now - timedelta(hours=1), now, params={"match[]": "mcp_tool_calls_total"})
    assert {one["tool"] for one in series} >= {"searchFiles", "fail"}, series
    about = client.get_metric_metadata("mcp_tool_calls_total")
    assert about and about[0]["type"] == "counter", about
    (value,) = client.custom_query('sum by (server) (mcp_tool_calls_total{tool="searchFiles"})')
    assert value["metric"] == {"server": "bench"} and value["value"][1] == "20", value
    values = client.get_current_metric_value("mcp_tool_calls_total", {"tool": "fail"})
    assert [one["value"][1] for one in values] == ["3"], values
    (line,) = client.custom_query_range("sum(mcp_tool_calls_total)", now - timedelta(minutes=5), now, "5s")
    assert len(line["values"]) >= 1, line
    ranges = client.get_metric_range_data("up", start_time=now - timedelta(minutes=1), end_time=now)
    assert ranges and all(value == "1" for _, value in ranges[0]["values"]), ranges
    try:
        client.custom_query("sum(")
    except PrometheusApiClientException as error:
        assert "HTTP Status Code 400" in str(error) and "parse error" in str(error), error
    else:
        raise AssertionError("a broken query was answered")


def real_prometheus_scrapes(bench):
    """`promtool check metrics` has nothing to say, every scrape succeeds, and both sides know the same series."""
    status, _, text = get(f"{bench.admin}/metrics")
    assert status == 200, status
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
    assert checked.returncode == 0 and not checked.stderr.strip(), checked.stderr
    assert vector(bench.real, "min_over_time(up[1m])", time.time()) == {(("__name__", "up"),): 1.0} or \
        vector(bench.real, "min_over_time(up[1m])", time.time()) == {(): 1.0}
    names = 'group by (__name__) ({__name__=~"mcp_.*"})'
    ours, theirs = (vector(url, names, time.time()) for url in (bench.admin, bench.real))
    assert ours.keys() == theirs.keys(), f"only ours {ours.keys() - theirs.keys()}, only theirs {theirs.keys() - ours.keys()}"


# Of numbers that stand still once the traffic is over: each side samples at its own times.
QUERIES = [
    "sum by (tool, outcome) (mcp_tool_calls_total)",
    "mcp_requests_total",
    'sum by (status) (mcp_requests_total{method="tools/call"})',
    'histogram_quantile(0.9, sum by (le) (mcp_response_duration_seconds_bucket{tool="searchFiles"}))',
    "mcp_response_duration_seconds_sum / mcp_response_duration_seconds_count",
    'sum(mcp_tool_calls_total{outcome="tool_error"}) / sum(mcp_tool_calls_total)',
    "topk(1, sum by (tool) (mcp_tool_calls_total))",
    'count({__name__=~"mcp_.*_bucket"})',
    "mcp_tool_calls_total > bool 5",
    'label_replace(mcp_tool_calls_total, "kind", "$1", "tool", "(.).*")',
    "sum by (server) (mcp_tool_calls_total) and on (server) sum by (server) (mcp_requests_total)",
    "sum without (le) (mcp_request_size_bytes_bucket)",
    "max_over_time(sum(mcp_tool_calls_total)[5s:1s])",
    'absent(mcp_tool_calls_total{tool="nobody"})',
    "scalar(sum(mcp_tool_calls_total)) * 2",
    "vector(1) + 1",
]


def same_answers(bench):
    """The numbers stand still, so what differs only because a side had not sampled yet agrees soon."""
    wrong = []
    for query in QUERIES:
        both = []

        def agree():
            at = time.time()
            both[:] = [vector(url, query, at) for url in (bench.admin, bench.real)]
            return both[1] and same(*both)

        try:
            until(query, agree, WAIT_S / 4)
        except AssertionError:
            wrong.append(f"{query}\n    ours   {both[0]}\n    theirs {both[1]}")
    assert not wrong, "\n  ".join(wrong)


def same_errors(bench):
    """What is wrong with a request is called the same, with the same status."""
    wrong = []
    now = time.time()
    # Without match[], /series is refused by both; Prometheus's other texts differ between versions.
    for path, params in [
        ("/api/v1/query", {}),
        ("/api/v1/query", {"query": "sum("}),
        ("/api/v1/query", {"query": "up", "time": "yesterday"}),
        ("/api/v1/query", {"query": "up", "timeout": "soon"}),
        ("/api/v1/query", {"query": "rate(up)"}),
        ("/api/v1/query", {"query": "mcp_tool_calls_total * on (server) mcp_tool_calls_total"}),
        ("/api/v1/query_range", {"query": "up", "start": now, "end": now - 1, "step": 1}),
        ("/api/v1/query_range", {"query": "up", "start": now - 1, "end": now, "step": 0}),
        ("/api/v1/query_range", {"query": "up", "start": now - 1, "end": now, "step": "x"}),
        ("/api/v1/query_range", {"query": "up", "start": 0, "end": now, "step": 1}),
        ("/api/v1/query_range", {"query": "up[5m]", "start": now - 1, "end": now, "step": 1}),
        ("/api/v1/query_range", {"query": "up", "end": now, "step": 1}),
        ("/api/v1/series", {}),
        ("/api/v1/series", {"match[]": "up["}),
        ("/api/v1/series", {"match[]": '{job=""}'}),
        ("/api/v1/labels", {"start": "x"}),
        ("/api/v1/label/job/values", {"match[]": "sum(up)"}),
        ("/api/v1/query_exemplars", {"query": "up(", "start": now - 1, "end": now}),
        ("/api/v1/format_query", {"query": "sum("}),
    ]:
        ours, theirs = (api(url, path, params) for url in (bench.admin, bench.real))
        named = [(status, answer["status"], answer["errorType"]) for status, answer in (ours, theirs)]
        if named[0] != named[1]:
            wrong.append(f"{path} {params}: {ours}, but Prometheus {theirs}")
    assert not wrong, "\n  ".join(wrong)


def same_shapes(bench):
    """Answers of the same kind have the same members, of the same types."""

    def shape(value):
        if isinstance(value, dict):
            return {name: shape(inner) for name, inner in sorted(value.items())}
        if isinstance(value, list):
            return [shape(value[0])] if value and isinstance(value[0], (dict, list)) else [type(one).__name__ for one in value[:2]]
        return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__

    wrong = []
    now = time.time()
    one = {"query": 'sum by (server) (mcp_tool_calls_total{tool="fail"})'}
    for path, params, form in [
        ("/api/v1/query", one, True),
        ("/api/v1/query", {"query": "1"}, False),
        ("/api/v1/query", {"query": "'text'"}, False),
        ("/api/v1/query", {"query": 'sum by (server) (mcp_tool_calls_total{tool="nobody"})'}, False),
        ("/api/v1/query_range", one | {"start": now - 5, "end": now, "step": "1s"}, True),
        ("/api/v1/labels", {"match[]": "up"}, True),
        ("/api/v1/label/server/values", {}, False),
        ("/api/v1/metadata", {"metric": "mcp_active_connections"}, False),
        ("/api/v1/format_query", {"query": "sum(up)by(job)"}, True),
        ("/api/v1/status/buildinfo", {}, False),
        ("/api/v1/rules", {}, False),
        ("/api/v1/alerts", {}, False),
    ]:
        ours, theirs = (api(url, path, params, form) for url in (bench.admin, bench.real))
        if (ours[0], shape(ours[1])) != (theirs[0], shape(theirs[1])):
            wrong.append(f"{path} {params}\n    ours   {str(ours)[:600]}\n    theirs {str(theirs)[:600]}")
    ours, theirs = (api(url, "/api/v1/format_query", {"query": "sum(rate(up[5m]))by(job)"}) for url in (bench.admin, bench.real))
    if ours != theirs:
        wrong.append(f"format_query: {ours}, but Prometheus {theirs}")
    assert not wrong, "\n  ".join(wrong)


def grafana(bench):
    """What Grafana's Prometheus data source asks for: the test of its settings, the query builder, a panel."""
    now = int(time.time())
    status, answer = api(bench.admin, "/api/v1/query", {"query": "1+1", "time": str(now)}, form=True)
    assert status == 200 and answer["data"]["result"][1] == "2", answer
    status, answer = api(bench.admin, "/api/v1/status/buildinfo")
    assert status == 200 and answer["data"]["version"].startswith("2."), answer
    status, answer = api(bench.admin, "/api/v1/label/__name__/values", {"start": now - 3600, "end": now})
    assert status == 200 and "mcp_requests_total" in answer["data"], answer
    status, answer = api(bench.admin, "/api/v1/series", {"match[]": "mcp_requests_total", "start": now - 3600, "end": now}, form=True)
    assert status == 200 and answer["data"], answer
    panel = {"query": "sum by (tool) (rate(mcp_tool_calls_total[1m]))", "start": now - 60, "end": now, "step": "1"}
    status, answer = api(bench.admin, "/api/v1/query_range", panel, form=True)
    assert status == 200 and answer["data"]["resultType"] == "matrix" and answer["data"]["result"], answer
    status, answer = api(bench.admin, "/api/v1/query_exemplars", {"query": "mcp_response_duration_seconds_bucket", "start": now - 3600, "end": now}, form=True)
    assert status == 200 and isinstance(answer["data"], list), answer


def sdk_sends(bench):
    """Spans and log records of the official SDK join the call they belong to, and are counted by name."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    bench.call("searchFiles", {"pattern": "*", "maxResults": 1}, f"00-{trace_id}-{span_id}-01")
    query = f"trace_id={trace_id} kind=call"
    (call,) = until("the call's record", lambda: bench.store("logs", query=query)["records"], WAIT_S)
    above = trace.SpanContext(int(trace_id, 16), int(call["upstream_span_id"], 16), True, trace.TraceFlags(1))
    context = trace.set_span_in_context(trace.NonRecordingSpan(above))
    resource = Resource.create({"service.name": "outpost", "db.password": "hunter2"})
    provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(f"{bench.admin}/v1/traces", compression=Compression.Gzip)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{bench.admin}/v1/logs")))
    logger = logging.getLogger("outpost")
    logger.propagate = False
    logger.addHandler(LoggingHandler(logger_provider=logs))
    tracer = provider.get_tracer("outpost.tracing")
    with tracer.start_as_current_span("fs.readdir", context, attributes={"path": "/harbour", "token": "s3cr3t"}):
        for nth in range(3):
            with tracer.start_as_current_span("fs.stat", kind=trace.SpanKind.CLIENT) as span:
                span.add_event("seen", {"nth": nth})
        logger.warning("slow disk, password=hunter2")
        with tracer.start_as_current_span("filter.match") as span:
            span.set_status(trace.Status(trace.StatusCode.ERROR, "bad pattern"))
    assert provider.force_flush() and logs.force_flush()

    def whole():
        found = bench.store(f"traces/{trace_id}")
        kinds = [record["kind"] for record in found["records"]]
        return found if kinds.count("span") == 5 and kinds.count("log") == 1 else None

    found = until("five spans and a log record in the trace", whole, WAIT_S)
    assert "hunter2" not in json.dumps(found) and "s3cr3t" not in json.dumps(found), found["records"]
    spans = {span["span_id"]: span for span in found["trace"]["spans"]}

    def path(span):
        above = spans.get(span.get("parent_span_id"))
        return (path(above) if above else ()) + (span["name"],)

    paths = {path(span) for span in spans.values()}
    ours = ("tools/call searchFiles", "tools/call searchFiles")
    for wanted in [ours, ours + ("fs.readdir",), ours + ("fs.readdir", "fs.stat"), ours + ("fs.readdir", "filter.match")]:
        assert wanted in paths, f"{wanted} is not in {paths}"
    (note,) = [note for note in found["trace"]["notes"] if note["kind"] == "log"]
    assert note["message"] == "slow disk, password=[redacted:key]" and spans[note["span_id"]]["name"] == "fs.readdir", note
    (failed,) = bench.store("logs", query="kind=span level=error server=outpost")["records"]
    assert failed["name"] == "filter.match" and failed["error"] == "bad pattern", failed

    for url in (bench.admin, bench.real):
        calls = 'traces_spanmetrics_calls_total{service="outpost"}'
        wanted = {"fs.stat": 3.0, "fs.readdir": 1.0, "filter.match": 1.0}
        counted = lambda: {dict(labels)["span_name"]: value for labels, value in vector(url, calls, time.time()).items()}  # noqa: E731
        until(f"span metrics at {url}", lambda: counted() == wanted, WAIT_S)
    provider.shutdown()
    logs.shutdown()


def child_traces_itself(bench):
    """A child with `otel: true` sends its spans here without being told where: its steps lie under our CLIENT span."""
    trace_id = secrets.token_hex(16)
    bench.call("searchFiles", {"pattern": "*.chart", "maxResults": 5}, f"00-{trace_id}-{secrets.token_hex(8)}-01")

    def steps():
        status, found = api(bench.admin, f"/api/pilothouse/traces/{trace_id}")
        names = {span["name"] for span in found["trace"]["spans"]} if status == 200 else set()
        return found if {"fs.readdir", "fs.stat", "filter.match"} <= names else None

    found = until("the steps of searchFiles in the trace", steps, WAIT_S)
    spans = {span["span_id"]: span for span in found["trace"]["spans"]}
    (sent,) = [span for span in spans.values() if span["service"] == "pilothouse" and span["kind"] == "client"]
    below = [span for span in spans.values() if span.get("parent_span_id") == sent["span_id"]]
    assert [span["name"] for span in below] == ["tools/call searchFiles"], below
    assert all(span["place"] in ("root", "child") for span in spans.values()), spans
    kinds = [record["kind"] for record in found["records"]]
    assert found["complete"] and kinds.count("call") == 1 and kinds.count("span") == len(spans) - 2, kinds


def leaving_stops_a_query(bench):
    """Eight slow queries take every place; when their clients leave, the places are free at once."""
    now = time.time()
    slow = {"query": "quantile_over_time(0.9, vector(time())[10h:1s])", "start": now - 10800, "end": now, "step": 1}
    head = f"GET /api/v1/query_range?{urllib.parse.urlencode(slow)} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    port = urllib.parse.urlsplit(bench.admin).port
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]
    for client in clients:
        client.sendall(head.encode())
    quick = {"query": "1", "timeout": "0.2"}
    refused = until("a query that has to wait", lambda: (answer := api(bench.admin, "/api/v1/query", quick))[0] == 503 and answer, WAIT_S)
    assert refused[1]["errorType"] == "timeout", refused
    for client in clients:
        client.close()
    until("a free place", lambda: api(bench.admin, "/api/v1/query", quick)[0] == 200, WAIT_S)


def events(bench, query, last=None):
    """(id, record) of records as they come; the first, (None, None), says that the stream is open."""
    headers = {"Last-Event-ID": last} if last else {}
    request = urllib.request.Request(f"{bench.admin}/api/pilothouse/logs/follow?{urllib.parse.urlencode({'query': query})}", headers=headers)
    with urllib.request.urlopen(request, timeout=WAIT_S) as stream:
        number = None
        for line in stream:
            line = line.decode().rstrip("\n")
            if line == ": following":
                yield None, None
            elif line.startswith("id: "):
                number = line[4:]
            elif line.startswith("data: "):
                yield number, json.loads(line[6:])


def follows(bench):
    """Who follows gets what comes, and goes on after a break where he was."""
    stream = events(bench, "tool=echo")
    assert next(stream) == (None, None)
    for text in ("one", "two"):
        bench.call("echo", {"text": text})
    numbers = []
    for _ in range(2):
        number, record = next(stream)
        assert record["tool"] == "echo", record
        numbers.append(number)
    stream.close()
    stream = events(bench, "tool=echo", last=numbers[0])
    next(stream)
    assert next(stream)[0] == numbers[1]
    stream.close()


def check_schemas(bench, document):
    """Answers are what the document says they are."""
    slowest = bench.store("traces/slowest", limit=1)["traces"][0]["trace_id"]
    for path, params in [
        ("logs", {"limit": 3}),
        ("logs/top", {"field": "tool"}),
        ("traces/slowest", {}),
        ("traces/{trace_id}", {}),
        ("store", {}),
        ("sinks", {}),
    ]:
        answer = bench.store(path.replace("{trace_id}", slowest), **params)
        described = document["paths"][f"/api/pilothouse/{path}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        judge = Draft202012Validator({**described, "components": document["components"]})
        wrong = [error.message for error in judge.iter_errors(answer)]
        assert not wrong, f"{path}: {wrong}"


def own_api(bench):
    """The document is served and names what is used here; a name that was pointed at us is refused."""
    status, document = api(bench.admin, "/api/pilothouse/openapi.json")
    assert status == 200 and document["openapi"] == "3.1.0", document
    openapi_spec_validator.validate(document)
    check_schemas(bench, document)
    for path in ("/api/pilothouse/logs", "/api/pilothouse/traces/{trace_id}", "/api/v1/query", "/v1/traces"):
        assert path in document["paths"], path
    slowest = bench.store("logs", query="tool=searchFiles", order="slowest", limit=5)["records"]
    durations = [record["duration"] for record in slowest]
    assert len(durations) == 5 and durations == sorted(durations, reverse=True), durations
    top = bench.store("logs/top", field="outcome", query="tool=fail")["values"]
    assert [(one["value"], one["count"]) for one in top] == [("tool_error", 3)], top
    assert len(bench.store("traces/slowest", limit=3)["traces"]) == 3
    stats = bench.store("store")
    assert stats["logs"]["records"] >= 23 and stats["series"]["series"] > 20, stats
    status, _, body = get(f"{bench.admin}/api/v1/query?query=1", headers={"Host": "rebound.example.com"})
    assert status == 403, f"{status} {body}"
    status, answer = api(bench.admin, "/api/pilothouse/logs", {"query": "tol=x"})
    assert status == 400 and "tool" in answer["hint"], answer


CHECKS = [official_prometheus_client, real_prometheus_scrapes, same_answers, same_errors, same_shapes, grafana, sdk_sends, child_traces_itself, leaving_stops_a_query, follows, own_api]


def main():
    if not os.access(BINARY, os.X_OK):
        sys.exit(f"no binary at {BINARY}: build it, or say where it is with PILOTHOUSE_BIN")
    if not shutil.which("prometheus"):
        sys.exit("no prometheus: .ci/packages installs it")
    passed, failed = 0, 0
    with tempfile.TemporaryDirectory(prefix="api-") as folder:
        bench = Bench(Path(folder))
        try:
            bench.traffic()
            for check in CHECKS:
                started = time.monotonic()
                try:
                    check(bench)
                except Exception as error:
                    failed += 1
                    said = str(error) if isinstance(error, AssertionError) and str(error) else "".join(traceback.format_exception(error)[-4:])
                    print(f"FAIL {check.__name__.replace('_', ' ')}\n  {said}", flush=True)
                else:
                    passed += 1
                    print(f"ok   {check.__name__.replace('_', ' ')} ({time.monotonic() - started:.1f} s)", flush=True)
            if failed:
                print("  --- pilothouse's log\n" + bench.house.tail(20), flush=True)
        finally:
            bench.close()
    print(f"{passed} passed, {failed} failed")
    sys.exit(0 if passed and not failed else 1)


main()
