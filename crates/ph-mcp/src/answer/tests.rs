use super::*;
use proptest::prelude::*;

fn one(text: &str) -> ServerMessage {
    let mut all = AnswerScan::read(text.as_bytes());
    assert_eq!(all.len(), 1, "{text}");
    all.remove(0)
}

#[test]
fn a_tool_result() {
    let text = r#"{"result":{"content":[{"type":"text","text":"\"isError\":true}","name":"x"}],"isError":false,
        "resultType":"complete","structuredContent":{"isError":true}},"jsonrpc":"2.0","id": 12 }"#;
    let m = one(text);
    assert_eq!(m.kind(), Some(Kind::Response));
    assert_eq!(m.message_id(), Some(MessageId::canonical("12")));
    assert_eq!(&text[m.id.clone().unwrap().range], "12");
    assert!(!m.is_error && m.has_result && !m.has_error);
    assert_eq!(m.result_type.as_deref(), Some("complete"));
}

#[test]
fn a_tool_error_and_an_rpc_error() {
    assert!(one(r#"{"id":"a","result":{"isError":true}}"#).is_error);
    let m = one(r#"{"id":"a","error":{"code":-32601,"message":"no \u00e9","data":{"code":1}}}"#);
    assert_eq!(
        (m.error_code, m.error_message.as_deref()),
        (Some(-32601), Some("no é"))
    );
    assert!(m.has_error);
    assert!(one(r#"{"id":1,"result":null}"#).has_result);
}

#[test]
fn requests_and_notifications_of_servers() {
    let m = one(
        r#"{"jsonrpc":"2.0","id":0,"method":"sampling/createMessage","params":{"_meta":{"progressToken":1}}}"#,
    );
    assert_eq!(
        (m.kind(), m.method_label()),
        (Some(Kind::Request), Method::SamplingCreateMessage)
    );
    assert_eq!(m.progress_token, None);
    let text = r#"{"method":"notifications/progress","params":{"progressToken":"t","progress":1,
        "_meta":{"io.modelcontextprotocol/subscriptionId":"s"}}}"#;
    let m = one(text);
    assert_eq!(m.kind(), Some(Kind::Notification));
    assert_eq!(&text[m.progress_token.unwrap().range], "\"t\"");
    assert_eq!(&text[m.subscription_id.unwrap().range], "\"s\"");
}

#[test]
fn tools_are_named_and_nested_names_are_not() {
    let m = one(
        r#"{"id":1,"result":{"tools":[{"name":"a","inputSchema":{"name":"no"}},{"x":[{"name":"no"}],"name":"b"}]}}"#,
    );
    assert_eq!(m.tools, ["a", "b"]);
}

#[test]
fn batches_and_garbage() {
    let all = AnswerScan::read(br#"[{"id":1,"result":{}},{"id":2,"result":{}}]"#);
    assert_eq!(all.len(), 2);
    assert!(AnswerScan::read(b"<html>nothing here</html>").is_empty());
    assert!(AnswerScan::read(b"]]]}}}{").is_empty());
    assert_eq!(one(r#"{"a":1}"#).kind(), None);
}

proptest! {
    #[test]
    fn chunking_changes_nothing(cuts in prop::collection::vec(0_usize..200, 0..6)) {
        let text = br#"{"jsonrpc":"2.0","id":"i\"d","result":{"tools":[{"name":"a\\"}],"isError": true ,"_meta":{"io.modelcontextprotocol/subscriptionId":3}}}"#;
        let mut scan = AnswerScan::default();
        let mut cuts: Vec<_> = cuts.into_iter().map(|c| c.min(text.len())).collect();
        cuts.sort_unstable();
        let mut from = 0;
        for c in cuts { scan.push(&text[from..c]); from = c; }
        scan.push(&text[from..]);
        prop_assert_eq!(scan.finish(), AnswerScan::read(text));
    }

    #[test]
    fn never_panics_on_any_bytes(bytes: Vec<u8>) {
        let _ = AnswerScan::read(&bytes);
    }
}
