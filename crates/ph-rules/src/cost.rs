//! What calls cost, as rules that are recorded.
//!
//! Cores and bytes are no sum: each is priced by itself, and money is added up.

use ph_plan::Plan;

/// The rule file of what calls cost, where the configuration has prices of CPU and memory (`cost`). Placeholders make no
/// rules: nobody would see from the series that they are none.
///
/// `mcp:cost_per_hour` is money by `server` and `resource` (cpu, memory, transfer), `mcp:cost_per_request` what a call of
/// a server costs; both with the label `currency`. Without calls there is no cost of a call. What is paid whatever is
/// used (`cost.fixed`) is not in it, and neither is a server that is not measured.
#[must_use]
pub fn text(plan: &Plan) -> Option<String> {
    let cost = &plan.cost;
    let prices = cost.prices();
    if prices.is_placeholder {
        return None;
    }
    let currency = cost.currency.as_str();
    let mut out = String::from(HEAD);
    let mut record = |name: &str, resource: Option<&str>, lines: &[String]| {
        out.push_str(&format!("      - record: {name}\n        expr: |-\n"));
        for line in lines {
            out.push_str(&format!("          {line}\n"));
        }
        out.push_str(&format!(
            "        labels:\n          currency: {currency}\n"
        ));
        if let Some(resource) = resource {
            out.push_str(&format!("          resource: {resource}\n"));
        }
    };
    record(
        PER_HOUR,
        Some("cpu"),
        &[format!(
            "sum without (replica) (rate(mcp_server_cpu_seconds_total[5m])) * {}",
            prices.cpu_hour
        )],
    );
    record(
        PER_HOUR,
        Some("memory"),
        &[format!(
            "sum without (replica) (avg_over_time(mcp_server_resident_memory_bytes[5m])) / 2^30 * {}",
            prices.gib_hour
        )],
    );
    if let Some(price) = cost.transfer_gb {
        record(
            PER_HOUR,
            Some("transfer"),
            &[format!(
                "(rate(mcp_request_size_bytes_sum[5m]) + rate(mcp_response_size_bytes_sum[5m])) * 3600 / 1e9 * {price}"
            )],
        );
    }
    record(
        "mcp:cost_per_request",
        None,
        &[
            format!("sum without (resource, currency) ({PER_HOUR})"),
            "/".to_owned(),
            "(sum without (method, tool, status) (rate(mcp_requests_total[5m])) * 3600 > 0)"
                .to_owned(),
        ],
    );
    Some(out)
}

const PER_HOUR: &str = "mcp:cost_per_hour";

const HEAD: &str = "\
# What calls cost by the prices of the configuration (`cost`): each unit is priced by itself.
# Written by `pilothouse generate rules`: changes belong in the configuration.
groups:
  - name: pilothouse-cost
    rules:
";
