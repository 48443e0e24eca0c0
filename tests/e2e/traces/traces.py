"""Traces join: the caller's span, our SERVER and CLIENT spans and the server's own spans are one tree.

A caller (the official Python client with tracing on, or a raw request with a `traceparent`) calls the
workbench through the real binary, as a child and over HTTP; a receiver of our own decodes the OTLP that
Pilothouse and the workbench send, over http/protobuf and over gRPC. PILOTHOUSE_BIN names the binary (default target/debug/pilothouse)."""

import asyncio
import json
import os
import secrets
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "clients"))
from gateway import Pilothouse, Process, free_port, get, initialize, post, until  # noqa: E402
from receiver import Receiver  # noqa: E402

import mcp  # noqa: E402

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parents[2] / "target"))
BINARY = os.environ.get("PILOTHOUSE_BIN", str(TARGET / "debug/pilothouse"))
SPANS_S = 15
MODERN = "2026-07-28"

# What the official client reports of itself.
CLIENT_SPANS = InMemorySpanExporter()
_provider = TracerProvider()
_provider.add_span_processor(SimpleSpanProcessor(CLIENT_SPANS))
trace.set_tracer_provider(_provider)


def traceparent():
    """(trace id, span id, header) of a sampled caller."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    return trace_id, span_id, f"00-{trace_id}-{span_id}-01"


def modern_call(tool, arguments, meta=None, method="tools/call", request_id=1):
    params = {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "traces", "version": "1"},
            **(meta or {}),
        }
    }
    if tool:
        params |= {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def post_modern(house, tool, arguments, meta=None, headers=None, method="tools/call"):
    named = {"Mcp-Name": tool} if tool else {}
    head = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method, **named, **(headers or {})}
    return post(house.url, modern_call(tool, arguments, meta, method), head)


def answer_of(body):
    """The JSON-RPC message of an answer, be it JSON or an event stream."""
    if body.lstrip().startswith("{"):
        return json.loads(body)
    events = [line[5:] for line in body.splitlines() if line.startswith("data:") and line[5:].strip()]
    return json.loads(events[-1])


class Bench:
    """Pilothouse in front of the workbench, and the receiver, for one OTLP protocol and one transport."""

    def __init__(self, protocol, transport, scratch, receiver):
        self.protocol, self.transport, self.receiver, self.workbench = protocol, transport, receiver, None
        harbour = scratch / "harbour"
        harbour.mkdir(exist_ok=True)
        for name in ("north.chart", "south.chart", "crew.txt"):
            (harbour / name).write_text(name)
        otlp = {"endpoint": receiver.endpoints[protocol], "protocol": protocol}
        if transport == "pipe":
            server = {"command": BINARY, "args": ["workbench"], "cwd": str(harbour), "otel": True}
        else:
            port = free_port()
            server = {"url": f"http://127.0.0.1:{port}/mcp"}
            variables = {
                "OTEL_EXPORTER_OTLP_ENDPOINT": otlp["endpoint"],
                "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                "OTEL_SERVICE_NAME": "bench",
            }
            command = ["env", "-C", str(harbour), BINARY, "workbench", "--http", f"127.0.0.1:{port}"]
            self.workbench = Process(command, scratch / f"workbench-{port}.log", variables)
            until("the workbench", lambda: get(server["url"])[0], 10)
        config = scratch / f"{protocol.replace('/', '-')}-{transport}.yaml"
        config.write_text(json.dumps({"servers": {"bench": server}, "otlp": otlp}, indent=2))
        self.house = Pilothouse(BINARY, scratch, ["--config", str(config)])
        try:
            self.house.wait("/readyz")
        except AssertionError:
            self.close()
            raise

    def close(self):
        self.house.kill()
        if self.workbench:
            self.workbench.kill()

    def ours(self, **wanted):
        return self.receiver.spans(service="pilothouse", **wanted)

    def one(self, what, spans):
        """The only element, waited for."""
        found = until(what, lambda: spans() or None, SPANS_S)
        assert len(found) == 1, f"{what}: {found}"
        return found[0]

    def line(self, trace_id):
        """The log line of a trace."""
        return self.one("log line", lambda: [line for line in self.house.call_lines() if line["trace_id"] == trace_id])

    def server_span(self, trace_id, **wanted):
        return self.one("our SERVER span", lambda: self.ours(trace_id=trace_id, kind="SERVER", **wanted))

    def client_span(self, server):
        return self.one("our CLIENT span", lambda: self.ours(trace_id=server.trace_id, kind="CLIENT", parent=server.span_id))

    def theirs(self, parent, *names):
        """The workbench's spans below a span of ours, by name, as soon as all of `names` are there."""

        def below():
            spans = [span for span in self.receiver.spans(trace_id=parent.trace_id) if span.service != "pilothouse"]
            inside, frontier = [], [parent.span_id]
            while frontier:
                at = frontier.pop()
                children = [span for span in spans if span.parent == at]
                inside += children
                frontier += [span.span_id for span in children]
            return inside

        until(f"spans {names} of the workbench", lambda: set(names) <= {span.name for span in below()}, SPANS_S)
        return below()


