//! Keys in, screens out: what a person sees on a terminal of 80 × 24 letters, and on one of 40 × 10.

use super::super::draw;
use super::super::overview::{Change, Overview, Server};
use super::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Modifier;
use serde_json::json;

fn server(name: &str, up: bool) -> Server {
    Server {
        name: name.into(),
        up: Some(up),
        is_stdio: true,
        children: 2,
        rate: Some(12.5),
        p95: Some(0.25),
        failed: Some(0.0),
        cpu: Some(0.5),
        memory: Some(1.5e8),
        ..Server::default()
    }
}

fn overview(names: &[&str]) -> Overview {
    Overview {
        at_ms: 1_795_366_800_000,
        slos: Ok(Vec::new()),
        alerts: Err("the store is switched off".into()),
        servers: names
            .iter()
            .map(|name| server(name, *name != "far"))
            .collect(),
        numbers: Ok(()),
        normal: Some(3.0),
        changes: Ok(vec![Change {
            at_ms: 1_795_366_000_000,
            what: "restarted".into(),
            server: Some("files".into()),
            text: "exit".into(),
            is_bad: false,
        }]),
    }
}

fn call(id: &str, took_ms: u32) -> Json {
    json!({"timestamp": "2026-11-22T17:00:00Z", "kind": "call", "trace_id": id, "span_id": id, "server": "files",
        "method": "tools/call", "tool": format!("search{took_ms}"), "status": 200, "outcome": "ok", "duration": took_ms})
}

/// A person with a terminal.
struct Person {
    app: App,
    terminal: Terminal<TestBackend>,
}

impl Person {
    fn at(width: u16, height: u16) -> Self {
        let mut app = App::new("http://127.0.0.1:3001".into(), true);
        assert_eq!(app.ask(), Some(Ask::Overview));
        Self {
            app,
            terminal: Terminal::new(TestBackend::new(width, height)).unwrap(),
        }
    }

    fn with(width: u16, height: u16, names: &[&str]) -> Self {
        let mut person = Self::at(width, height);
        person.hears(names);
        person
    }

    fn hears(&mut self, names: &[&str]) {
        let answer = Answer::Overview(Box::new(overview(names)));
        let asked = self.app.take(News::Answer(Ask::Overview, Ok(answer)));
        assert_eq!(asked, None);
    }

    fn finds(&mut self, ask: &Ask, calls: Vec<Json>) {
        self.app
            .take(News::Answer(ask.clone(), Ok(Answer::Calls(calls))));
    }

    fn press(&mut self, keys: &str) -> Option<Ask> {
        self.sees();
        keys.chars().fold(None, |_, letter| {
            self.app.press(match letter {
                '\n' => Key::Enter,
                '\u{1b}' => Key::Escape,
                '\u{8}' => Key::Backspace,
                letter => Key::Letter(letter),
            })
        })
    }

    /// The screen, line by line, and which line is marked.
    fn sees(&mut self) -> (Vec<String>, Option<usize>) {
        let app = &mut self.app;
        self.terminal
            .draw(|frame| {
                let area = frame.area();
                draw::draw(&app.view(area.width.into(), area.height.into()), frame);
            })
            .unwrap();
        let buffer = self.terminal.backend().buffer();
        let (width, height) = (buffer.area.width, buffer.area.height);
        let line = |y| {
            (0..width)
                .map(|x| buffer[(x, y)].symbol())
                .collect::<String>()
        };
        let marked = (1..height).find(|y| buffer[(0, *y)].modifier.contains(Modifier::REVERSED));
        let lines = (0..height).map(|y| line(y).trim_end().to_owned()).collect();
        (lines, marked.map(usize::from))
    }

    fn marked(&mut self) -> String {
        let (lines, at) = self.sees();
        at.map_or_else(String::new, |at| lines[at].clone())
    }

    #[track_caller]
    fn shows(&mut self, text: &str) {
        let (lines, _) = self.sees();
        assert!(
            lines.iter().any(|line| line.contains(text)),
            "{text}:\n{}",
            lines.join("\n")
        );
    }
}

#[test]
fn the_overview_on_80_by_24() {
    let mut person = Person::with(80, 24, &["files", "far"]);
    let (lines, marked) = person.sees();
    let want = "\
pilothouse top
! 1 server does not answer
http://127.0.0.1:3001  11-22 17:00:00 UTC  traffic 3× that of a week before

SERVICE LEVELS
No objectives are configured.

ALERTS
not known: the store is switched off

SERVERS
SERVER  STATE  REQ/S     P95  ERRORS  CPU   MEMORY  CHILDREN  READY  IN FLIGHT
files   up      12.5  250 ms     0 %  0.5  143 MiB         2      –          0
far     down    12.5  250 ms     0 %  0.5  143 MiB         2      –          0

WHAT CHANGED IN THE LAST HOUR
TIME      CHANGE     SERVER  DETAILS
16:46:40  restarted  files   exit





j/k move  enter calls  / filter  ? keys  q end";
    assert_eq!(lines.join("\n").trim_end(), want);
    assert_eq!(marked, Some(12));
}

