//! Objectives as a rule file of Prometheus.
//!
//! Names and labels are sloth's, so that its dashboards show them. The shares are made of counts of events
//! over each time. What burns too fast over a long and a short time fires; while nothing can be seen at all
//! it goes on firing, for at most a day, instead of being resolved.

use super::table::{allowed, pairs, promise};
use super::words::{percent, span};
use ph_plan::{Plan, Slo, SloName};
use ph_record::catalogue;
use std::fmt::Write;

/// Times from this on are evaluated less often: a sample of theirs costs as many as the time has.
const LONG_MS: i64 = 86_400_000;
/// How often; shorter than PromQL looks back.
const LONG_INTERVAL: &str = "2m";
/// For how long an alert that cannot be judged goes on firing.
const FROZEN: &str = "1d";
/// Labels that tell objectives apart.
const ID: &str = "sloth_id, sloth_service, sloth_slo";

/// The rule file for the objectives of a plan: empty groups for none.
#[must_use]
pub fn compile(plan: &Plan) -> String {
    let slos = plan.slos_in_force();
    if slos.is_empty() {
        return "groups: []\n".to_owned();
    }
    let runbook = format!("{}/runbooks/", plan.external_url());
    let mut out = "groups:\n".to_owned();
    for (name, slo) in &slos {
        One::of(name, slo, &runbook).write(&mut out);
    }
    out
}

/// One objective on its way into the file.
struct One<'a> {
    name: &'a SloName,
    slo: &'a Slo,
    runbook: &'a str,
    /// Labels of everything that is recorded.
    labels: Vec<(&'static str, String)>,
    /// `{sloth_id="…"}`
    selector: String,
}

impl<'a> One<'a> {
    fn of(name: &'a SloName, slo: &'a Slo, runbook: &'a str) -> Self {
        let service = slo
            .server
            .as_ref()
            .map_or("pilothouse", |name| name.as_str());
        let id = format!("pilothouse-{name}");
        Self {
            name,
            slo,
            runbook,
            selector: format!("{{sloth_id=\"{id}\"}}"),
            labels: vec![
                ("sloth_id", id),
                ("sloth_service", service.to_owned()),
                ("sloth_slo", name.to_string()),
            ],
        }
    }

    fn write(&self, out: &mut String) {
        let period_ms = i64::from(self.slo.window.days()) * 86_400_000;
        let pairs = pairs(self.slo.window.days());
        let mut windows: Vec<i64> = pairs
            .iter()
            .flat_map(|(long, short, _)| [*long, *short])
            .collect();
        // sloth's dashboards ask for the first, and the last is the whole time.
        windows.extend([5 * 60_000, period_ms]);
        windows.sort_unstable();
        windows.dedup();
        self.group(out, "", None);
        for window in windows.iter().filter(|window| **window < LONG_MS) {
            self.sli(out, *window);
        }
        self.meta(out);
        self.alerts(out, &pairs);
        self.group(out, "-long", Some(LONG_INTERVAL));
        for window in windows.iter().filter(|window| **window >= LONG_MS) {
            self.sli(out, *window);
        }
        self.period(out, &span(period_ms));
    }

    fn group(&self, out: &mut String, suffix: &str, interval: Option<&str>) {
        push(out, &format!("  - name: slo-{}{suffix}\n", self.name));
        if let Some(interval) = interval {
            push(out, &format!("    interval: {interval}\n"));
        }
        out.push_str("    rules:\n");
    }

    /// Events of a time, and the share of them that is bad; nothing where there are none.
    fn sli(&self, out: &mut String, window_ms: i64) {
        let window = span(window_ms);
        let metric = catalogue::SLO_EVENTS.name;
        let name = self.name;
        let labels = [("sloth_window", window.clone())];
        for (record, result) in [("total", ""), ("bad", ",result=\"bad\"")] {
            let expr = format!("sum(increase({metric}{{slo=\"{name}\"{result}}}[{window}]))");
            self.record(
                out,
                &format!("slo:events_{record}:increase{window}"),
                &expr,
                &labels,
            );
        }
        let selector = &self.selector;
        let expr = format!(
            "slo:events_bad:increase{window}{selector} / (slo:events_total:increase{window}{selector} > 0)"
        );
        self.record(
            out,
            &format!("slo:sli_error:ratio_rate{window}"),
            &expr,
            &labels,
        );
    }

    /// What is promised, as series.
    fn meta(&self, out: &mut String) {
        let allowed = number(allowed(self.slo));
        let objective = format!("vector({})", number(1.0 - self.allowed()));
        self.record(out, "slo:objective:ratio", &objective, &[]);
        self.record(
            out,
            "slo:error_budget:ratio",
            &format!("vector({allowed})"),
            &[],
        );
        let days = format!("vector({})", self.slo.window.days());
        self.record(out, "slo:time_period:days", &days, &[]);
        self.burn_rate(out, "current", "5m");
        let info = [
            (
                "sloth_version",
                format!("pilothouse/{}", env!("CARGO_PKG_VERSION")),
            ),
            ("sloth_mode", "pilothouse".to_owned()),
            ("sloth_spec", "pilothouse".to_owned()),
            ("sloth_objective", number(self.slo.target_percent())),
        ];
        self.record(out, "sloth_slo_info", "vector(1)", &info);
    }