def check(wrong, what, got, wanted):
    if got != wanted:
        wrong.append(f"{what}: {got!r}, wanted {wanted!r}")


def check_call_spans(bench, server, client, tool, method="tools/call"):
    """Names and attributes of a successful call's pair of spans, as the OTel MCP conventions have them."""
    wrong = []
    for span, transport in ((server, "tcp"), (client, bench.transport)):
        got = span.attributes
        check(wrong, f"{span.kind} name", span.name, f"{method} {tool}")
        check(wrong, f"{span.kind} mcp.method.name", got.get("mcp.method.name"), method)
        check(wrong, f"{span.kind} gen_ai.tool.name", got.get("gen_ai.tool.name"), tool)
        check(wrong, f"{span.kind} gen_ai.operation.name", got.get("gen_ai.operation.name"), "execute_tool")
        check(wrong, f"{span.kind} network.transport", got.get("network.transport"), transport)
        check(wrong, f"{span.kind} jsonrpc.request.id is text", type(got.get("jsonrpc.request.id")), str)
        check(wrong, f"{span.kind} error", (span.is_error, got.get("error.type")), (False, None))
        for secret in ("gen_ai.tool.call.arguments", "gen_ai.tool.call.result"):
            check(wrong, f"{span.kind} {secret} is off by default", got.get(secret), None)
        if not span.start_ns < span.end_ns:
            wrong.append(f"{span.kind}: times {span.start_ns} .. {span.end_ns}")
    if not server.start_ns <= client.start_ns <= client.end_ns <= server.end_ns:
        wrong.append("the CLIENT span is not inside the SERVER span")
    check(wrong, "SERVER network.protocol.name", server.attributes.get("network.protocol.name"), "http")
    line = bench.line(server.trace_id)
    check(wrong, "log trace_id", line["trace_id"], server.trace_id)
    check(wrong, "log span_id", line["span_id"], server.span_id)
    check(wrong, "log method and tool", (line["method"], line["tool"]), (method, tool))
    assert not wrong, "\n  ".join(wrong)


def check_search_tree(bench, server, client):
    """The steps of `searchFiles` hang below our CLIENT span."""
    spans = bench.theirs(client, "fs.readdir", "fs.stat", "filter.match")
    tops = [span for span in spans if span.parent == client.span_id]
    assert len(tops) == 1 and tops[0].kind == "SERVER", f"below our CLIENT span: {tops}"
    assert tops[0].name == "tools/call searchFiles", tops[0]
    assert {span.service for span in spans} == {tops[0].service}, f"services: {spans}"
    assert tops[0].service and tops[0].service != "pilothouse", f"service.name of the child: {tops[0].service}"
    return tops[0]


async def official(url, mode, tool, arguments):
    """(client's span, result) of one call of the official client."""
    CLIENT_SPANS.clear()
    async with mcp.Client(url, mode=mode, cache=None) as client:
        result = await client.call_tool(tool, arguments)
    spans = [span for span in CLIENT_SPANS.get_finished_spans() if tool in span.name]
    assert len(spans) == 1, f"spans of the client: {[span.name for span in CLIENT_SPANS.get_finished_spans()]}"
    return spans[0], result


def official_client(bench, mode, version):
    span, result = asyncio.run(official(bench.house.url, mode, "searchFiles", {"pattern": "*.chart", "maxResults": 10}))
    text = "".join(item.text for item in result.content)
    assert not result.is_error and "north.chart" in text and "crew.txt" not in text, f"the answer: {result}"
    trace_id, span_id = f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"
    server = bench.server_span(trace_id, name="tools/call searchFiles")
    assert server.parent == span_id, f"our SERVER span is under {server.parent}, the client's span is {span_id}"
    client = bench.client_span(server)
    check_call_spans(bench, server, client, "searchFiles")
    assert server.attributes.get("mcp.protocol.version") == version, server.attributes
    session = server.attributes.get("mcp.session.id")
    assert (session is None) == (mode == "auto"), f"mcp.session.id {session!r} in mode {mode}"
    check_search_tree(bench, server, client)


