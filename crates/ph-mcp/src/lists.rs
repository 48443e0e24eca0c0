//! Answers that list what a server has, and leaving some of it out of them.
//!
//! Strict, as the reader of what clients send: who may see what rests on it. What cannot be read in one way only is
//! a [`ListFault`], never a list. What stays keeps its bytes.

use crate::envelope::BATCH_MAX;
use crate::json::{Cursor, Fault, Value, ValueKind, unquote};
use crate::message_id::MessageId;
use crate::splice::{self, Edit};
use ph_base::Method;
use std::borrow::Cow;
use std::ops::Range;

/// Most entries of one message.
pub const ENTRIES_MAX: usize = 100_000;

/// What a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// `tools/list`.
    Tools,
    /// `prompts/list`.
    Prompts,
    /// `resources/list`.
    Resources,
    /// `resources/templates/list`.
    Templates,
}

impl ListKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];

    /// What `method` lists.
    pub fn of(method: Method) -> Option<Self> {
        match method {
            Method::ToolsList => Some(Self::Tools),
            Method::PromptsList => Some(Self::Prompts),
            Method::ResourcesList => Some(Self::Resources),
            Method::ResourcesTemplatesList => Some(Self::Templates),
            _ => None,
        }
    }

    /// The member of a result that has the list.
    pub fn key(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// The member of an entry that names it.
    fn name_key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }
}

/// Why an answer cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListFault {
    /// It is no UTF-8 text.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// It is no JSON.
    #[error("it is not JSON: {what} at byte {at}")]
    NotJson {
        /// Offset of the fault.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// A key stands twice where two readers could differ about what it means.
    #[error("`{0}` stands there twice")]
    Duplicate(&'static str),
    /// A member is of another kind than it has to be.
    #[error("{0}")]
    Odd(&'static str),
    /// More than is read.
    #[error("it is too long")]
    TooLong,
}

impl From<Fault> for ListFault {
    fn from(fault: Fault) -> Self {
        Self::NotJson {
            at: fault.at,
            what: fault.what,
        }
    }
}

/// One message that answers, with the lists in it. All ranges are of the text it was read from.
#[derive(Clone, Debug)]
pub struct ListAnswer<'a> {
    /// Of the request; `None` when there is none, or `null`.
    pub id: Option<MessageId>,
    /// The lists in its result: one as a rule, none in any other answer.
    pub lists: Vec<List<'a>>,
    /// JSON text of `result.nextCursor`, when there is more.
    pub next_cursor: Option<&'a str>,
    /// Where `result.cacheScope` stands, when it is `"public"`.
    pub public: Option<Range<usize>>,
}

/// One list.
#[derive(Clone, Debug)]
pub struct List<'a> {
    /// Of what.
    pub kind: ListKind,
    /// In their order.
    pub entries: Vec<Entry<'a>>,
}

/// One entry of a list.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// What it is called by: its name, address or template of addresses.
    pub name: Cow<'a, str>,
    /// Where it stands, brackets included.
    pub range: Range<usize>,
}

/// Reads a body, an event's data or a line: one message, or a batch of them. What is no answer is left out.
///
/// # Errors
/// [`ListFault`], when it could be a list and cannot be read for sure.
pub fn read(bytes: &[u8]) -> Result<Vec<ListAnswer<'_>>, ListFault> {
    let text = std::str::from_utf8(bytes).map_err(|_| ListFault::NotUtf8)?;
    let mut whole = Cursor::new(text);
    let root = whole.value()?;
    whole.end()?;
    let mut messages = Vec::new();
    match root.kind {
        ValueKind::Object => messages.push(root),
        ValueKind::Array => {
            Cursor::within(text, &root.range).array(|message| {
                messages.push(message);
                Ok(())
            })?;
        }
        _ => return Err(ListFault::Odd("it is no JSON-RPC message")),
    }
    if messages.len() > BATCH_MAX {
        return Err(ListFault::TooLong);
    }
    let mut answers = Vec::new();
    for message in messages {
        answers.extend(answer(text, &message)?);
    }
    Ok(answers)
}

/// JSON text of the `cursor` in the params of a request for a list; what stands twice is none.
pub fn cursor(params: &str) -> Option<&str> {
    let whole = Cursor::new(params).value().ok()?;
    let object = Some(whole).filter(|v| v.kind == ValueKind::Object)?;
    let [cursor] = members(params, &object, ["cursor"]).ok()?;
    cursor
        .filter(|v| v.kind != ValueKind::Null)
        .map(|v| &params[v.range])
}

