//! `pilothouse cost simulate`: the autoscaler of Kubernetes, replayed.

pub(super) mod load;
mod quantity;
mod show;

use super::sheet::SheetArgs;
use crate::ask::WhereArgs;
use crate::exit;
use crate::printer::Printer;
use anyhow::{Result, bail};
use clap::Args;
use ph_cost::arrivals::Arrivals;
use ph_cost::hpa::{Behavior, Hpa, MetricSpec, ResourceTarget, Rules};
use ph_cost::optimise::{Found, Search, optimise};
use ph_cost::profile::{Profile, profile};
use ph_cost::replay::{Measuring, PodPrice, PodShape, Scenario, Service, Slo};
use ph_ledger::{Seen, service_of};
use quantity::{bytes, micro, milli, seconds, whole_seconds};

/// The search of a longer load takes so long that it is said.
const QUICK_STEPS_MAX: usize = 20_000;
/// Shorter loads say nothing: two windows of scaling down.
const LENGTH_S_MIN: i64 = 600;

#[derive(Args)]
pub(crate) struct SimulateArgs {
    /// When calls came: a file of comma-separated values, a line for each call or for each step.
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    arrivals: Option<std::path::PathBuf>,
    /// Take the load that was recorded of this server.
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Recorded since then.
    #[arg(
        long,
        value_name = "AGO|TIME",
        default_value = "1d",
        requires = "server"
    )]
    since: String,
    /// So many times as many calls.
    #[arg(long, value_name = "FACTOR", conflicts_with = "peak")]
    scale: Option<f64>,
    /// As many calls as make the busiest minute have this rate.
    #[arg(long, value_name = "CALLS/S")]
    peak: Option<f64>,

    /// Replicas at least.
    #[arg(
        long,
        value_name = "PODS",
        default_value_t = 2,
        help_heading = "Autoscaler"
    )]
    min: i64,
    /// Replicas at most.
    #[arg(
        long,
        value_name = "PODS",
        default_value_t = 10,
        help_heading = "Autoscaler"
    )]
    max: i64,
    /// CPU in percent of the request; 0 leaves it out.
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t = 70,
        help_heading = "Autoscaler"
    )]
    cpu_target: i64,
    /// `mcp_requests_per_second` per pod; 0 leaves it out.
    #[arg(
        long,
        value_name = "CALLS/S",
        default_value_t = 50,
        help_heading = "Autoscaler"
    )]
    rate_target: i64,
    /// The manifest has a `behavior`, with what is left out filled in; without, an older rule holds.
    #[arg(long, help_heading = "Autoscaler")]
    behavior: bool,
    /// `behavior.scaleDown.stabilizationWindowSeconds`.
    #[arg(long, value_name = "DURATION", value_parser = whole_seconds, help_heading = "Autoscaler")]
    down_window: Option<i64>,
    /// Compare with so many static pods, instead of the fewest that keep the objective.
    #[arg(long = "static", value_name = "PODS", help_heading = "Autoscaler")]
    static_pods: Option<i64>,
    /// Print every setting that was tried and of which no other is both cheaper and better.
    #[arg(long, help_heading = "Autoscaler")]
    optimise: bool,

    /// Time that a call takes when nothing waits [default: with `--server` the mean that was recorded, else 100ms].
    #[arg(long, value_name = "DURATION", value_parser = seconds, help_heading = "Pods")]
    service_time: Option<f64>,
    /// Calls that a pod works on at once [default: 8, or with `--server` as many as were seen if these are more].
    #[arg(long, value_name = "CALLS", help_heading = "Pods")]
    concurrency: Option<i64>,
    /// CPU that a call costs [default: with `--server` what was measured, else 3.5ms].
    #[arg(long, value_name = "DURATION", value_parser = seconds, help_heading = "Pods")]
    cpu_per_call: Option<f64>,
    /// So long a caller waits.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = seconds, help_heading = "Pods")]
    timeout: f64,
    /// CPU that a pod requests.
    #[arg(long, value_name = "CPU", default_value = "250m", value_parser = milli, help_heading = "Pods")]
    cpu_request: i64,
    /// CPU that a pod cannot go beyond; 0 is no limit.
    #[arg(long, value_name = "CPU", default_value = "500m", value_parser = milli, help_heading = "Pods")]
    cpu_limit: i64,
    /// Memory that a pod requests.
    #[arg(long, value_name = "BYTES", default_value = "256Mi", value_parser = bytes, help_heading = "Pods")]
    memory_request: i64,
    /// From the decision to start a pod to its first call.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = whole_seconds, help_heading = "Pods")]
    start: i64,

    /// How old metrics are when the autoscaler looks at them.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = whole_seconds, help_heading = "Metrics")]
    lag: i64,
    /// The time that a metric is the mean of.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = whole_seconds, help_heading = "Metrics")]
    window: i64,
    /// The time between two looks.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = whole_seconds, help_heading = "Metrics")]
    sync: i64,

    /// A call that takes longer is not good.
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = seconds, help_heading = "Promise and price")]
    slo_latency: f64,
    /// The percentage of calls that must be good.
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t = 95.0,
        help_heading = "Promise and price"
    )]
    objective: f64,
    /// Price of a core for an hour [default: `cost.cpu_hour`, else OpenCost's, a placeholder].
    #[arg(long, value_name = "AMOUNT", value_parser = micro, allow_hyphen_values = true, help_heading = "Promise and price")]
    cpu_hour: Option<i64>,
    /// Price of a GiB of memory for an hour [default: `cost.gib_hour`, else OpenCost's, a placeholder].
    #[arg(long, value_name = "AMOUNT", value_parser = micro, allow_hyphen_values = true, help_heading = "Promise and price")]
    gib_hour: Option<i64>,
    #[command(flatten)]
    sheet: SheetArgs,

    /// Show the load by the hour of the day, and a schedule for KEDA made of it.
    #[arg(long, help_heading = "Hours of the day")]
    profile: bool,
    /// Distance of the clock on the wall from UTC, such as `9h` or `-5h`.
    #[arg(long, value_name = "DURATION", default_value = "0h", value_parser = quantity::offset, allow_hyphen_values = true, help_heading = "Hours of the day")]
    utc_offset: i64,
    /// Its name in the schedule.
    #[arg(
        long,
        value_name = "ZONE",
        default_value = "UTC",
        help_heading = "Hours of the day"
    )]
    timezone: String,

    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: WhereArgs,
}

