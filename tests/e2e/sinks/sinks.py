"""What the store holds arrives elsewhere: in Elasticsearch's form, and by OTLP.

Pilothouse runs in front of its workbench with three sinks. The stand-in for Elasticsearch refuses, resets
and takes only parts; Pilothouse is killed and started again in between. In the end each call is there
exactly once, the official client finds the slow ones, and TypeScript checks what was sent against the
client's own types. OTLP is read by the official decoder. No live Elasticsearch can be had here: what is
not covered by this is how one indexes the fields. PILOTHOUSE_BIN names the binary."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "clients"))
from gateway import Pilothouse, get, post, until  # noqa: E402

ROOT = HERE.parents[2]
DEPS = ROOT / ".deps/sinks"
NODE = DEPS / "node_modules/node/bin/node"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BINARY = os.environ.get("PILOTHOUSE_BIN", str(TARGET / "debug/pilothouse"))
MODERN = "2026-07-28"
CALLS = 150
SLOW = 2


class Collector:
    """Keeps OTLP requests by signal; refuses the first ones of each."""

    MESSAGES = {
        "/v1/logs": logs.ExportLogsServiceRequest,
        "/v1/metrics": metrics.ExportMetricsServiceRequest,
        "/v1/traces": traces.ExportTraceServiceRequest,
    }

    def __init__(self, refusals=2):
        self.requests = {path: [] for path in self.MESSAGES}
        left = dict.fromkeys(self.MESSAGES, refusals)
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                message = collector.MESSAGES[self.path].FromString(body)
                refused = left[self.path] > 0
                left[self.path] -= 1
                if not refused:
                    collector.requests[self.path].append(message)
                self.send_response(503 if refused else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def records(self):
        return [r for q in self.requests["/v1/logs"] for a in q.resource_logs for b in a.scope_logs for r in b.log_records]

    def spans(self):
        return [s for q in self.requests["/v1/traces"] for a in q.resource_spans for b in a.scope_spans for s in b.spans]

    def metrics(self):
        return [m for q in self.requests["/v1/metrics"] for a in q.resource_metrics for b in a.scope_metrics for m in b.metrics]


def call(house, tool, arguments, number):
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "sinks", "version": "1"},
    }
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": tool}
    message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
    status, _, body = post(house.url, message, headers)
    assert status == 200, f"call {number}: {status} {body}"


def seen(origin):
    return json.loads(get(origin + "/_seen")[2])


def start(config, scratch, data=None):
    house = Pilothouse(BINARY, scratch, ["--config", str(config)], data=data)
    house.wait("/readyz")
    return house


def calls_in(documents):
    return sorted(d["request_id"] for d in documents if d["kind"] == "call" and d["method"] == "tools/call")


def check_types(template, documents):
    """tsc on what was sent, as literals of the client's own types."""
    sample = documents[:20]
    text = f"""import type {{ estypes }} from "@elastic/elasticsearch";
const template: estypes.IndicesPutIndexTemplateRequest = {{ name: "mcp-logs", ...({json.dumps(template)} satisfies Omit<estypes.IndicesPutIndexTemplateRequest, "name">) }};
const bulk: estypes.BulkRequest<Record<string, unknown>> = {{ index: "mcp-logs", operations: {json.dumps([part for d in sample for part in ({"create": {"_id": "x"}}, d)])} }};
void template; void bulk;
"""
    source = DEPS / "sent.ts"
    source.write_text(text)
    command = [NODE, DEPS / "node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--moduleResolution", "nodenext", source]
    done = subprocess.run(command, cwd=DEPS, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"tsc: {done.stdout}{done.stderr}"


def main():
    plan = ["429", "503", "partial", "reset", "ok", "partial", "429"]
    standin = subprocess.Popen([NODE, HERE / "standin.mjs", json.dumps(plan)], stdout=subprocess.PIPE, text=True)
    house = None
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        try:
            origin = f"http://127.0.0.1:{standin.stdout.readline().strip()}"
            collector = Collector()
            config = scratch / "pilothouse.yaml"
            config.write_text(json.dumps({
                "servers": {"bench": {"command": BINARY, "args": ["workbench"], "cwd": str(scratch)}},
                "log": {"params": True},
                "sinks": {
                    "search": {"elasticsearch": {"url": origin, "username": "u", "password": "p"}, "batch_delay": "100ms", "batch_entries": 40},
                    "collector": {"otlp": {"endpoint": collector.url, "metrics": True, "metrics_interval": "1s"}, "batch_delay": "100ms"},
                },
            }))
            house = start(config, scratch)
            data = house.data
            for number in range(CALLS // 2):
                call(house, "echo", {"text": f"n{number}"}, number)
            # Killed with entries on their way, and started on the same directory. What is stored is promised, so
            # it must be stored first: `tests/e2e/store` kills without waiting.
            until("every call is stored", lambda: house.total("pilothouse_store_records_stored_total") >= CALLS // 2 and house.total("pilothouse_store_records_queued") == 0, 20)
            house.kill()
            house = start(config, scratch, data)
            for number in range(CALLS // 2, CALLS - SLOW):
                call(house, "echo", {"text": f"n{number}"}, number)
            for number in range(CALLS - SLOW, CALLS):
                call(house, "sleep", {"ms": 2100}, number)

            wanted = sorted(str(number) for number in range(CALLS))
            until("every call once in Elasticsearch", lambda: calls_in([d for _, d in seen(origin)["documents"]]) == wanted, 60)
            state = seen(origin)
            documents = [document for _, document in state["documents"]]
            assert state["problems"] == [], state["problems"]
            assert state["authorization"] == ["Basic dTpw"], state["authorization"]
            assert all(d["params"] for d in documents if d.get("tool") == "echo"), "params are objects"
            until("the lag is gone", lambda: house.total("pilothouse_sink_lag_entries") == 0, 20)
            assert house.total("pilothouse_sink_up") == 3 or house.total("pilothouse_sink_up", "sink")

            found = subprocess.run([NODE, HERE / "client.mjs", origin, "sleep"], env=os.environ | {"SINKS_DEPS": str(DEPS)}, capture_output=True, text=True, timeout=60, check=False)
            assert found.returncode == 0, found.stderr
            slow = json.loads(found.stdout)
            assert len(slow) == SLOW and all(hit["duration"] >= 2000 for hit in slow), slow
            assert slow == sorted(slow, key=lambda hit: -hit["duration"])
            check_types(state["template"], documents)

            until("every call as a log record", lambda: len({r.trace_id for r in collector.records() if any(a.key == "tool" for a in r.attributes)}) >= CALLS, 30)
            until("every call as two spans", lambda: len({(s.trace_id, s.span_id) for s in collector.spans() if "tools/call" in s.name}) == 2 * CALLS, 30)
            until("metrics", collector.metrics, 30)
            names = {metric.name for metric in collector.metrics()}
            assert "mcp_requests_total" in names and "mcp_response_duration_seconds" in names, names
            assert house.stop() == []
            print(f"sinks: {len(documents)} documents ({state['repeated']} sent twice and known), {len(collector.records())} log records, {len(collector.spans())} spans, {len(names)} metrics")
        finally:
            standin.kill()
            if house:
                house.kill()


main()
