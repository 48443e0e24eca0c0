//! What stands on a screen, line by line, painted as it is to be seen. Nothing here asks or waits.

use super::figures::{NONE, bytes, duration, number, percent};
use super::grid::{self, Column};
use super::overview::{Change, Overview, Part, Server};
use crate::alerts::{Alert, lasting};
use crate::ask::time_of_day;
use crate::terminal::{Look, Paint, clean};
use ph_rules::slo::{SloRow, Verdict};
use serde_json::Value as Json;

/// What a line leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The calls that a query of the log finds.
    Calls { title: String, query: String },
    /// What happened in a call.
    Trace { id: String, call: Json },
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Painted; the only escape sequences in it are those of [`Look::paint`].
    pub text: String,
    /// Where it leads when it is opened.
    pub target: Option<Target>,
}

impl Row {
    pub(super) fn plain(text: String) -> Self {
        Self { text, target: None }
    }
}

/// The first screen.
///
/// - `filter`: only alerts, servers and changes in which this stands.
pub(super) fn overview(overview: &Overview, daemon: &str, filter: &str, look: Look) -> Vec<Row> {
    let mut page = Page::new(look, filter);
    let at = time_of_day(overview.at_ms);
    let (paint, said) = verdict(overview);
    page.line(paint, &said);
    let at = at.get(..14).unwrap_or(&at);
    page.line(
        Paint::Faint,
        &format!("{daemon}  {at} UTC{}", traffic(overview)),
    );
    page.slos(&overview.slos);
    page.alerts(&overview.alerts, overview.at_ms);
    page.servers(&overview.servers, &overview.numbers);
    page.changes(&overview.changes);
    page.rows
}

/// The one line at the top.
fn verdict(overview: &Overview) -> (Paint, String) {
    let alerts = overview.alerts.as_deref().unwrap_or_default();
    let slos = overview.slos.as_deref().unwrap_or_default();
    let firing = alerts.iter().filter(|alert| alert.is_firing).count();
    let down = overview
        .servers
        .iter()
        .filter(|server| server.up == Some(false))
        .count();
    let violated = slos
        .iter()
        .filter(|slo| slo.verdict == Verdict::Violated)
        .count();
    let mut said = Vec::new();
    let mut say = |count: usize, one: &str, several: &str| match count {
        0 => {}
        1 => said.push(format!("1 {one}")),
        _ => said.push(format!("{count} {several}")),
    };
    say(firing, "alert fires", "alerts fire");
    say(down, "server does not answer", "servers do not answer");
    say(violated, "objective is violated", "objectives are violated");
    let is_critical = alerts
        .iter()
        .any(|a| a.is_firing && a.of("severity") == "critical")
        || down > 0;
    let is_blind = overview.alerts.is_err()
        || overview.slos.is_err()
        || slos
            .iter()
            .any(|slo| slo.verdict == Verdict::InsufficientData)
        || overview.servers.iter().any(|server| server.up.is_none());
    if !said.is_empty() {
        let paint = if is_critical { Paint::Bad } else { Paint::Warn };
        return (paint, format!("! {}", said.join(" · ")));
    }
    let text = if is_blind {
        "Nothing is known to be wrong. Some of it cannot be judged yet: there is too little data."
    } else {
        "Nothing is wrong."
    };
    (Paint::Bold, text.to_owned())
}

fn traffic(overview: &Overview) -> String {
    match overview.normal {
        None => String::new(),
        Some(_) => format!(
            "  traffic {}× that of a week before",
            number(overview.normal)
        ),
    }
}

/// Lines that are being written.
pub(super) struct Page {
    look: Look,
    width: Option<usize>,
    /// In small letters.
    filter: String,
    pub(super) rows: Vec<Row>,
}

