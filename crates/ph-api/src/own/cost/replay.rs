//! `cost/replay`: a recorded load against settings of an autoscaler.

use super::answers::{CostReplay, Priced, ReplayedSetting};
use super::form::{self, Form, PODS_MAX, wrong};
use super::{or_nothing, run};
use crate::endpoint::{Kind, Param};
use crate::own::request;
use crate::params::Params;
use crate::reply::{self, ApiError};
use crate::sources::Shared;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use ph_cost::arrivals::Arrivals;
use ph_cost::hpa::{Hpa, MetricSpec, ResourceTarget};
use ph_cost::optimise::{Search, name_of, optimise_while};
use ph_cost::price::Money;
use ph_cost::replay::{Outcome, PodShape, Problem, Scaling, Scenario, Slo, replay as replayed};
use ph_ledger::{Load, pod_price, rates, replicas, service_of};

pub(super) const PARAMS: &[Param] = &[
    Param::of("server", Kind::RequiredText, "The server's name."),
    form::SINCE,
    Param::text("min", "Replicas of today at least; 2 by default."),
    Param::text("max", "Replicas of today at most; 10 by default."),
    Param::text(
        "cpu_target",
        "CPU that the autoscaler of today aims at, in percent of the request; 70 by default, 0 leaves it out.",
    ),
    Param::text(
        "rate_target",
        "Calls per second and replica that it aims at; 0, the default, leaves it out.",
    ),
    Param::text(
        "new_min",
        "The same of what is proposed: as today by default.",
    ),
    Param::text(
        "new_max",
        "The same of what is proposed: as today by default.",
    ),
    Param::text(
        "new_cpu_target",
        "The same of what is proposed: as today by default.",
    ),
    Param::text(
        "new_rate_target",
        "The same of what is proposed: as today by default.",
    ),
    Param::of(
        "search",
        Kind::OneOf(&["false", "true"]),
        "Whether cheaper settings are looked for.",
    ),
    Param::text(
        "cpu_request",
        "CPU that a replica requests; `250m` by default.",
    ),
    Param::text(
        "cpu_limit",
        "CPU that a replica cannot go beyond; none by default.",
    ),
    Param::text(
        "memory_request",
        "Memory that a replica requests; `256Mi` by default.",
    ),
    Param::text(
        "start",
        "From the decision to start a replica to its first call; `30s` by default.",
    ),
    Param::text(
        "slo_latency",
        "A call that takes longer is not good; `500ms` by default.",
    ),
    Param::text(
        "objective",
        "The percentage of calls that must be good; 95 by default.",
    ),
    form::CPU_HOUR,
    form::GIB_HOUR,
    Param::of(
        "points",
        Kind::Number {
            default: 600,
            max: 2000,
        },
        "Points that are drawn, at most.",
    ),
];

/// Longest time that is looked at, in milliseconds.
const SPAN_MS_MAX: i64 = 31 * 86_400_000;
/// Shorter loads say nothing: two windows of scaling down.
const LENGTH_S_MIN: i64 = 600;

/// What is to be replayed, read.
struct Wanted {
    server: String,
    times: (i64, i64),
    since: String,
    today: Hpa,
    proposed: Option<Hpa>,
    search: bool,
    pod: PodShape,
    slo: Slo,
    points: usize,
}

pub(super) async fn replay(
    State(shared): State<Shared>,
    params: Params,
) -> Result<Response, ApiError> {
    request::only(&params, PARAMS)?;
    let form = Form(&params);
    let wanted = Wanted::read(form)?;
    let (plan, priced) = form.prices(&shared)?;
    let price = pod_price(&plan.cost.prices());
    let without = priced.clone();
    let answer = run(&shared, move |inside, stop| {
        let load = ph_ledger::load(inside, &wanted.server, wanted.times, &wanted.since)?;
        let scenario = Scenario {
            service: service_of(&load.seen),
            pod: wanted.pod,
            slo: wanted.slo,
            price,
            ..Scenario::default()
        };
        wanted.over(load, &scenario, priced, &|| stop.check().is_ok())
    });
    reply::value(&or_nothing(answer.await, |nothing| CostReplay {
        nothing: Some(nothing),
        from_s: 0,
        step_s: 0,
        load: Vec::new(),
        settings: Vec::new(),
        evidence: Vec::new(),
        reasons: Vec::new(),
        priced: without,
    })?)
}

