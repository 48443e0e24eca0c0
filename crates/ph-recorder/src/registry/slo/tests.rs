use super::*;
use crate::sample::record;
use ph_base::ServerName;
use ph_plan::NoSecrets;
use ph_record::{Answer, RefusedReason};

/// A table with the servers `a` and `b`, each with the tool `echo`, and the objectives of a text.
struct Given {
    table: ServerTable,
    slos: Slos,
}

const SERVERS: &str = "servers: {a: {command: x}, b: {command: x}}\nslos:\n";

impl Given {
    fn new(slos: &str) -> Self {
        let table = ServerTable::default();
        for name in ["a", "b"] {
            let name = ServerName::parse(name).unwrap();
            table.intern(&name).unwrap().tools.learn("echo");
        }
        Self {
            table,
            slos: Slos::new(&read(slos), None),
        }
    }

    fn record(&self, server: usize, ending: Ending) -> CallRecord {
        record(&self.table.all()[server], ending)
    }

    fn call(&self, record: &CallRecord) {
        self.slos.call(&self.table, record);
    }

    /// `name source good/bad`, without what is 0/0.
    fn counts(&self) -> Vec<String> {
        let mut counts: Vec<(String, Vec<u64>)> = Vec::new();
        self.slos.read(|[name, source, _], count| {
            let name = format!("{name} {source}");
            match counts.last_mut().filter(|(last, _)| *last == name) {
                Some((_, seen)) => seen.push(count),
                None => counts.push((name, vec![count])),
            }
        });
        counts.retain(|(_, seen)| seen.iter().any(|count| *count > 0));
        let shown = counts
            .iter()
            .map(|(name, seen)| format!("{name} {}/{}", seen[0], seen[1]));
        shown.collect()
    }
}

fn read(slos: &str) -> BTreeMap<SloName, Slo> {
    let text = format!("{SERVERS}{slos}");
    let (plan, _) = ph_plan::load("p.yaml", &text, &NoSecrets).unwrap();
    plan.slos_in_force()
}

const FOUR: &str = "  up: {objective: availability}\n  quick: {objective: latency}\n  right: {objective: error_rate}\n  strict: {objective: error_rate, tool_errors: bad}\n";

#[test]
fn every_ending_is_the_event_that_the_documentation_says() {
    use Ending as E;
    let good = [
        "quick demand 1/0",
        "right demand 1/0",
        "strict demand 1/0",
        "up demand 1/0",
    ];
    let not_quick = ["right demand 0/1", "strict demand 0/1", "up demand 0/1"];
    let none: &[&str] = &[];
    for (ending, want) in [
        (E::Answered(Answer::Complete), &good[..]),
        (E::Answered(Answer::InputRequired), &good),
        (
            E::Answered(Answer::ToolError),
            &[
                "quick demand 1/0",
                "right demand 1/0",
                "strict demand 0/1",
                "up demand 1/0",
            ],
        ),
        (
            E::Answered(Answer::Error(-32603)),
            &[
                "quick demand 1/0",
                "right demand 0/1",
                "strict demand 0/1",
                "up demand 0/1",
            ],
        ),
        (
            E::Deadline,
            &[
                "quick demand 0/1",
                "right demand 0/1",
                "strict demand 0/1",
                "up demand 0/1",
            ],
        ),
        (E::ServerDied, &not_quick),
        (E::Unreachable, &not_quick),
        (E::Overload, &not_quick),
        (E::BadAnswer, &not_quick),
        (E::HttpError(503), &not_quick),
        (E::HttpError(404), none),
        (E::Answered(Answer::Error(-32601)), none),
        (E::Refused(RefusedReason::Host), none),
        (E::Cancelled, none),
        (E::ClientGone, none),
    ] {
        let given = Given::new(FOUR);
        given.call(&given.record(0, ending));
        assert_eq!(given.counts(), want, "{ending:?}");
    }
}

#[test]
fn latency_leaves_out_streams_and_what_the_client_took() {
    let given = Given::new("  quick: {objective: latency, threshold: 10ms}\n");
    let call = |duration_ms: u64, waited_ms: u64, is_stream| {
        let mut record = given.record(0, Ending::Answered(Answer::Complete));
        record.duration_ns = duration_ms * 1_000_000;
        record.waited_on_client_ns = waited_ms * 1_000_000;
        record.is_stream = is_stream;
        given.call(&record);
        given.counts()
    };
    assert_eq!(call(10, 0, false), ["quick demand 1/0"]);
    assert_eq!(call(11, 0, false), ["quick demand 1/1"]);
    assert_eq!(call(1000, 995, false), ["quick demand 2/1"]);
    assert_eq!(call(1000, 0, true), ["quick demand 2/1"]);
}