const SLOS: [Column; 7] = [
    grid::text("OBJECTIVE", 0),
    grid::text("STATE", 1),
    grid::number("NOW", 2),
    grid::number("TARGET", 5),
    grid::number("BUDGET LEFT", 3),
    grid::number("BURN 1h/6h/3d", 4),
    grid::text("WHY", 6),
];
const ALERTS: [Column; 6] = [
    grid::text("ALERT", 0),
    grid::text("STATE", 2),
    grid::text("FOR", 1),
    grid::text("SEVERITY", 4),
    grid::text("SERVER", 3),
    grid::text("SUMMARY", 5),
];
const SERVERS: [Column; 10] = [
    grid::text("SERVER", 0),
    grid::text("STATE", 1),
    grid::number("REQ/S", 2),
    grid::number("P95", 3),
    grid::number("ERRORS", 2),
    grid::number("CPU", 5),
    grid::number("MEMORY", 4),
    grid::number("CHILDREN", 6),
    grid::number("READY", 7),
    grid::number("IN FLIGHT", 8),
];
const CHANGES: [Column; 4] = [
    grid::text("TIME", 0),
    grid::text("CHANGE", 0),
    grid::text("SERVER", 2),
    grid::text("DETAILS", 3),
];

/// A line of a table: how it is painted, its cells, where it leads.
pub(super) type Cells = (Paint, Vec<String>, Option<Target>);

impl Page {
    /// - `filter`: of tables, only rows in which this stands.
    pub(super) fn new(look: Look, filter: &str) -> Self {
        Self {
            look,
            width: look.cut.then_some(look.width),
            filter: filter.to_lowercase(),
            rows: Vec::new(),
        }
    }

    pub(super) fn line(&mut self, paint: Paint, text: &str) {
        let text = match self.width {
            Some(width) => grid::cut(text, width),
            None => text.to_owned(),
        };
        let text = match paint {
            USUAL => text,
            paint => self.look.paint(paint, &text),
        };
        self.rows.push(Row::plain(text));
    }

    fn title(&mut self, title: &str) {
        self.rows.push(Row::plain(String::new()));
        self.line(Paint::Bold, title);
    }

    pub(super) fn table(&mut self, columns: &[Column], rows: Vec<Cells>) {
        let wanted = |cells: &[String]| {
            self.filter.is_empty()
                || cells
                    .iter()
                    .any(|cell| cell.to_lowercase().contains(&self.filter))
        };
        let rows: Vec<Cells> = rows
            .into_iter()
            .filter(|(_, cells, _)| wanted(cells))
            .collect();
        let cells: Vec<Vec<String>> = rows.iter().map(|(_, cells, _)| cells.clone()).collect();
        let mut lines = grid::lines(columns, &cells, self.width).into_iter();
        let titles = lines.next().unwrap_or_default();
        self.rows
            .push(Row::plain(self.look.paint(Paint::Faint, &titles)));
        for ((paint, _, target), line) in rows.into_iter().zip(lines) {
            let text = match paint {
                USUAL => line,
                paint => self.look.paint(paint, &line),
            };
            self.rows.push(Row { text, target });
        }
    }

    /// `None` where a part is not known, which is said.
    fn known<'a, T>(&mut self, part: &'a Part<T>) -> Option<&'a T> {
        match part {
            Ok(known) => Some(known),
            Err(why) => {
                self.line(Paint::Warn, &format!("not known: {why}"));
                None
            }
        }
    }

    fn slos(&mut self, slos: &Part<Vec<SloRow>>) {
        self.title("SERVICE LEVELS");
        match self.known(slos).map(Vec::as_slice) {
            None => {}
            Some([]) => self.line(Paint::Faint, "No objectives are configured."),
            Some(slos) => self.table(&SLOS, slos.iter().map(slo).collect()),
        }
    }

    fn alerts(&mut self, alerts: &Part<Vec<Alert>>, at_ms: i64) {
        self.title("ALERTS");
        match self.known(alerts).map(Vec::as_slice) {
            None => {}
            Some([]) => self.line(Paint::Faint, "No alert fires or is pending."),
            Some(alerts) => {
                let rows = alerts.iter().map(|one| alert(one, at_ms)).collect();
                self.table(&ALERTS, rows);
            }
        }
    }

    fn servers(&mut self, servers: &[Server], numbers: &Part<()>) {
        self.title("SERVERS");
        self.known(numbers);
        if servers.is_empty() {
            self.line(Paint::Faint, "No server is configured.");
        } else {
            self.table(&SERVERS, servers.iter().map(server).collect());
        }
    }

    fn changes(&mut self, changes: &Part<Vec<Change>>) {
        self.title("WHAT CHANGED IN THE LAST HOUR");
        match self.known(changes).map(Vec::as_slice) {
            None => {}
            Some([]) => self.line(Paint::Faint, "Nothing changed."),
            Some(changes) => self.table(&CHANGES, changes.iter().map(change).collect()),
        }
    }
}

