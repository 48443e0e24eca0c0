//! Our bytes are what the generated messages say.

use std::borrow::Cow;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as proto;
use ph_base::trace::{SpanId, TraceId};
use ph_otlp::encode::{Batch, Source};
use ph_otlp::{Attribute, Event, Kind, Link, Span, Status, Value};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::prop_assert_eq;
use prost::Message;

proptest! {
    #[test]
    fn any_spans_are_read_back_by_the_generated_messages(spans in vec(span(), 0..6)) {
        let mut batch = Batch::default();
        for span in &spans {
            batch.push(span);
        }
        let source = Source::new("svc", "0.1", &[("zone".into(), "a".into()), ("service.name".into(), "loses".into())], "scope");
        let read = ExportTraceServiceRequest::decode(&batch.finish(&source)[..])?;
        prop_assert_eq!(read, expected(&spans));
    }
}

fn expected(spans: &[Span]) -> ExportTraceServiceRequest {
    let resource = [
        ("service.name", "svc"),
        ("service.version", "0.1"),
        ("zone", "a"),
    ];
    let resource = resource.map(|(key, value)| attribute(&(key.into(), value.into())));
    let scope = InstrumentationScope {
        name: "scope".into(),
        version: "0.1".into(),
        ..Default::default()
    };
    let scope_spans = proto::ScopeSpans {
        scope: Some(scope),
        spans: spans.iter().map(message).collect(),
        schema_url: String::new(),
    };
    let resource_spans = proto::ResourceSpans {
        resource: Some(Resource {
            attributes: resource.to_vec(),
            ..Default::default()
        }),
        scope_spans: vec![scope_spans],
        schema_url: String::new(),
    };
    ExportTraceServiceRequest {
        resource_spans: vec![resource_spans],
    }
}

fn message(span: &Span) -> proto::Span {
    let event = |event: &Event| proto::span::Event {
        time_unix_nano: event.unix_ns,
        name: event.name.to_string(),
        attributes: event.attributes.iter().map(attribute).collect(),
        dropped_attributes_count: 0,
    };
    let link = |link: &Link| proto::span::Link {
        trace_id: link.trace_id.0.to_vec(),
        span_id: link.span_id.0.to_vec(),
        ..Default::default()
    };
    proto::Span {
        trace_id: span.trace_id.0.to_vec(),
        span_id: span.span_id.0.to_vec(),
        trace_state: span.trace_state.clone(),
        parent_span_id: span.parent.map(|it| it.0.to_vec()).unwrap_or_default(),
        flags: span.flags,
        name: span.name.to_string(),
        kind: match span.kind {
            Kind::Internal => proto::span::SpanKind::Internal,
            Kind::Server => proto::span::SpanKind::Server,
            Kind::Client => proto::span::SpanKind::Client,
        } as i32,
        start_time_unix_nano: span.start_unix_ns,
        end_time_unix_nano: span.end_unix_ns,
        attributes: span.attributes.iter().map(attribute).collect(),
        events: span.events.iter().map(event).collect(),
        links: span.links.iter().map(link).collect(),
        status: match &span.status {
            Status::Unset => None,
            Status::Error(text) => Some(proto::Status {
                message: text.to_string(),
                code: proto::status::StatusCode::Error as i32,
            }),
        },
        ..Default::default()
    }
}

fn attribute((key, value): &Attribute) -> KeyValue {
    let value = match value {
        Value::Str(text) => any_value::Value::StringValue(text.to_string()),
        Value::Int(number) => any_value::Value::IntValue(*number),
        Value::Double(number) => any_value::Value::DoubleValue(*number),
        Value::Bool(yes) => any_value::Value::BoolValue(*yes),
    };
    KeyValue {
        key: key.to_string(),
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    }
}

fn span() -> impl Strategy<Value = Span> {
    let ids = (
        any::<[u8; 16]>(),
        any::<[u8; 8]>(),
        option::of(any::<[u8; 8]>()),
    );
    let kind = prop_oneof![Just(Kind::Internal), Just(Kind::Server), Just(Kind::Client)];
    let status = prop_oneof![Just(Status::Unset), text().prop_map(Status::Error)];
    let event =
        (any::<u64>(), text(), attributes()).prop_map(|(unix_ns, name, attributes)| Event {
            unix_ns,
            name,
            attributes,
        });
    let link = (any::<[u8; 16]>(), any::<[u8; 8]>()).prop_map(|(trace, span)| Link {
        trace_id: TraceId(trace),
        span_id: SpanId(span),
    });
    let rest = (
        attributes(),
        vec(event, 0..3),
        vec(link, 0..3),
        status,
        any::<u32>(),
    );
    (ids, ".{0,9}", text(), kind, any::<[u64; 2]>(), rest).prop_map(
        |(
            (trace, span, parent),
            trace_state,
            name,
            kind,
            [start, end],
            (attributes, events, links, status, flags),
        )| Span {
            trace_id: TraceId(trace),
            span_id: SpanId(span),
            parent: parent.map(SpanId),
            trace_state,
            name,
            kind,
            start_unix_ns: start,
            end_unix_ns: end,
            attributes,
            events,
            links,
            status,
            flags,
        },
    )
}

fn attributes() -> impl Strategy<Value = Vec<Attribute>> {
    let value = prop_oneof![
        text().prop_map(Value::Str),
        any::<i64>().prop_map(Value::Int),
        proptest::num::f64::NORMAL.prop_map(Value::Double),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Str("long ".repeat(40).into())),
    ];
    vec((text(), value), 0..5)
}

fn text() -> impl Strategy<Value = Cow<'static, str>> {
    ".{0,20}".prop_map(Cow::Owned)
}