pub(crate) const EXAMPLES: &str = "\
It is a model: what it takes for granted is printed, and each of it is a flag. Settings are looked for in the
first half of the load and judged on the second. Exit code 1: none of the settings keeps the objective.

Examples:
  pilothouse cost simulate --arrivals calls.csv
  pilothouse cost simulate --arrivals calls.csv --peak 250 --optimise
  pilothouse cost simulate --server files --since 7d --profile --utc-offset 9h --timezone Asia/Tokyo";

pub(crate) fn simulate(args: &SimulateArgs, printer: &Printer) -> Result<u8> {
    let sheet = args.sheet.read(printer)?;
    let prices = sheet.pod_price();
    let price = PodPrice {
        cpu_hour_micro: args.cpu_hour.unwrap_or(prices.cpu_hour_micro),
        gib_hour_micro: args.gib_hour.unwrap_or(prices.gib_hour_micro),
    };
    let price_source = match (args.cpu_hour, args.gib_hour) {
        (Some(_), Some(_)) => "as given".to_owned(),
        (None, None) => format!("prices {}", sheet.source()),
        _ => format!("one price as given, the other {}", sheet.source()),
    };
    let load = load::load(args)?;
    let scenario = args.scenario(&load.seen, price);
    let length_s = load.arrivals.seconds();
    if length_s < LENGTH_S_MIN {
        bail!(
            "{length_s} s of load are too little history: at least {LENGTH_S_MIN} s are needed to tune on one half and judge on the other"
        );
    }
    let (tune, judge) = load.arrivals.halves();
    for (name, half) in [("first", &tune), ("second", &judge)] {
        if half.counts.is_empty() || half.calls() <= 0.0 {
            bail!(
                "there is no call in the {name} half of the load: too little to tune on one and judge on the other"
            );
        }
    }
    if load.arrivals.counts.len() > QUICK_STEPS_MAX {
        printer.say("this load is long, and the search takes a while; it can be shortened with --since or coarser steps");
    }
    let search = Search {
        baseline: args.hpa()?,
        static_pods: args.static_pods,
    };
    let found = optimise(&tune, &judge, &scenario, &search)?;
    let profile = args.profile.then(|| args.hours(&load.arrivals, &scenario));
    let report = Report {
        load: &load,
        scenario: &scenario,
        price_source,
        found: &found,
        profile: profile.transpose()?,
        args,
    };
    let text = if args.json {
        format!("{}\n", show::json(&report))
    } else {
        show::text(&report)
    };
    printer.data(&text)?;
    let keeps = found.judged[found.recommended].outcome.slo_kept;
    Ok(if keeps { exit::DONE } else { exit::FOUND })
}

