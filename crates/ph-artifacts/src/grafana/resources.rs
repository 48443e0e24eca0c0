//! What the processes of servers use.

use ph_plan::Plan;
use ph_record::catalogue;

use super::board::{Board, Chart};
use super::model::Dashboard;
use super::select::{of, quantile, sum_rate};

const SERVER: &str = r#"server=~"$server""#;

pub(super) fn dashboard(plan: &Plan) -> Dashboard {
    let mut board = Board::new(
        "pilothouse-resources",
        "Pilothouse: resources",
        "What the processes of MCP servers use, and how they live.",
        catalogue::PROCESSES.name,
        "now-6h",
    )
    .variable("server", "Server", catalogue::PROCESSES.name);
    processes(&mut board, plan);
    disk(&mut board);
    life(&mut board);
    board.done()
}

fn each(metric: &str) -> String {
    format!("sum by (server, replica) ({})", of(metric, SERVER))
}

fn processes(board: &mut Board, plan: &Plan) {
    board.row("Processes");
    board.add(
        Chart::lines(
            "CPU",
            "none",
            "Cores in use, user and system, by server and replica.",
        )
        .query(
            sum_rate("server, replica", catalogue::CPU_SECONDS.name, SERVER),
            "{{server}} {{replica}}",
        )
        .between(0.0, None),
    );
    board.add(
        Chart::lines("Memory", "bytes", "Resident memory, by server and replica.")
            .query(
                each(catalogue::RESIDENT_BYTES.name),
                "{{server}} {{replica}}",
            )
            .between(0.0, None),
    );
    board.add(
        Chart::lines(
            "Memory of a process",
            "bytes",
            "Resident memory of a process on average: what grows here is no matter of more sessions.",
        )
        .query(
            format!(
                "{} / ({} > 0)",
                each(catalogue::RESIDENT_BYTES.name),
                each(catalogue::PROCESSES.name)
            ),
            "{{server}} {{replica}}",
        )
        .between(0.0, None),
    );
    board.add(
        Chart::lines(
            "Open files",
            "percentunit",
            "Share of its limit of open files that the process nearest to it uses.",
        )
        .query(
            format!(
                "max by (server, replica) ({})",
                of(catalogue::OPEN_FDS_RATIO.name, SERVER)
            ),
            "{{server}} {{replica}}",
        )
        .between(0.0, Some(1.0))
        .colours("green", &[(plan.rules.thresholds.open_fds_ratio, "red")]),
    );
    board.add(
        Chart::lines(
            "File descriptors",
            "short",
            "Open file descriptors, by server and replica.",
        )
        .query(each(catalogue::OPEN_FDS.name), "{{server}} {{replica}}")
        .between(0.0, None),
    );
    board.add(
        Chart::lines(
            "Number of processes",
            "short",
            "Processes, grandchildren included, by server and replica.",
        )
        .query(each(catalogue::PROCESSES.name), "{{server}} {{replica}}")
        .between(0.0, None),
    );
}

fn disk(board: &mut Board) {
    board.row("Disk");
    board.add(
        Chart::lines(
            "Read",
            "Bps",
            "Bytes per second that processes read from storage.",
        )
        .query(
            sum_rate("server, replica", catalogue::DISK_READ_BYTES.name, SERVER),
            "{{server}} {{replica}}",
        )
        .between(0.0, None),
    );
    board.add(
        Chart::lines(
            "Written",
            "Bps",
            "Bytes per second that processes wrote to storage.",
        )
        .query(
            sum_rate(
                "server, replica",
                catalogue::DISK_WRITTEN_BYTES.name,
                SERVER,
            ),
            "{{server}} {{replica}}",
        )
        .between(0.0, None),
    );
}

fn life(board: &mut Board) {
    board.row("Life");
    board.add(
        Chart::lines(
            "Health checks",
            "bool",
            "Whether the last health check passed.",
        )
        .query(
            format!(
                "min by (server) ({})",
                of(catalogue::SERVER_UP.name, SERVER)
            ),
            "{{server}}",
        )
        .between(0.0, Some(1.0)),
    );
    board.add(
        Chart::lines(
            "Time of health checks, p95",
            "s",
            "95% of the health checks took no longer.",
        )
        .query(
            quantile(
                "0.95",
                "server",
                catalogue::HEALTH_SECONDS_HIST.name,
                SERVER,
            ),
            "{{server}}",
        )
        .between(0.0, None),
    );
    board.add(
        Chart::lines(
            "Restarts",
            "short",
            "Processes that were started in another's place, in 15 minutes, by reason.",
        )
        .query(
            format!(
                "sum by (server, reason) (increase({}[15m]))",
                of(catalogue::RESTARTS.name, SERVER)
            ),
            "{{server}} {{reason}}",
        )
        .between(0.0, None),
    );
    board.add(
        Chart::lines(
            "Children",
            "short",
            "Running children that Pilothouse has started, by server.",
        )
        .query(
            format!("sum by (server) ({})", of(catalogue::CHILDREN.name, SERVER)),
            "{{server}}",
        )
        .between(0.0, None),
    );
}
