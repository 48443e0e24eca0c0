//! Spans to OTLP over HTTP and gRPC, with a bounded queue.