impl Wanted {
    fn read(form: Form<'_>) -> Result<Self, ApiError> {
        let server = form
            .0
            .get("server")
            .ok_or_else(|| wrong("server", "a server's name"))?;
        let times = form.since("1d")?;
        if times.1 - times.0 > SPAN_MS_MAX {
            return Err(wrong("since", "at most `31d`"));
        }
        let granted = Scenario::default();
        let milli = |cpu: u64| i64::try_from(cpu).unwrap_or(i64::MAX);
        let pod = PodShape {
            cpu_request_milli: form
                .cpu("cpu_request")?
                .map_or(granted.pod.cpu_request_milli, milli),
            cpu_limit_milli: form.cpu("cpu_limit")?.map(milli),
            memory_request_bytes: form
                .memory("memory_request")?
                .map_or(granted.pod.memory_request_bytes, milli),
            start_s: form.seconds("start")?.unwrap_or(granted.pod.start_s),
        };
        if pod
            .cpu_limit_milli
            .is_some_and(|limit| limit < pod.cpu_request_milli)
        {
            return Err(wrong("cpu_limit", "a limit that is not below the request"));
        }
        let objective = form.decimal("objective", 0.0..=100.0)?;
        let slo = Slo {
            latency_s: form
                .duration("slo_latency")?
                .unwrap_or(granted.slo.latency_s),
            objective: objective.map_or(granted.slo.objective, |percent| percent / 100.0),
        };
        let today = Autoscaler::TODAY.read(form, (2, 10), (70, 0))?;
        let is_given = Autoscaler::NEW
            .names()
            .iter()
            .any(|name| form.0.get(name).is_some());
        let targets = (today.cpu_percent, today.rate);
        let proposed = match is_given {
            false => None,
            true => Some(
                Autoscaler::NEW
                    .read(form, (today.min, today.max), targets)?
                    .hpa(),
            ),
        };
        let points = request::number(form.0, PARAMS, "points")
            .ok()
            .filter(|points| *points >= 2)
            .ok_or_else(|| wrong("points", "a whole number from 2 to 2000"))?;
        Ok(Self {
            server: server.to_owned(),
            times,
            since: form.since_text("1d").to_owned(),
            today: today.hpa(),
            proposed,
            search: form.0.get("search") == Some("true"),
            pod,
            slo,
            points,
        })
    }

    fn over(
        &self,
        load: Load,
        scenario: &Scenario,
        priced: Priced,
        go_on: &dyn Fn() -> bool,
    ) -> Result<CostReplay, ApiError> {
        let arrivals = &load.arrivals;
        let (step_s, load_rates) = rates(arrivals, self.points);
        let mut settings = Vec::new();
        let mut reasons = Vec::new();
        let mut add = |which, hpa: &Hpa, is_recommended| -> Result<(), ApiError> {
            let scaling = Scaling::Hpa {
                hpa: hpa.clone(),
                begin: None,
            };
            let mut outcome = replayed(arrivals, scenario, &scaling).map_err(senseless)?;
            let drawn = replicas(&outcome, step_s, load_rates.len());
            outcome.changes.clear();
            settings.push(ReplayedSetting {
                which,
                name: name_of(hpa),
                replicas: drawn,
                month: month(&outcome),
                outcome,
                is_recommended,
            });
            Ok(())
        };
        add("today", &self.today, false)?;
        if let Some(proposed) = &self.proposed {
            add("proposed", proposed, false)?;
        }
        if self.search {
            let found = self.found(arrivals, scenario, go_on)?;
            reasons = found.reasons;
            if let Some(hpa) = &found.hpa {
                add("found", hpa, found.is_recommended)?;
            }
        }
        let mut evidence = load.evidence;
        evidence.extend(load.seen.evidence);
        evidence.push(scenario.capacity_text());
        Ok(CostReplay {
            nothing: None,
            from_s: arrivals.start_s.unwrap_or(0),
            step_s,
            load: load_rates,
            settings,
            evidence,
            reasons,
            priced,
        })
    }