def meta_context(bench):
    """`_meta.traceparent` is the parent; the HTTP header's context is only linked. The state goes along."""
    trace_id, span_id, context = traceparent()
    other_trace, other_span, ambient = traceparent()
    meta = {"traceparent": context, "tracestate": "fleet=7"}
    status, _, body = post_modern(bench.house, "searchFiles", {"pattern": "*", "maxResults": 2}, meta, {"traceparent": ambient})
    assert status == 200, body
    server = bench.server_span(trace_id)
    assert server.parent == span_id, server
    assert server.links == [(other_trace, other_span)], f"links: {server.links}"
    client = bench.client_span(server)
    assert server.trace_state == client.trace_state == "fleet=7", (server.trace_state, client.trace_state)
    check_call_spans(bench, server, client, "searchFiles")
    theirs = check_search_tree(bench, server, client)
    assert theirs.trace_state == "fleet=7", f"tracestate at the server: {theirs.trace_state!r}"
    assert not bench.receiver.spans(trace_id=other_trace), "spans in the ambient trace"


def header_context(bench):
    """Without `_meta.traceparent` the HTTP header's context is the parent."""
    trace_id, span_id, context = traceparent()
    status, _, body = post_modern(bench.house, "searchFiles", {"pattern": "*", "maxResults": 2}, None, {"traceparent": context, "tracestate": "fleet=8"})
    assert status == 200, body
    server = bench.server_span(trace_id)
    assert server.trace_state == "fleet=8", server.trace_state
    assert server.parent == span_id and not server.links, (server, server.links)
    client = bench.client_span(server)
    check_call_spans(bench, server, client, "searchFiles")
    check_search_tree(bench, server, client)


def no_context(bench):
    """Without any context, or with a broken one, the trace starts with us."""
    for meta in (None, {"traceparent": "00-nonsense-01"}, {"traceparent": f"00-{'0' * 32}-{'0' * 16}-01"}):
        before = {span.span_id for span in bench.ours(kind="SERVER")}
        status, _, body = post_modern(bench.house, "echo", {"text": "ahoy"}, meta)
        assert status == 200, f"{meta}: {body}"
        server = bench.one("a new SERVER span", lambda: [s for s in bench.ours(kind="SERVER") if s.span_id not in before])
        assert server.parent == "" and server.trace_id != "0" * 32, f"{meta}: {server}"
        check_call_spans(bench, server, bench.client_span(server), "echo")


def failures(bench):
    """A tool's own error and a protocol error are told apart, and each has its exception event."""
    wrong = []
    trace_id, _, context = traceparent()
    status, _, body = post_modern(bench.house, "fail", {"message": "man overboard"}, {"traceparent": context})
    assert status == 200 and answer_of(body)["result"]["isError"] is True, body
    server = bench.server_span(trace_id)
    check(wrong, "tool error", (server.is_error, server.attributes.get("error.type")), (True, "tool_error"))
    check(wrong, "tool error outcome", bench.line(trace_id)["outcome"], "tool_error")

    trace_id, _, context = traceparent()
    status, _, body = post_modern(bench.house, None, None, {"traceparent": context}, method="harbour/unknown")
    assert status == 404 and answer_of(body)["error"]["code"] == -32601, f"{status} {body}"
    server = bench.server_span(trace_id)
    check(wrong, "unknown method", (server.is_error, server.attributes.get("error.type")), (True, "-32601"))
    check(wrong, "rpc.response.status_code", server.attributes.get("rpc.response.status_code"), "-32601")
    check(wrong, "name of an unknown method", server.name, "_OTHER")
    names = [name for name, _ in server.events]
    check(wrong, "events", names, ["exception"])
    if server.events:
        about = server.events[0][1]
        for key in ("exception.type", "exception.message"):
            if not about.get(key):
                wrong.append(f"{key} is missing: {about}")
    check(wrong, "protocol error status in the log", bench.line(trace_id)["status"], 404)
    assert not wrong, "\n  ".join(wrong)


def refused(bench):
    """A call that we refuse has a SERVER span and no CLIENT span: the server never saw it."""
    trace_id, _, context = traceparent()
    message = modern_call("echo", {"text": "x"}, {"traceparent": context})
    head = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "another"}
    status, _, body = post(bench.house.url, message, head)
    assert status == 400 and answer_of(body)["error"]["code"] == -32020, f"{status} {body}"
    server = bench.server_span(trace_id)
    assert server.is_error, server
    assert not bench.ours(trace_id=trace_id, kind="CLIENT"), "a CLIENT span of a call that was not sent"