    /// What the whole time comes to.
    fn period(&self, out: &mut String, period: &str) {
        self.burn_rate(out, "period", period);
        let expr = format!("1 - slo:period_burn_rate:ratio{}", self.selector);
        self.record(out, "slo:period_error_budget_remaining:ratio", &expr, &[]);
    }

    fn burn_rate(&self, out: &mut String, which: &str, window: &str) {
        let selector = &self.selector;
        let expr = format!(
            "max by ({ID}) (slo:sli_error:ratio_rate{window}{selector}) / on ({ID}) slo:error_budget:ratio{selector}"
        );
        self.record(out, &format!("slo:{which}_burn_rate:ratio"), &expr, &[]);
    }

    fn record(&self, out: &mut String, name: &str, expr: &str, more: &[(&'static str, String)]) {
        push(
            out,
            &format!("      - record: {name}\n        expr: {}\n", quoted(expr)),
        );
        self.labels(out, more);
    }

    fn labels(&self, out: &mut String, more: &[(&'static str, String)]) {
        out.push_str("        labels:\n");
        for (name, value) in self.labels.iter().chain(more) {
            push(out, &format!("          {name}: {}\n", quoted(value)));
        }
    }

    fn alerts(&self, out: &mut String, pairs: &[(i64, i64, f64); 4]) {
        self.alert(out, "ErrorBudgetBurn", ("page", "critical"), &pairs[..2]);
        self.alert(
            out,
            "ErrorBudgetBurnSlow",
            ("ticket", "warning"),
            &pairs[2..],
        );
    }

    fn alert(
        &self,
        out: &mut String,
        alert: &str,
        (kind, severity): (&'static str, &'static str),
        pairs: &[(i64, i64, f64)],
    ) {
        let burning: Vec<String> = pairs.iter().map(|pair| self.burning(*pair)).collect();
        let burning = burning.join("\nor\n");
        let expr = format!("{burning}\nor\n{}", self.frozen(alert, pairs));
        push(out, &format!("      - alert: {alert}\n        expr: |\n"));
        for line in expr.lines() {
            push(out, &format!("          {line}\n"));
        }
        let mut labels = vec![
            ("sloth_severity", kind.to_owned()),
            ("severity", severity.to_owned()),
            ("slo", self.name.to_string()),
        ];
        if let Some(server) = &self.slo.server {
            labels.push(("server", server.to_string()));
        }
        self.labels(out, &labels);
        let (promise, target) = (promise(self.slo), percent(self.slo.target_percent()));
        let (long, _, factor) = pairs[0];
        let name = self.name;
        let summary = format!("The error budget of {name} burns too fast");
        let description = format!(
            "{{{{ $value | humanizePercentage }}}} of the events of {name} ({promise}) are bad; its target of {target} allows {}. \
             At {factor} times that, as over {} or the longer time of this alert, the budget is used up early.",
            percent(self.allowed() * 100.0),
            span(long)
        );
        out.push_str("        annotations:\n");
        push(out, &format!("          summary: {}\n", quoted(&summary)));
        push(
            out,
            &format!("          description: {}\n", quoted(&description)),
        );
        push(
            out,
            &format!(
                "          runbook_url: {}\n",
                quoted(&format!("{}{alert}", self.runbook))
            ),
        );
    }

    /// The share of bad events over a long time, while it is too large there and over a short one, too.
    fn burning(&self, (long, short, factor): (i64, i64, f64)) -> String {
        let selector = &self.selector;
        let (long, short) = (span(long), span(short));
        let limit = format!("{} * {}", number(factor), number(self.allowed()));
        let of = |record: &str| format!("max by ({ID}) ({record}{selector}");
        format!(
            "(\n  {long_bad} > {limit})\n  and {short_bad} > {limit})\n  and {events} >= {least})\n)",
            long_bad = of(&format!("slo:sli_error:ratio_rate{long}")),
            short_bad = of(&format!("slo:sli_error:ratio_rate{short}")),
            events = of(&format!("slo:events_total:increase{long}")),
            least = self.slo.min_events,
        )
    }

    /// What was last known of an alert that fires, while nothing is seen.
    fn frozen(&self, alert: &str, pairs: &[(i64, i64, f64)]) -> String {
        let selector = &self.selector;
        let id = &self.labels[0].1;
        let longest = pairs
            .iter()
            .map(|(long, _, _)| *long)
            .max()
            .unwrap_or_default();
        let window = span(longest);
        format!(
            "(\n  max by ({ID}) (last_over_time(slo:sli_error:ratio_rate{window}{selector}[{FROZEN}]))\n  \
             and max by ({ID}) (ALERTS{{alertname=\"{alert}\",alertstate=\"firing\",sloth_id=\"{id}\"}})\n  \
             unless max by ({ID}) (slo:events_total:increase5m{selector})\n)"
        )
    }

    fn allowed(&self) -> f64 {
        allowed(self.slo)
    }
}

fn push(out: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = out.write_str(text);
}

/// A text as YAML and JSON alike write it.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A share without the last digits of floating point.
fn number(value: f64) -> String {
    format!("{}", (value * 1e9).round() / 1e9)
}