    /// Looks for cheaper settings.
    fn found(
        &self,
        arrivals: &Arrivals,
        scenario: &Scenario,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Cheapest, ApiError> {
        let length_s = arrivals.seconds();
        let (tune, judge) = arrivals.halves();
        let is_empty = |half: &Arrivals| half.counts.is_empty() || half.calls() <= 0.0;
        if length_s < LENGTH_S_MIN || is_empty(&tune) || is_empty(&judge) {
            let why = format!(
                "{length_s} s of load are too little to look for settings: at least {LENGTH_S_MIN} s with calls in both halves are needed"
            );
            return Ok(Cheapest {
                hpa: None,
                is_recommended: false,
                reasons: vec![why],
            });
        }
        let search = Search {
            baseline: self.today.clone(),
            static_pods: None,
        };
        let found = optimise_while(&tune, &judge, scenario, &search, go_on)
            .map_err(|problem| senseless(problem).hint("a shorter time takes less"))?;
        // The last of the three; the others are static pods, and what is there.
        let hpa = match found.judged.last().map(|one| &one.scaling) {
            Some(Scaling::Hpa { hpa, .. }) => Some(hpa.clone()),
            Some(Scaling::Static(_)) | None => None,
        };
        Ok(Cheapest {
            hpa,
            is_recommended: found.recommended + 1 == found.judged.len(),
            reasons: found.reasons,
        })
    }
}

/// What was found.
struct Cheapest {
    /// The cheapest setting; none where it could not be looked for.
    hpa: Option<Hpa>,
    is_recommended: bool,
    /// Why, or why not.
    reasons: Vec<String>,
}

/// The names of an autoscaler's fields.
struct Autoscaler {
    min: &'static str,
    max: &'static str,
    cpu_target: &'static str,
    rate_target: &'static str,
}

/// An autoscaler, read.
struct Settings {
    min: u32,
    max: u32,
    cpu_percent: u32,
    rate: u32,
}

impl Autoscaler {
    const TODAY: Self = Self {
        min: "min",
        max: "max",
        cpu_target: "cpu_target",
        rate_target: "rate_target",
    };
    const NEW: Self = Self {
        min: "new_min",
        max: "new_max",
        cpu_target: "new_cpu_target",
        rate_target: "new_rate_target",
    };

    fn names(&self) -> [&'static str; 4] {
        [self.min, self.max, self.cpu_target, self.rate_target]
    }

    fn read(
        &self,
        form: Form<'_>,
        bounds: (u32, u32),
        targets: (u32, u32),
    ) -> Result<Settings, ApiError> {
        let (min, max) = form.bounds((self.min, self.max), bounds)?;
        let cpu = form.whole(self.cpu_target, 0..=1_000)?;
        let rate = form.whole(self.rate_target, 0..=1_000_000)?;
        let settings = Settings {
            min,
            max: max.min(PODS_MAX),
            cpu_percent: cpu.unwrap_or(targets.0),
            rate: rate.unwrap_or(targets.1),
        };
        if settings.cpu_percent == 0 && settings.rate == 0 {
            return Err(wrong(
                self.cpu_target,
                "a target of CPU, or one of calls: without any it does nothing",
            ));
        }
        Ok(settings)
    }
}

impl Settings {
    fn hpa(&self) -> Hpa {
        let cpu = (self.cpu_percent > 0).then(|| MetricSpec::Resource {
            is_cpu: true,
            target: ResourceTarget::UtilizationPercent(self.cpu_percent.into()),
        });
        let rate = (self.rate > 0).then(|| MetricSpec::Pods {
            average_milli: i64::from(self.rate) * 1_000,
        });
        Hpa {
            min: self.min.into(),
            max: self.max.into(),
            metrics: cpu.into_iter().chain(rate).collect(),
            behavior: None,
        }
    }
}

/// What it would come to in a month of 730 hours at this rate.
fn month(outcome: &Outcome) -> String {
    let hours = outcome.seconds.max(1) as f64 / 3_600.0;
    let micro = outcome.cost_micro as f64 / hours * 730.0;
    Money::from_micro(micro.round() as i64).to_string()
}

fn senseless(problem: Problem) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, problem.0)
}