#[test]
fn servers_tools_and_clients_choose() {
    let given = Given::new(
        "  a: {objective: error_rate, server: a}\n  e: {objective: error_rate, tool: e*o}\n  n: {objective: error_rate, tool: none}\n  c: {objective: error_rate, client: cla*}\n",
    );
    let call = |server, tool: Option<&str>, client: Option<&str>| {
        let mut record = given.record(server, Ending::Answered(Answer::Complete));
        record.tool = tool.map_or(ToolIdx::NONE, |tool| {
            given.table.all()[server].tools.find(tool).0
        });
        record.target = tool.map(Into::into);
        record.client = client.map(Into::into);
        given.call(&record);
        given.counts()
    };
    assert_eq!(
        call(0, Some("echo"), None),
        ["a demand 1/0", "e demand 1/0"]
    );
    assert_eq!(
        call(1, Some("echo"), Some("claude/1")),
        ["a demand 1/0", "c demand 1/0", "e demand 2/0"]
    );
    // A tool without a label of its own is compared by the name that was sent.
    assert_eq!(
        call(1, Some("ergo"), Some("x/claude/1")),
        ["a demand 1/0", "c demand 1/0", "e demand 3/0"]
    );
    assert_eq!(call(1, None, None).len(), 3);
}

#[test]
fn a_question_of_the_server_is_no_event() {
    let given = Given::new(FOUR);
    let mut record = given.record(0, Ending::Deadline);
    record.direction = Direction::ToClient;
    given.call(&record);
    assert_eq!(given.counts(), [""; 0]);
}

#[test]
fn probes_are_counted_apart_and_only_for_availability() {
    let given = Given::new(
        "  up: {objective: availability, server: a}\n  tool: {objective: availability, tool: x}\n  right: {objective: error_rate}\n",
    );
    let server = |nth: usize| given.table.all()[nth].idx;
    for (nth, result) in [
        (0, HealthResult::Ok),
        (0, HealthResult::Timeout),
        (0, HealthResult::Unreachable),
        (1, HealthResult::Error),
    ] {
        given.slos.health(&given.table, server(nth), result);
    }
    assert_eq!(given.counts(), ["up probe 1/2"]);
}

#[test]
fn a_reload_goes_on_with_what_stays() {
    let mut given = Given::new(FOUR);
    let ok = given.record(0, Ending::Answered(Answer::Complete));
    given.call(&ok);
    let changed =
        read("  up: {objective: availability, target: 90}\n  new: {objective: error_rate}\n");
    given.slos = Slos::new(&changed, Some(&given.slos));
    given.call(&ok);
    assert_eq!(given.counts(), ["new demand 1/0", "up demand 2/0"]);
}

#[test]
fn throughput_is_judged_by_slots_in_which_it_was_asked_for() {
    let given = Given::new("  many: {objective: throughput, rate: 1}\n");
    let began = Instant::now();
    let mut slots = Slots::new(began);
    let mut slot = |nth: u32, good: usize, bad: usize, in_flight: i64| {
        for _ in 0..good {
            given.call(&given.record(0, Ending::Answered(Answer::Complete)));
        }
        for _ in 0..bad {
            given.call(&given.record(0, Ending::Overload));
        }
        given.table.all()[0]
            .live
            .calls_in_flight
            .store(in_flight, Relaxed);
        // In the middle of a slot nothing is judged.
        slots.sample(
            &given.slos,
            &given.table,
            began + SLOT * (nth - 1) + SLOT / 2,
        );
        slots.sample(&given.slos, &given.table, began + SLOT * nth);
        given.counts()
    };
    assert_eq!(slot(1, 10, 0, 0), [""; 0], "nothing to compare with");
    assert_eq!(slot(2, 9, 0, 0), [""; 0], "not asked for");
    assert_eq!(slot(3, 10, 0, 0), ["many demand 1/0"]);
    assert_eq!(
        slot(4, 9, 1, 0),
        ["many demand 1/1"],
        "refused for overload"
    );
    assert_eq!(
        slot(5, 2, 0, 8),
        ["many demand 1/2"],
        "asked for and waiting"
    );
    assert_eq!(slot(6, 8, 0, 0), ["many demand 1/2"], "asked for before");
}