fn answer<'a>(text: &'a str, message: &Value) -> Result<Option<ListAnswer<'a>>, ListFault> {
    if message.kind != ValueKind::Object {
        return Err(ListFault::Odd("a message is an object"));
    }
    let [id, result, error] = members(text, message, ["id", "result", "error"])?;
    if result.is_none() && error.is_none() {
        return Ok(None);
    }
    let id = id.filter(|v| matches!(v.kind, ValueKind::String | ValueKind::Number));
    let mut answer = ListAnswer {
        id: id.map(|v| MessageId::canonical(&text[v.range])),
        lists: Vec::new(),
        next_cursor: None,
        public: None,
    };
    let Some(result) = result.filter(|v| v.kind == ValueKind::Object) else {
        return Ok(Some(answer));
    };
    let keys = [
        ListKind::ALL[0].key(),
        ListKind::ALL[1].key(),
        ListKind::ALL[2].key(),
        ListKind::ALL[3].key(),
        "nextCursor",
        "cacheScope",
    ];
    let [tools, prompts, resources, templates, cursor, scope] = members(text, &result, keys)?;
    for (kind, list) in ListKind::ALL
        .into_iter()
        .zip([tools, prompts, resources, templates])
    {
        if let Some(list) = list {
            answer.lists.push(self::list(text, kind, &list)?);
        }
    }
    answer.next_cursor = cursor
        .filter(|v| v.kind != ValueKind::Null)
        .map(|v| &text[v.range]);
    answer.public = scope.map(|v| v.range).filter(|range| {
        let inner = text[range.clone()].strip_prefix('"');
        inner.is_some_and(|i| unquote(i.strip_suffix('"').unwrap_or(i)) == "public")
    });
    Ok(Some(answer))
}

fn list<'a>(text: &'a str, kind: ListKind, list: &Value) -> Result<List<'a>, ListFault> {
    if list.kind != ValueKind::Array {
        return Err(ListFault::Odd("a list is an array"));
    }
    let mut values = Vec::new();
    Cursor::within(text, &list.range).array(|entry| {
        values.push(entry);
        Ok(())
    })?;
    if values.len() > ENTRIES_MAX {
        return Err(ListFault::TooLong);
    }
    let entries = values.into_iter().map(|value| {
        if value.kind != ValueKind::Object {
            return Err(ListFault::Odd("an entry of a list is an object"));
        }
        let [name] = members(text, &value, [kind.name_key()])?;
        let name = name.filter(|v| v.kind == ValueKind::String);
        let name = name.ok_or(ListFault::Odd("an entry of a list has no name"))?;
        Ok(Entry {
            name: unquote(&text[name.range.start + 1..name.range.end - 1]),
            range: value.range,
        })
    });
    Ok(List {
        kind,
        entries: entries.collect::<Result<_, ListFault>>()?,
    })
}