/// All that is printed.
struct Report<'a> {
    load: &'a ph_ledger::Load,
    scenario: &'a Scenario,
    price_source: String,
    found: &'a Found,
    profile: Option<Profile>,
    args: &'a SimulateArgs,
}

impl SimulateArgs {
    /// A flag goes before what was recorded, and that before what is taken for granted.
    fn scenario(&self, seen: &Seen, price: PodPrice) -> Scenario {
        let service = service_of(seen);
        Scenario {
            service: Service {
                service_s: self.service_time.unwrap_or(service.service_s),
                concurrency: self.concurrency.unwrap_or(service.concurrency),
                cpu_s_per_call: self.cpu_per_call.unwrap_or(service.cpu_s_per_call),
                timeout_s: self.timeout,
            },
            pod: PodShape {
                cpu_request_milli: self.cpu_request,
                cpu_limit_milli: (self.cpu_limit > 0).then_some(self.cpu_limit),
                memory_request_bytes: self.memory_request,
                start_s: self.start,
            },
            measuring: Measuring {
                lag_s: self.lag,
                window_s: self.window,
                sync_s: self.sync,
            },
            slo: Slo {
                latency_s: self.slo_latency,
                objective: self.objective / 100.0,
            },
            price,
        }
    }

    fn hpa(&self) -> Result<Hpa> {
        let mut metrics = Vec::new();
        if self.cpu_target < 0 || self.rate_target < 0 {
            bail!("a target cannot be below 0");
        }
        if self.cpu_target > 0 {
            metrics.push(MetricSpec::Resource {
                is_cpu: true,
                target: ResourceTarget::UtilizationPercent(self.cpu_target),
            });
        }
        if self.rate_target > 0 {
            metrics.push(MetricSpec::Pods {
                average_milli: self.rate_target * 1_000,
            });
        }
        let has_behavior = self.behavior || self.down_window.is_some();
        let behavior = has_behavior.then(|| Behavior {
            up: Rules::up(),
            down: Rules {
                window_s: self.down_window.unwrap_or(Rules::down().window_s),
                ..Rules::down()
            },
        });
        Ok(Hpa {
            min: self.min,
            max: self.max,
            metrics,
            behavior,
        })
    }

    fn hours(&self, arrivals: &Arrivals, scenario: &Scenario) -> Result<Profile> {
        let targets = self.hpa()?.metrics;
        let rates = targets.iter().filter_map(|spec| scenario.target_rate(spec));
        let rate = rates.fold(scenario.pod_rate(), f64::min);
        Ok(profile(
            arrivals,
            self.utc_offset,
            rate,
            (self.min, self.max),
        )?)
    }
}
