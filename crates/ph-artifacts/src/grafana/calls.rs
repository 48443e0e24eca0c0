//! Rate, errors and durations, per server and tool.

use ph_record::catalogue;

use super::board::{Board, Chart};
use super::model::Dashboard;
use super::select::{of, quantile, share, sum_rate};

const REQUESTS: &str = catalogue::REQUESTS.name;
const SECONDS: &str = catalogue::RESPONSE_SECONDS.name;
const TOOLS: &str = catalogue::TOOL_CALLS.name;
const SERVER: &str = r#"server=~"$server""#;
const TOOL: &str = r#"server=~"$server", tool=~"$tool""#;

pub(super) fn dashboard() -> Dashboard {
    let mut board = Board::new(
        "pilothouse-calls",
        "Pilothouse: calls",
        "Rate, errors and durations of calls, per server and tool.",
        REQUESTS,
        "now-1h",
    )
    .variable("server", "Server", REQUESTS)
    .variable("tool", "Tool", TOOLS);
    servers(&mut board);
    tools(&mut board);
    waiting(&mut board);
    board.done()
}

fn servers(board: &mut Board) {
    board.row("Servers");
    board.add(
        Chart::stacked("Calls by server", "reqps", "Calls per second.")
            .query(sum_rate("server", REQUESTS, SERVER), "{{server}}"),
    );
    board.add(
        Chart::stacked(
            "Calls by status",
            "reqps",
            "Calls per second, by the status that a plain HTTP API would have given: 5xx means that the \
             service failed, 4xx that the caller did.",
        )
        .query(sum_rate("status", REQUESTS, SERVER), "{{status}}"),
    );
    board.add(
        Chart::lines(
            "Error rate by server",
            "percentunit",
            "Share of calls that ended with a status of 5xx.",
        )
        .query(
            share(
                &failed("server", SERVER),
                &sum_rate("server", REQUESTS, SERVER),
            ),
            "{{server}}",
        )
        .between(0.0, None),
    );
    board.add(
        Chart::lines(
            "Durations by server",
            "s",
            "Time until the last byte of the answer; the points are traces that were kept.",
        )
        .query_with_exemplars(quantile("0.5", "server", SECONDS, SERVER), "{{server}} p50")
        .query_with_exemplars(
            quantile("0.95", "server", SECONDS, SERVER),
            "{{server}} p95",
        )
        .query_with_exemplars(
            quantile("0.99", "server", SECONDS, SERVER),
            "{{server}} p99",
        )
        .between(0.0, None),
    );
    board.add(
        Chart::lines(
            "Calls by method",
            "reqps",
            "Calls per second, by method of MCP.",
        )
        .query(sum_rate("method", REQUESTS, SERVER), "{{method}}"),
    );
    board.add(
        Chart::lines(
            "Refused requests",
            "reqps",
            "Requests per second that Pilothouse refused before a server saw them.",
        )
        .query(
            sum_rate(
                "server, reason",
                catalogue::REFUSED.name,
                r#"server=~"$server|""#,
            ),
            "{{server}} {{reason}}",
        ),
    );
}

fn tools(board: &mut Board) {
    board.row("Tools");
    board.add(
        Chart::stacked("Calls by tool", "reqps", "Tool calls per second.")
            .query(sum_rate("server, tool", TOOLS, TOOL), "{{server}} {{tool}}"),
    );
    board.add(
        Chart::lines(
            "Errors by tool",
            "percentunit",
            "Share of the calls of a tool that came back as an error of the tool itself.",
        )
        .query(
            share(
                &sum_rate(
                    "server, tool",
                    TOOLS,
                    &format!(r#"{TOOL}, outcome="tool_error""#),
                ),
                &sum_rate("server, tool", TOOLS, TOOL),
            ),
            "{{server}} {{tool}}",
        )
        .between(0.0, None),
    );
    board.add(
        Chart::lines(
            "Durations by tool, p95",
            "s",
            "95% of the calls of a tool were answered within this time.",
        )
        .query_with_exemplars(
            quantile("0.95", "server, tool", SECONDS, TOOL),
            "{{server}} {{tool}}",
        )
        .between(0.0, None),
    );
    board.add(
        Chart::stacked(
            "Outcomes of tool calls",
            "reqps",
            "Tool calls per second, by what they came to.",
        )
        .query(sum_rate("outcome", TOOLS, TOOL), "{{outcome}}"),
    );
}

fn waiting(board: &mut Board) {
    board.row("In between");
    board.add(
        Chart::lines(
            "Calls in flight",
            "short",
            "Calls that have begun and are not over, by server.",
        )
        .query(
            format!(
                "sum by (server) ({})",
                of(catalogue::CALLS_IN_FLIGHT.name, SERVER)
            ),
            "{{server}}",
        )
        .between(0.0, None),
    );
    board.add(
        Chart::lines(
            "Calls that wait",
            "percentunit",
            "How full the queue in front of a server is; when it is full, further calls are refused with 503.",
        )
        .query(
            format!(
                "max by (server) ({} / ({} > 0))",
                of(catalogue::QUEUE_DEPTH.name, SERVER),
                of(catalogue::QUEUE_LIMIT.name, SERVER)
            ),
            "{{server}}",
        )
        .between(0.0, None),
    );
    board.add(
        Chart::lines(
            "Sessions and streams",
            "short",
            "Open client sessions and streams, by server.",
        )
        .query(
            format!(
                "sum by (server) ({})",
                of(catalogue::ACTIVE_CONNECTIONS.name, SERVER)
            ),
            "{{server}}",
        )
        .between(0.0, None),
    );
    board.add(
        Chart::lines(
            "Time spent in Pilothouse",
            "s",
            "Time of a call that is neither the server's nor spent waiting for the client.",
        )
        .query(quantile("0.5", "", catalogue::OVERHEAD.name, SERVER), "p50")
        .query(
            quantile("0.99", "", catalogue::OVERHEAD.name, SERVER),
            "p99",
        )
        .between(0.0, None),
    );
    board.add(
        Chart::lines(
            "Size of requests and answers, p95",
            "bytes",
            "95% of the bodies were not larger.",
        )
        .query(
            quantile("0.95", "server", catalogue::REQUEST_BYTES.name, SERVER),
            "{{server}} requests",
        )
        .query(
            quantile("0.95", "server", catalogue::RESPONSE_BYTES.name, SERVER),
            "{{server}} answers",
        )
        .between(0.0, None),
    );
}

fn failed(by: &str, matchers: &str) -> String {
    sum_rate(by, REQUESTS, &format!(r#"{matchers}, status=~"5..""#))
}
