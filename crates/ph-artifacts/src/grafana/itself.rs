//! Pilothouse itself: what it uses, whether it loses something, and its store, sinks and rules.

use ph_plan::Plan;
use ph_record::catalogue;

use super::board::{Board, Chart};
use super::model::Dashboard;
use super::select::{of, quantile, rate, sum_rate};

pub(super) fn dashboard(plan: &Plan) -> Dashboard {
    let mut board = Board::new(
        "pilothouse-itself",
        "Pilothouse: itself",
        "What Pilothouse uses, and whether it loses something.",
        catalogue::BUILD_INFO.name,
        "now-6h",
    );
    now(&mut board, plan);
    process(&mut board);
    telemetry(&mut board);
    store(&mut board);
    alerts(&mut board);
    board.done()
}

fn now(board: &mut Board, plan: &Plan) {
    board.row("Now");
    board.add(
        Chart::stat("Scraped", "short", "Instances that answer scrapes.")
            .query(format!("sum ({})", of("up", "")), "instances"),
    );
    board.add(
        Chart::stat(
            "Up since",
            "s",
            "Time since the youngest instance was started.",
        )
        .query(
            format!(
                "min (time() - {} * on (job, instance) group_left () {})",
                of(catalogue::PROCESS_START.name, ""),
                of(catalogue::BUILD_INFO.name, "")
            ),
            "up since",
        ),
    );
    board.add(
        Chart::stat(
            "Configuration",
            "bool",
            "Whether a configuration on disk is rejected and an older one runs.",
        )
        .query(
            format!("max ({})", of(catalogue::CONFIG_REJECTED.name, "")),
            "rejected",
        )
        .colours("green", &[(1.0, "red")]),
    );
    board.add(
        Chart::stat("Store", "bool", "Whether the store cannot write.")
            .query(
                format!("max ({})", of(catalogue::STORE_FAILING.name, "")),
                "failing",
            )
            .colours("green", &[(1.0, "red")]),
    );
    let free = plan.rules.thresholds.disk_free_ratio;
    board.add(
        Chart::stat(
            "Disk free",
            "percentunit",
            "Free share of the fullest disk under a data directory.",
        )
        .query(
            format!(
                "min ({} / {})",
                of(catalogue::DISK_FREE.name, ""),
                of(catalogue::DISK_SIZE.name, "")
            ),
            "free",
        )
        .decimals(1)
        .colours("red", &[(free, "yellow"), (2.0 * free, "green")]),
    );
    board.add(
        Chart::stat("Alerts firing", "short", "Alerts that fire here.")
            .query(
                format!(
                    "sum ({})",
                    of(catalogue::RULE_ALERTS.name, r#"state="firing""#)
                ),
                "firing",
            )
            .colours("green", &[(1.0, "red")]),
    );
}

fn process(board: &mut Board) {
    board.row("Process");
    let lines = |title, unit, about: &str| {
        Chart::lines(title, unit, about)
            .size(8, 7)
            .between(0.0, None)
    };
    let ours = "and on (job, instance)";
    let info = of(catalogue::BUILD_INFO.name, "");
    board.add(
        lines(
            "CPU of Pilothouse",
            "none",
            "Cores in use, user and system, by instance.",
        )
        .query(
            format!("{} {ours} {info}", rate(catalogue::PROCESS_CPU.name, "")),
            "{{instance}}",
        ),
    );
    board.add(
        lines(
            "Memory of Pilothouse",
            "bytes",
            "Resident memory, by instance.",
        )
        .query(
            format!("{} {ours} {info}", of(catalogue::PROCESS_RSS.name, "")),
            "{{instance}}",
        ),
    );
    board.add(
        lines(
            "File descriptors of Pilothouse",
            "percentunit",
            "Share of the limit that is open, by instance.",
        )
        .query(
            format!(
                "{} / {} {ours} {info}",
                of(catalogue::PROCESS_FDS.name, ""),
                of(catalogue::PROCESS_FDS_MAX.name, "")
            ),
            "{{instance}}",
        ),
    );
}

fn telemetry(board: &mut Board) {
    board.row("Telemetry");
    board.add(
        Chart::lines(
            "Records",
            "ops",
            "Log records per second: offered to the recorder, and written.",
        )
        .query(sum_rate("", catalogue::RECORDS_OFFERED.name, ""), "offered")
        .query(sum_rate("", catalogue::RECORDS.name, ""), "written")
        .query(sum_rate("", catalogue::STORE_RECORDS.name, ""), "stored")
        .between(0.0, None),
    );
    board.add(
        Chart::lines(
            "Dropped",
            "ops",
            "What is dropped per second; anything but 0 is a loss.",
        )
        .query(
            sum_rate("reason", catalogue::RECORDS_DROPPED.name, ""),
            "log lines: {{reason}}",
        )
        .query(
            sum_rate("reason", catalogue::SPANS_DROPPED.name, ""),
            "spans: {{reason}}",
        )
        .query(
            sum_rate("reason", catalogue::STORE_DROPPED.name, ""),
            "store, records: {{reason}}",
        )
        .query(
            sum_rate("reason", catalogue::STORE_SAMPLES_DROPPED.name, ""),
            "store, samples: {{reason}}",
        )
        .between(0.0, None),
    );
    board.add(
        Chart::lines(
            "Lag of sinks",
            "s",
            "Age of the oldest record that a sink has not taken.",
        )
        .query(
            of(catalogue::SINK_LAG_SECONDS.name, ""),
            "{{instance}} {{sink}}",
        )
        .between(0.0, None),
    );
    board.add(
        Chart::lines(
            "Entries of sinks",
            "ops",
            "Records per second that sinks are done with, by what became of them.",
        )
        .query(
            sum_rate("sink, result", catalogue::SINK_ENTRIES.name, ""),
            "{{sink}} {{result}}",
        )
        .between(0.0, None),
    );
}

fn store(board: &mut Board) {
    board.row("Store");
    let lines = |title, unit, about: &str| {
        Chart::lines(title, unit, about)
            .size(8, 7)
            .between(0.0, None)
    };
    board.add(
        lines("Size of the store", "bytes", "Bytes on disk, by part.").query(
            format!(
                "sum by (instance, part) ({})",
                of(catalogue::STORE_BYTES.name, "")
            ),
            "{{instance}} {{part}}",
        ),
    );
    board.add(
        lines("Series", "short", "Series that the store has in memory.")
            .query(of(catalogue::STORE_SERIES.name, ""), "{{instance}}"),
    );
    board.add(
        lines(
            "Time until safe",
            "s",
            "Time until what was written was safe on the disk.",
        )
        .query(
            quantile("0.5", "", catalogue::STORE_SYNC_SECONDS.name, ""),
            "p50",
        )
        .query(
            quantile("0.99", "", catalogue::STORE_SYNC_SECONDS.name, ""),
            "p99",
        ),
    );
}

fn alerts(board: &mut Board) {
    board.row("Rules and notifications");
    let lines = |title, unit, about: &str| {
        Chart::lines(title, unit, about)
            .size(8, 7)
            .between(0.0, None)
    };
    board.add(
        lines(
            "Alerts",
            "short",
            "Alerts that are pending or fire here, by rule.",
        )
        .query(
            format!(
                "sum by (alertname, state) ({}) > 0",
                of(catalogue::RULE_ALERTS.name, "")
            ),
            "{{alertname}} {{state}}",
        ),
    );
    board.add(
        lines(
            "Evaluation of rules",
            "s",
            "Time that the evaluation of a group took, by group.",
        )
        .query(of(catalogue::RULE_GROUP_SECONDS.name, ""), "{{group}}"),
    );
    board.add(
        lines(
            "Failures",
            "ops",
            "Rules per second that could not be evaluated, and evaluations left out.",
        )
        .query(
            sum_rate("group", catalogue::RULE_FAILURES.name, ""),
            "failed: {{group}}",
        )
        .query(
            sum_rate("group", catalogue::RULE_MISSED.name, ""),
            "missed: {{group}}",
        ),
    );
    board.add(
        lines(
            "Notifications",
            "ops",
            "Notifications per second, by receiver and what became of them.",
        )
        .query(
            sum_rate("receiver, result", catalogue::ALERT_NOTIFICATIONS.name, ""),
            "{{receiver}} {{result}}",
        ),
    );
}
