//! The overview for whoever has promised something: availability, latency, errors, throughput, budgets.

use ph_plan::{Objective, Plan};
use ph_record::catalogue;

use super::board::{Board, Chart};
use super::model::Dashboard;
use super::select::{le, of, quantile, share, sum_of_month, sum_rate};

const REQUESTS: &str = catalogue::REQUESTS.name;
const SECONDS: &str = catalogue::RESPONSE_SECONDS.name;
const EVENTS: &str = catalogue::SLO_EVENTS.name;
const FAILED: &str = r#"status=~"5..""#;

pub(super) fn dashboard(plan: &Plan) -> Dashboard {
    let mut board = Board::new(
        "pilothouse-sla",
        "Pilothouse: SLA",
        "What was promised of MCP servers, and what was held over 30 days.",
        REQUESTS,
        "now-24h",
    );
    month(&mut board, plan);
    budgets(&mut board);
    course(&mut board);
    board.done()
}

/// Good share of 30 days, as the default target has it.
const AVAILABLE: f64 = 0.995;

fn month(board: &mut Board, plan: &Plan) {
    board.row("30 days");
    let slos = names(plan, Objective::Availability);
    let good = format!(r#"slo=~"{slos}", result="good""#);
    let all = format!(r#"slo=~"{slos}""#);
    let target = target(plan).unwrap_or(AVAILABLE);
    board.add(
        Chart::stat(
            "Availability (30 days)",
            "percentunit",
            "Share of health checks and calls that were answered, of the objectives for availability; \
             counted by events, so what was not there is not counted as good.",
        )
        .query(ratio(&sum_of_month("", EVENTS, &good), &sum_of_month("", EVENTS, &all)), "availability")
        .decimals(3)
        .colours("red", &[(target - 0.005, "yellow"), (target, "green")]),
    );
    board.add(
        Chart::stat(
            "Health checks passed (30 days)",
            "percentunit",
            "Share of the time in which the last health check of a server had passed, over all servers.",
        )
        .query(format!("avg (avg_over_time({}[30d]))", of(catalogue::SERVER_UP.name, "")), "up")
        .decimals(3)
        .colours("red", &[(target - 0.005, "yellow"), (target, "green")]),
    );
    board.add(
        Chart::stat(
            "Latency, p95 (30 days)",
            "s",
            "95% of all calls were answered within this time.",
        )
        .query(
            format!(
                "histogram_quantile(0.95, {})",
                sum_of_month("le", "mcp_response_duration_seconds_bucket", "")
            ),
            "p95",
        )
        .colours(
            "green",
            &[
                (1.0, "yellow"),
                (plan.rules.thresholds.response_time.as_secs_f64(), "red"),
            ],
        ),
    );
    board.add(
        Chart::stat(
            "Calls within 1 s (30 days)",
            "percentunit",
            "Share of calls that were answered within one second.",
        )
        .query(
            ratio(
                &sum_of_month("", "mcp_response_duration_seconds_bucket", &le(1)),
                &sum_of_month("", "mcp_response_duration_seconds_count", ""),
            ),
            "within 1 s",
        )
        .decimals(2)
        .colours("red", &[(0.9, "yellow"), (0.95, "green")]),
    );
    board.add(
        Chart::stat(
            "Error rate (30 days)",
            "percentunit",
            "Share of calls that ended with a status of 5xx.",
        )
        .query(
            errors(
                &sum_of_month("", REQUESTS, FAILED),
                &sum_of_month("", REQUESTS, ""),
            ),
            "errors",
        )
        .decimals(3)
        .colours(
            "green",
            &[(0.01, "yellow"), (plan.rules.thresholds.error_ratio, "red")],
        ),
    );
    board.add(
        Chart::stat(
            "Throughput",
            "reqps",
            "Calls per second of now, over all servers.",
        )
        .query(sum_rate("", REQUESTS, ""), "calls"),
    );
    board.add(
        Chart::bars(
            "Availability by objective (30 days)",
            "percentunit",
            "Share of good events of every service level objective, by where they were counted: health \
             checks (probe) or calls (demand).",
        )
        .query(
            ratio(
                &sum_of_month("slo, source", EVENTS, r#"result="good""#),
                &sum_of_month("slo, source", EVENTS, ""),
            ),
            "{{slo}} ({{source}})",
        )
        .decimals(3)
        .between(0.0, Some(1.0))
        .colours("red", &[(0.95, "yellow"), (0.99, "green")]),
    );
    board.add(
        Chart::bars(
            "Health checks passed by server (30 days)",
            "percentunit",
            "Share of the time in which the last health check of the server had passed.",
        )
        .query(
            format!(
                "avg by (server) (avg_over_time({}[30d]))",
                of(catalogue::SERVER_UP.name, "")
            ),
            "{{server}}",
        )
        .decimals(3)
        .between(0.0, Some(1.0))
        .colours("red", &[(target - 0.005, "yellow"), (target, "green")]),
    );
}

/// Of recording rules, which sum over jobs and instances.
fn budgets(board: &mut Board) {
    board.row("Error budgets");
    board.add(
        Chart::bars(
            "Budget left",
            "percentunit",
            "What is left of each objective's error budget; below 0 it is broken. No bar where too \
             little was seen to tell.",
        )
        .query("slo:period_error_budget_remaining:ratio", "{{sloth_slo}}")
        .decimals(1)
        .between(0.0, Some(1.0))
        .colours("red", &[(0.1, "yellow"), (0.5, "green")]),
    );
    board.add(
        Chart::lines(
            "Budget left over time",
            "percentunit",
            "What was left of each objective's error budget.",
        )
        .query("slo:period_error_budget_remaining:ratio", "{{sloth_slo}}")
        .between(0.0, Some(1.0)),
    );
    board.add(
        Chart::lines(
            "Burn rate",
            "none",
            "How fast budgets are burnt: at 1 a budget lasts exactly as long as its window, at 14.4 a \
             thirtieth of it is gone in an hour and a half.",
        )
        .query("slo:current_burn_rate:ratio", "{{sloth_slo}}")
        .colours("green", &[(1.0, "yellow"), (14.4, "red")]),
    );
    board.add(
        Chart::lines(
            "Good and bad events",
            "ops",
            "Events of the objectives per second, by what they were.",
        )
        .query(sum_rate("slo, result", EVENTS, ""), "{{slo}} {{result}}"),
    );
}

fn course(board: &mut Board) {
    board.row("Over time");
    board.add(
        Chart::lines("Calls", "reqps", "Calls per second, by server.")
            .query(sum_rate("server", REQUESTS, ""), "{{server}}"),
    );
    board.add(
        Chart::lines(
            "Error rate",
            "percentunit",
            "Share of calls that ended with a status of 5xx, by server.",
        )
        .query(
            share(
                &sum_rate("server", REQUESTS, FAILED),
                &sum_rate("server", REQUESTS, ""),
            ),
            "{{server}}",
        )
        .between(0.0, None),
    );
    board.add(
        Chart::lines(
            "Latency",
            "s",
            "Time until the last byte of the answer, over all calls.",
        )
        .query_with_exemplars(quantile("0.5", "", SECONDS, ""), "p50")
        .query_with_exemplars(quantile("0.95", "", SECONDS, ""), "p95")
        .query_with_exemplars(quantile("0.99", "", SECONDS, ""), "p99")
        .between(0.0, None),
    );
    board.add(
        Chart::lines(
            "Calls within 1 s",
            "percentunit",
            "Share of calls that were answered within one second, by server.",
        )
        .query(
            ratio(
                &sum_rate("server", "mcp_response_duration_seconds_bucket", &le(1)),
                &sum_rate("server", "mcp_response_duration_seconds_count", ""),
            ),
            "{{server}}",
        )
        .between(0.0, Some(1.0)),
    );
}

fn ratio(part: &str, whole: &str) -> String {
    format!("{part} / {whole}")
}

/// Where nothing has failed there is no series of failures, and the share of errors is 0.
fn errors(failed: &str, all: &str) -> String {
    format!("({failed} or vector(0)) / {all}")
}

/// The names of objectives, as a regular expression. Of the plan, or those of an empty one.
fn names(plan: &Plan, objective: Objective) -> String {
    match &plan.slos {
        None => objective.as_str().replace('_', "-"),
        Some(slos) => {
            let named = slos.iter().filter(|(_, slo)| slo.objective == objective);
            let names: Vec<_> = named
                .map(|(name, _)| name.as_str().replace('.', "[.]"))
                .collect();
            names.join("|")
        }
    }
}

/// The least target for availability, as a share.
fn target(plan: &Plan) -> Option<f64> {
    let slos = plan.slos.as_ref()?.values();
    slos.filter(|slo| slo.objective == Objective::Availability)
        .map(|slo| slo.target.unwrap_or(AVAILABLE * 100.0) / 100.0)
        .min_by(f64::total_cmp)
}