#[test]
fn small_and_tiny_terminals() {
    let mut person = Person::with(40, 10, &["files", "far"]);
    let (lines, _) = person.sees();
    assert_eq!(lines.len(), 10);
    // The chosen line is seen, whatever stands above it.
    assert!(person.marked().starts_with("files   up"), "{lines:?}");
    person.press("j");
    assert!(person.marked().starts_with("far     down"));
    for (width, height) in [(1, 1), (3, 2), (10, 3), (200, 60), (40, 10)] {
        person.terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        person.sees();
        person.press("jk");
    }
    // It was only smaller meanwhile.
    assert!(!person.marked().is_empty());
}

#[test]
fn down_to_a_trace_and_back() {
    let mut person = Person::with(80, 24, &["files", "far"]);
    let ask = person.press("j\n").unwrap();
    let query = "kind=call server=\"far\"".to_owned();
    let order = Order::Newest;
    assert_eq!(ask, Ask::Calls { query, order });
    let calls = vec![call("aa11", 5), call("bb22", 2_500)];
    person.finds(&ask, calls);
    person.shows("calls: far, the newest first");
    assert!(person.marked().contains("search5"), "{}", person.marked());
    let of_trace = person.press("j\n").unwrap();
    assert_eq!(of_trace, Ask::Trace { id: "bb22".into() });
    let trace = Trace::build([call("bb22", 2_500).to_string().as_bytes()]);
    person
        .app
        .take(News::Answer(of_trace, Ok(Answer::Trace(Box::new(trace)))));
    person.shows("trace bb22");
    person.shows("tool       search2500");
    person.shows("tools/call search2500 [files]");
    // Back where it was, and asked anew.
    assert_eq!(person.press("\u{1b}"), Some(ask.clone()));
    assert!(person.marked().contains("search2500"));
    assert_eq!(person.press("\u{1b}"), Some(Ask::Overview));
    assert!(person.marked().starts_with("far"));
    assert!(!person.app.is_over());
    person.press("q");
    assert!(person.app.is_over());
}

#[test]
fn the_chosen_line_stays_chosen_when_others_come() {
    let mut person = Person::with(80, 24, &["files", "far"]);
    person.press("j");
    person.app.ask();
    person.hears(&["a", "b", "far", "files"]);
    assert!(person.marked().starts_with("far"));
    // What is gone is not chosen any more, but something is.
    person.app.ask();
    person.hears(&["a", "b"]);
    assert!(!person.marked().is_empty());
}

#[test]
fn a_query_that_is_none_can_be_mended() {
    let mut person = Person::with(80, 24, &["files"]);
    let ask = person.press("\n").unwrap();
    person.finds(&ask, Vec::new());
    person.shows("Nothing matches");
    assert_eq!(person.press("/ AND (\n"), None);
    let (lines, _) = person.sees();
    assert!(
        lines[23].starts_with("/kind=call server=\"files\" AND (▏"),
        "{}",
        lines[23]
    );
    let ask = person
        .press("\u{8}\u{8}\u{8}\u{8}\u{8}\u{8} tool=x\n")
        .unwrap();
    let query = "kind=call server=\"files\" tool=x".to_owned();
    assert_eq!(
        ask,
        Ask::Calls {
            query: query.clone(),
            order: Order::Newest
        }
    );
    let slow = Ask::Calls {
        query,
        order: Order::Slowest,
    };
    assert_eq!(person.press("o"), Some(slow));
    // An answer to what is no longer asked changes nothing.
    person.finds(&ask, vec![call("aa11", 5)]);
    person.shows("…");
}

#[test]
fn a_filter_of_the_overview() {
    let mut person = Person::with(80, 24, &["files", "far", "fast"]);
    person.press("/FA");
    let (lines, _) = person.sees();
    assert!(
        !lines.iter().any(|line| line.starts_with("files")),
        "{lines:?}"
    );
    assert!(lines.iter().any(|line| line.starts_with("fast")));
    // `q` is a letter while it is typed.
    person.press("q");
    assert!(!person.app.is_over());
    person.press("\u{8}\n");
    assert!(person.marked().starts_with("far"));
    person.press("\u{1b}");
    person.shows("files   up");
}

#[test]
fn one_question_is_out_at_a_time() {
    let mut person = Person::at(80, 24);
    assert_eq!(person.app.take(News::Changed), None);
    let answer = || Ok(Answer::Overview(Box::new(overview(&["files"]))));
    let next = person.app.take(News::Answer(Ask::Overview, answer()));
    assert_eq!(next, Some(Ask::Overview));
    assert_eq!(person.app.take(News::Answer(Ask::Overview, answer())), None);
    person.app.take(News::Away("connection refused".into()));
    person.shows("not reachable, trying again: connection refused");
    assert_eq!(person.app.take(News::Changed), Some(Ask::Overview));
    person.hears(&["files"]);
    person.shows("j/k move");
}

#[test]
fn words_of_others_command_nothing() {
    let hostile = "x\u{1b}]0;title\u{7}\u{202e}y<b>";
    let mut person = Person::with(80, 24, &[hostile]);
    let ask = person.press("\n").unwrap();
    person.finds(
        &ask,
        vec![
            json!({"timestamp": hostile, "tool": hostile.repeat(20_000), "trace_id": "aa11",
        "outcome": hostile, "error": hostile}),
        ],
    );
    let of_trace = person.press("\n").unwrap();
    person.app.take(News::Answer(of_trace, Err(hostile.into())));
    for _ in 0..3 {
        let (lines, _) = person.sees();
        let all = lines.concat();
        assert!(!all.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{all}");
        person.press("\u{1b}");
    }
}