/// The members of an object that was read before, each at most once.
fn members<const N: usize>(
    text: &str,
    object: &Value,
    keys: [&'static str; N],
) -> Result<[Option<Value>; N], ListFault> {
    let mut found = [const { None }; N];
    let mut twice = None;
    Cursor::within(text, &object.range).object(|key, value| {
        if let Some(nth) = keys.iter().position(|k| *k == key)
            && found[nth].replace(value).is_some()
        {
            twice = Some(keys[nth]);
        }
        Ok(())
    })?;
    twice.map_or(Ok(found), |key| Err(ListFault::Duplicate(key)))
}

/// What is changed of the bodies of lists.
#[derive(Debug, Default)]
pub struct Cuts(Vec<Edit>);

impl Cuts {
    /// Leaves out of `list` the entries for which `is_kept`, asked once for each in order, says no. Returns how many.
    pub fn leave_out(
        &mut self,
        list: &List<'_>,
        mut is_kept: impl FnMut(&Entry<'_>) -> bool,
    ) -> usize {
        let kept: Vec<bool> = list.entries.iter().map(&mut is_kept).collect();
        let mut has_kept = false;
        for (nth, entry) in list.entries.iter().enumerate() {
            if kept[nth] {
                has_kept = true;
                continue;
            }
            // A separator goes with the entry behind it; before the first that stays, with the one before it.
            let range = match list.entries.get(nth + 1) {
                _ if has_kept => list.entries[nth - 1].range.end..entry.range.end,
                Some(next) => entry.range.start..next.range.start,
                None => entry.range.clone(),
            };
            let text = String::new();
            self.0.push(Edit { range, text });
        }
        kept.iter().filter(|kept| !**kept).count()
    }

    /// Says of an answer that it is for the one who asked alone.
    pub fn make_private(&mut self, answer: &ListAnswer<'_>) {
        let text = || "\"private\"".to_owned();
        let range = answer.public.clone();
        self.0.extend(range.map(|range| Edit {
            range,
            text: text(),
        }));
    }

    /// `bytes` without what is left out; `None` when that is nothing.
    pub fn apply(mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        (!self.0.is_empty()).then(|| splice::apply(bytes, &mut self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    fn without(text: &str, hidden: &[&str]) -> Result<Option<String>, ListFault> {
        let answers = read(text.as_bytes())?;
        let mut cuts = Cuts::default();
        for list in answers.iter().flat_map(|a| &a.lists) {
            cuts.leave_out(list, |entry| !hidden.contains(&&*entry.name));
        }
        let cut = cuts.apply(text.as_bytes());
        Ok(cut.map(|bytes| String::from_utf8(bytes).unwrap()))
    }

    #[track_caller]
    fn check(text: &str, hidden: &[&str], want: Option<&str>) {
        assert_eq!(
            without(text, hidden),
            Ok(want.map(str::to_owned)),
            "{text} {hidden:?}"
        );
    }

    const THREE: &str = "{\"id\":1,\"result\":{ \"tools\" : [ {\"name\":\"a\"} , {\"name\": \"b\",\"x\":[1.0]},{\"name\":\"c\"} ],\"nextCursor\":\"n\"}}";

    #[test]
    fn what_stays_keeps_its_bytes() {
        let rest = |list: &str| {
            format!("{{\"id\":1,\"result\":{{ \"tools\" : [{list}],\"nextCursor\":\"n\"}}}}")
        };
        check(THREE, &[], None);
        check(THREE, &["x"], None);
        check(
            THREE,
            &["a"],
            Some(&rest(" {\"name\": \"b\",\"x\":[1.0]},{\"name\":\"c\"} ")),
        );
        check(
            THREE,
            &["b"],
            Some(&rest(" {\"name\":\"a\"},{\"name\":\"c\"} ")),
        );
        check(
            THREE,
            &["c"],
            Some(&rest(" {\"name\":\"a\"} , {\"name\": \"b\",\"x\":[1.0]} ")),
        );
        check(THREE, &["a", "b"], Some(&rest(" {\"name\":\"c\"} ")));
        check(THREE, &["b", "c"], Some(&rest(" {\"name\":\"a\"} ")));
        check(
            THREE,
            &["a", "c"],
            Some(&rest(" {\"name\": \"b\",\"x\":[1.0]} ")),
        );
        check(THREE, &["a", "b", "c"], Some(&rest("  ")));
        // A name is what it means, however it is written.
        check(
            r#"{"id":1,"result":{"t\u006fols":[{"n\u0061me":"\u0061"}]}}"#,
            &["a"],
            Some(r#"{"id":1,"result":{"t\u006fols":[]}}"#),
        );
        check(
            r#"[{"id":1,"result":{"resources":[{"uri":"u"}]}},{"id":2,"result":{"resourceTemplates":[{"uriTemplate":"u"}],"prompts":[{"name":"u"}]}},{"method":"n"}]"#,
            &["u"],
            Some(
                r#"[{"id":1,"result":{"resources":[]}},{"id":2,"result":{"resourceTemplates":[],"prompts":[]}},{"method":"n"}]"#,
            ),
        );
        // What is no list is nobody's business.
        check(
            r#"{"id":1,"error":{"code":1,"data":{"tools":[{"name":"a"}]}}}"#,
            &["a"],
            None,
        );
        check(
            r#"{"id":1,"result":{"content":[{"tools":[{"name":"a"}]}]}}"#,
            &["a"],
            None,
        );
        check(
            r#"{"method":"x","params":{"tools":[{"name":"a"}]}}"#,
            &["a"],
            None,
        );
    }

    #[track_caller]
    fn fault(text: &str, want: &str) {
        let fault = without(text, &[]).unwrap_err().to_string();
        assert!(fault.contains(want), "{text}: {fault}");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_none() {
        fault(
            r#"{"id":1,"result":{"tools":[],"tools":[{"name":"a"}]}}"#,
            "`tools`",
        );
        fault(
            r#"{"id":1,"result":{"tools":[]},"r\u0065sult":{}}"#,
            "`result`",
        );
        fault(r#"{"id":1,"id":2,"result":{}}"#, "`id`");
        fault(
            r#"{"id":1,"result":{"tools":[{"name":"a","name":"b"}]}}"#,
            "`name`",
        );
        fault(r#"{"id":1,"result":{"tools":{"0":{"name":"a"}}}}"#, "array");
        fault(r#"{"id":1,"result":{"tools":["a"]}}"#, "object");
        fault(r#"{"id":1,"result":{"tools":[{"title":"a"}]}}"#, "no name");
        fault(r#"{"id":1,"result":{"tools":[{"name":"a"}]}"#, "not JSON");
        fault(
            r#"{"id":1,"result":{"tools":[{"name":"a","x":NaN}]}}"#,
            "not JSON",
        );
        fault(
            r#"{"id":1,"result":{"tools":[{"name":"a"}]}} {}"#,
            "not JSON",
        );
        fault("\u{feff}{}", "not JSON");
        fault("7", "no JSON-RPC");
        assert_eq!(read(b"{\"id\":\"\xff\"}").unwrap_err(), ListFault::NotUtf8);
    }

    #[test]
    fn a_shared_cache_must_not_keep_what_is_for_one() {
        let text = r#"{"id":1,"result":{"tools":[],"cacheScope":"public","ttlMs":5}}"#;
        let answers = read(text.as_bytes()).unwrap();
        let mut cuts = Cuts::default();
        cuts.make_private(&answers[0]);
        let private = cuts.apply(text.as_bytes()).unwrap();
        let private: Json = serde_json::from_slice(&private).unwrap();
        assert_eq!(private["result"]["cacheScope"], "private");
        let own = read(br#"{"id":1,"result":{"tools":[],"cacheScope":"private"}}"#).unwrap();
        assert_eq!(own[0].public, None);
    }

    #[test]
    fn ids_and_cursors() {
        let answers = read(br#"[{"id":1.0,"result":{"tools":[],"nextCursor":"c\n"}},{"id":null,"error":{}},{"id":"x","result":{"nextCursor":null}}]"#).unwrap();
        let ids: Vec<_> = answers.iter().map(|a| a.id.clone()).collect();
        let id = |raw| Some(MessageId::canonical(raw));
        assert_eq!(ids, [id("1"), None, id("\"x\"")]);
        let cursors: Vec<_> = answers.iter().map(|a| a.next_cursor).collect();
        assert_eq!(cursors, [Some("\"c\\n\""), None, None]);
    }

    proptest! {
        /// However a list is written, what is left is the list without what is hidden.
        #[test]
        fn the_rest_is_the_list_without_what_is_hidden(
            names in proptest::collection::vec("[a-d\"\\\\é]{0,2}", 0..6),
            hidden in proptest::collection::vec("[a-d\"\\\\é]{0,2}", 0..4),
            pretty: bool,
        ) {
            let entries = |of: &[&String]| of.iter().map(|n| json!({"name": n, "d": [{"name": "z"}, "]"]})).collect::<Vec<_>>();
            let all: Vec<_> = names.iter().collect();
            let kept: Vec<_> = names.iter().filter(|n| !hidden.contains(n)).collect();
            let message = |list: Vec<Json>| json!({"jsonrpc": "2.0", "id": 3, "result": {"tools": list, "nextCursor": "n"}});
            let text = if pretty { format!("{:#}", message(entries(&all))) } else { message(entries(&all)).to_string() };
            let hidden: Vec<_> = hidden.iter().map(String::as_str).collect();
            let cut = without(&text, &hidden).unwrap();
            prop_assert_eq!(cut.is_some(), kept.len() < all.len());
            let left: Json = serde_json::from_str(cut.as_ref().unwrap_or(&text)).unwrap();
            prop_assert_eq!(left, message(entries(&kept)));
        }

        #[test]
        fn never_panics(text in "[\\[\\]{}\",:a-z0-9\\\\]{0,40}", tail: String) {
            let _ = without(&format!(r#"{{"id":1,"result":{{"tools":[{text}"#), &["a"]);
            let _ = without(&tail, &["a"]);
        }
    }
}
