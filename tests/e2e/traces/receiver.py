"""An OTLP receiver of spans, over HTTP (protobuf) and gRPC, that keeps what it gets in memory."""

import gzip
import threading
from collections import Counter
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as rpc
from opentelemetry.proto.trace.v1 import trace_pb2

KINDS = {number: name.removeprefix("SPAN_KIND_") for name, number in trace_pb2.Span.SpanKind.items()}


def plain(value):
    """An AnyValue as a Python value."""
    which = value.WhichOneof("value")
    if which == "array_value":
        return [plain(item) for item in value.array_value.values]
    return getattr(value, which) if which else None


def facts(pairs):
    return {pair.key: plain(pair.value) for pair in pairs}


class Span:
    """A span as it came, with ids as the lower-case hex that logs and headers have."""

    def __init__(self, span, resource, scope):
        self.resource, self.scope = resource, scope
        self.service = resource.get("service.name")
        self.trace_id, self.span_id = span.trace_id.hex(), span.span_id.hex()
        self.parent = span.parent_span_id.hex()
        self.name, self.kind = span.name, KINDS[span.kind]
        self.attributes = facts(span.attributes)
        self.events = [(event.name, facts(event.attributes)) for event in span.events]
        self.links = [(link.trace_id.hex(), link.span_id.hex()) for link in span.links]
        self.trace_state, self.flags = span.trace_state, span.flags
        self.is_error = span.status.code == trace_pb2.Status.STATUS_CODE_ERROR
        self.message = span.status.message
        self.start_ns, self.end_ns = span.start_time_unix_nano, span.end_time_unix_nano

    def __repr__(self):
        return f"[{self.service}] {self.kind} {self.name!r} {self.span_id} under {self.parent or 'nothing'}"


class Receiver:
    """Listens on two free ports of the loopback."""

    def __init__(self):
        self._lock, self._spans, self.requests = threading.Lock(), [], Counter()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                good = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
                if good:
                    receiver.take("http", service.ExportTraceServiceRequest.FromString(body))
                answer = service.ExportTraceServiceResponse().SerializeToString()
                self.send_response(200 if good else 400)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        class Collector(rpc.TraceServiceServicer):
            def Export(self, request, _context):
                receiver.take("grpc", request)
                return service.ExportTraceServiceResponse()

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self._grpc = grpc.server(futures.ThreadPoolExecutor(4))
        rpc.add_TraceServiceServicer_to_server(Collector(), self._grpc)
        grpc_port = self._grpc.add_insecure_port("127.0.0.1:0")
        self._grpc.start()
        self.endpoints = {
            "http/protobuf": f"http://127.0.0.1:{self._http.server_address[1]}",
            "grpc": f"http://127.0.0.1:{grpc_port}",
        }

    def take(self, how, request):
        with self._lock:
            self.requests[how] += 1
            for resource in request.resource_spans:
                about = facts(resource.resource.attributes)
                for scope in resource.scope_spans:
                    self._spans += [Span(span, about, scope.scope.name) for span in scope.spans]

    def spans(self, **wanted):
        """What has come so far, all or those with these fields."""
        with self._lock:
            return [span for span in self._spans if all(getattr(span, key) == value for key, value in wanted.items())]

    def close(self):
        self._http.shutdown()
        self._http.server_close()
        self._grpc.stop(None)