def sessions(bench):
    """The same in a legacy session: `_meta` first, the header else, and no context spliced away."""
    status, headers, body = post(bench.house.url, initialize())
    assert status == 200 and headers.get("Mcp-Session-Id"), f"initialize: {status} {headers} {body}"
    head = {"Mcp-Session-Id": headers["Mcp-Session-Id"], "MCP-Protocol-Version": "2025-11-25"}
    post(bench.house.url, {"jsonrpc": "2.0", "method": "notifications/initialized"}, head)
    for source in ("_meta", "header"):
        trace_id, span_id, context = traceparent()
        params = {"name": "searchFiles", "arguments": {"pattern": "*", "maxResults": 2}}
        extra = {}
        if source == "_meta":
            params["_meta"] = {"traceparent": context, "fleet.example/colour": "blue"}
        else:
            extra = {"traceparent": context}
        message = {"jsonrpc": "2.0", "id": source, "method": "tools/call", "params": params}
        status, _, body = post(bench.house.url, message, head | extra)
        assert status == 200 and answer_of(body)["id"] == source, f"{status} {body}"
        server = bench.server_span(trace_id)
        assert server.parent == span_id, f"{source}: {server}"
        client = bench.client_span(server)
        check_call_spans(bench, server, client, "searchFiles")
        check_search_tree(bench, server, client)


def counts(bench, spans_before):
    """At the end there is one of each for every call: metric, log line, SERVER span."""
    lines = bench.house.call_lines()
    metric = bench.house.total("mcp_requests_total")
    lost = bench.house.total("pilothouse_call_drafts_lost_total") + bench.house.total("pilothouse_spans_dropped_total")
    wrong = bench.house.stop()
    spans = [span for span in bench.ours(kind="SERVER") if span.span_id not in spans_before]
    for what, found in (("log lines", len(lines)), ("SERVER spans", len(spans))):
        if found != metric:
            wrong.append(f"{found} {what}, {metric} in mcp_requests_total")
    if len(lines) < 12:
        wrong.append(f"only {len(lines)} calls were made")
    if lost:
        wrong.append(f"{lost} lost drafts or dropped spans")
    by_id = Counter(span.span_id for span in bench.receiver.spans())
    if doubled := [span_id for span_id, count in by_id.items() if count > 1]:
        wrong.append(f"span ids that came twice: {doubled}")
    by_span = {span.span_id: span for span in spans}
    for line in lines:
        span = by_span.get(line["span_id"])
        if not span or span.trace_id != line["trace_id"] or span.attributes.get("mcp.method.name") != line["method"]:
            wrong.append(f"no SERVER span for the log line {line}")
    assert not wrong, "\n  ".join(wrong)


def brief(error):
    """An assertion's text; of anything else the innermost error and where it was raised."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, AssertionError) and str(error):
        return str(error)
    return "".join(traceback.format_exception(error)[-4:])


def main():
    passed, failed = 0, []

    def attempt(name, check, bench=None):
        nonlocal passed
        started = time.monotonic()
        try:
            check()
        except Exception as error:
            failed.append(name)
            print(f"FAIL {name}\n  {brief(error)}", flush=True)
            if bench:
                print("  --- pilothouse's log\n" + bench.house.tail(30), flush=True)
        else:
            passed += 1
            print(f"ok   {name} ({time.monotonic() - started:.1f} s)", flush=True)

    if not os.access(BINARY, os.X_OK):
        sys.exit(f"no binary at {BINARY}: build it, or say where it is with PILOTHOUSE_BIN")
    receiver = Receiver()
    with tempfile.TemporaryDirectory(prefix="traces-") as folder:
        for protocol, transport in (("http/protobuf", "pipe"), ("grpc", "pipe"), ("http/protobuf", "tcp")):
            spans_before, bench = {span.span_id for span in receiver.spans()}, None
            kind = f"{protocol}, {'stdio child' if transport == 'pipe' else 'HTTP server'}"

            def start():
                nonlocal bench
                bench = Bench(protocol, transport, Path(folder), receiver)

            attempt(f"{kind}: start", start)
            if not bench:
                continue
            try:
                attempt(f"{kind}: official client, modern", lambda: official_client(bench, "auto", MODERN), bench)
                attempt(f"{kind}: official client, legacy", lambda: official_client(bench, "legacy", "2025-11-25"), bench)
                for check in (meta_context, header_context, no_context, failures, refused, sessions):
                    # An HTTP server looks at the headers itself: what does not match is its to refuse.
                    if check is not refused or transport == "pipe":
                        attempt(f"{kind}: {check.__name__.replace('_', ' ')}", lambda: check(bench), bench)
                attempt(f"{kind}: counts agree", lambda: counts(bench, spans_before), bench)
                how = protocol.split("/")[0]
                attempt(f"{kind}: came that way", lambda: until("an export", lambda: receiver.requests[how], 1))
            finally:
                bench.close()
    receiver.close()
    print(f"{passed} passed, {len(failed)} failed")
    sys.exit(0 if passed and not failed else 1)


main()