/// As the terminal's own colour is.
pub(super) const USUAL: Paint = Paint::Series(0);

fn slo(row: &SloRow) -> Cells {
    let (paint, state) = match row.verdict {
        Verdict::Met => (USUAL, "met"),
        Verdict::AtRisk => (Paint::Warn, "at risk"),
        Verdict::Violated => (Paint::Bad, "violated"),
        Verdict::InsufficientData => (Paint::Faint, "too little data"),
    };
    let burn = ["1h", "6h", "3d"].map(|window| {
        let burn = row.burn.iter().find(|burn| burn.window == window);
        burn.and_then(|burn| burn.rate).map_or_else(
            || NONE.to_owned(),
            |rate| format!("{}×", number(Some(rate))),
        )
    });
    let left = match row.budget.left_percent {
        Some(left) if left < 0.0 => format!("overspent by {}", percent(Some(-left), 0)),
        left => percent(left, 1),
    };
    let why = match row.verdict {
        Verdict::Met => String::new(),
        _ => clean(&row.reason),
    };
    let cells = vec![
        clean(&row.name),
        state.to_owned(),
        percent(row.good_percent, 3),
        percent(Some(row.target_percent), 3),
        left,
        burn.join(" "),
        why,
    ];
    (paint, cells, None)
}

fn alert(alert: &Alert, at_ms: i64) -> Cells {
    let paint = match (alert.state(), alert.of("severity")) {
        ("firing", "critical") => Paint::Bad,
        ("firing", _) => Paint::Warn,
        _ => Paint::Faint,
    };
    let summary = alert.annotations["summary"].as_str().unwrap_or_default();
    let cells = vec![
        clean(alert.of("alertname")),
        alert.state().to_owned(),
        lasting(at_ms - alert.since_ms),
        clean(alert.of("severity")),
        clean(alert.of("server")),
        clean(summary.trim()),
    ];
    let mut query = "kind=call".to_owned();
    for field in ["server", "tool", "method"] {
        if !alert.of(field).is_empty() {
            query.push_str(&format!(" {field}={}", quoted(alert.of(field))));
        }
    }
    let title = clean(alert.of("alertname"));
    (paint, cells, Some(Target::Calls { title, query }))
}

fn server(server: &Server) -> Cells {
    let lacks = server.wanted.is_some_and(|wanted| server.ready < wanted);
    let paint = match server.up {
        None => Paint::Faint,
        Some(false) => Paint::Bad,
        Some(true) if server.drained || lacks => Paint::Warn,
        Some(true) => USUAL,
    };
    let name = clean(&server.name);
    let cells = vec![
        name.clone(),
        server.state().to_owned(),
        number(server.rate),
        duration(server.p95),
        percent(server.failed, 1),
        number(server.cpu),
        bytes(server.memory),
        if server.is_stdio {
            server.children.to_string()
        } else {
            NONE.to_owned()
        },
        server.wanted.map_or_else(
            || NONE.to_owned(),
            |wanted| format!("{}/{wanted}", server.ready),
        ),
        server.in_flight.to_string(),
    ];
    let query = format!("kind=call server={}", quoted(&server.name));
    (paint, cells, Some(Target::Calls { title: name, query }))
}

fn change(change: &Change) -> Cells {
    let time = time_of_day(change.at_ms);
    let cells = vec![
        time.get(6..14).unwrap_or(&time).to_owned(),
        change.what.clone(),
        change.server.clone().unwrap_or_default(),
        change.text.clone(),
    ];
    let paint = if change.is_bad { Paint::Warn } else { USUAL };
    (paint, cells, None)
}

/// A value in a query of the log.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
