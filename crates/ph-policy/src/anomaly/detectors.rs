//! The detectors of behaviour: a call that ended, and what is known of its client and its server.

use super::client::{Client, Errors, Telling};
use super::history::{Halves, Peaks};
use super::kind_of;
use super::lru::Lru;
use super::{Seen, What};
use ph_plan::{Anomalies, show_duration};
use ph_record::{AnomalyKind, Caller, ServerIdx, ToolIdx, ToolTable};
use std::collections::BTreeMap;

/// Watches all clients. What it says depends on nothing but what it was shown, in its order.
#[derive(Debug)]
pub struct Detectors {
    settings: Anomalies,
    /// Rises with each change of the settings.
    generation: u32,
    is_disabled: [bool; AnomalyKind::ALL.len()],
    clients: Lru<(Caller, Option<ServerIdx>), Client>,
    servers: BTreeMap<Option<ServerIdx>, OfServer>,
}

/// What is known of a server, or of requests for none.
#[derive(Debug, Default)]
struct OfServer {
    /// Since when each tool is known, in seconds of Unix time, by index.
    tools: Vec<u32>,
    errors: Halves<Errors>,
    auth_failures: Halves<u32>,
    auth_told_s: u32,
}

/// Something abnormal.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it is.
    pub kind: AnomalyKind,
    /// Of whom; `None`: of all together.
    pub caller: Option<Caller>,
    /// Where.
    pub server: Option<ServerIdx>,
    /// The tool of the call that showed it.
    pub tool: ToolIdx,
    /// The evidence; `None`: the same was told a moment ago, and this is only to be counted.
    pub evidence: Option<Evidence>,
}

/// What is said of something abnormal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// What was usual.
    pub usual: String,
    /// What was seen.
    pub seen: String,
    /// Over which time.
    pub over: String,
    /// How often the like was counted since it was last told.
    pub untold: u16,
}

/// Calls after which the tools of a client are known.
const CALLS_KNOWN: u32 = 50;
/// Calls in ten minutes before a share of errors says anything, and errors among them.
const ERROR_CALLS: u32 = 20;
const ERRORS_MIN: u32 = 10;
/// Calls before a client's own share of errors is known.
const ERROR_HISTORY: u32 = 100;
/// Less than this share of errors is never believed to be usual.
const ERROR_SHARE_MIN: f64 = 0.05;
/// A minute has to have so many times the calls of the highest one.
const PEAK_FACTOR: u32 = 2;
/// Half of ten minutes, in seconds.
const HALF_S: u32 = 300;
const HALF_MINUTE_S: u32 = 30;
/// Known clients are forgotten after this time without a call, others after an hour.
const FORGET_S: u32 = 8 * 86_400;
const FORGET_NEW_S: u32 = 3_600;

impl Detectors {
    /// Most clients, one for each server that it calls.
    pub const CLIENTS_MAX: usize = 16_384;
    /// Most of them that are known, which is after calls in 30 different minutes.
    pub const KNOWN_MAX: usize = 12_288;
    /// More than all of it takes, in bytes.
    pub const BYTES_MAX: usize = 32 << 20;

    /// Watches by these settings.
    pub fn new(settings: Anomalies) -> Self {
        let mut detectors = Self {
            settings: Anomalies::default(),
            generation: 0,
            is_disabled: [false; AnomalyKind::ALL.len()],
            clients: Lru::new(Self::CLIENTS_MAX, Self::KNOWN_MAX),
            servers: BTreeMap::new(),
        };
        detectors.apply(settings);
        detectors
    }

    /// Watches by other settings; what is known stays.
    pub fn apply(&mut self, settings: Anomalies) {
        self.is_disabled = AnomalyKind::ALL.map(|kind| {
            let mut disabled = settings.disabled.iter().copied();
            disabled.any(|name| kind_of(name) == Some(kind))
        });
        self.settings = settings;
        self.generation += 1;
    }

    /// Clients that are remembered, one for each server that it called.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Bytes that it takes, about.
    pub fn bytes(&self) -> usize {
        self.clients.bytes()
    }

    /// Notes how many tools a server has by now, as indices that were given.
    pub fn tools(&mut self, server: ServerIdx, count: usize, now_ms: u64) {
        let tools = &mut self.servers.entry(Some(server)).or_default().tools;
        let count = count.min(ToolTable::MAX + 2);
        if tools.len() < count {
            tools.resize(count, seconds(now_ms));
        }
    }

    /// Forgets who has not called for long.
    pub fn forget(&mut self, now_ms: u64) {
        let now_s = seconds(now_ms);
        self.clients.forget(|client, is_known| {
            let after = if is_known { FORGET_S } else { FORGET_NEW_S };
            now_s.saturating_sub(client.last_s) > after
        });
    }

    /// Takes note of a call, and says what is abnormal about it.
    pub fn see(&mut self, seen: &Seen, out: &mut Vec<Finding>) {
        let Self {
            settings,
            generation,
            is_disabled,
            clients,
            servers,
        } = self;
        let now_s = seconds(seen.at_ms);
        let key = (seen.caller.clone(), seen.server);
        let client = clients.of(&key, || Client::new(now_s));
        client.last_s = client.last_s.max(now_s);
        let is_exempt = match client.exempt {
            Some((of, is_exempt)) if of == *generation => is_exempt,
            _ => {
                let name = seen.caller.to_string();
                let is_exempt = settings.exempt.iter().any(|glob| glob.matches(&name));
                client.exempt = Some((*generation, is_exempt));
                is_exempt
            }
        };
        if is_exempt {
            return;
        }
        let mut look = Look {
            settings,
            is_disabled,
            seen,
            now_s,
            out,
        };
        let server = servers.entry(seen.server).or_default();
        if seen.what == What::Unauthenticated {
            look.auth_failures(client, server);
            return;
        }
        client.calls = client.calls.saturating_add(1);
        look.rate(client);
        look.errors(client, server);
        look.tools(client, server);
        look.sizes(client);
        look.arguments(client);
        if client.minutes.is_known() {
            clients.know(&key);
        }
    }
}

/// One call under the eye of one detector after the other.
struct Look<'a> {
    settings: &'a Anomalies,
    is_disabled: &'a [bool; AnomalyKind::ALL.len()],
    seen: &'a Seen,
    now_s: u32,
    out: &'a mut Vec<Finding>,
}

impl Look<'_> {
    fn rate(&mut self, client: &mut Client) {
        let (day, least) = (self.now_s / 86_400, self.settings.calls_min);
        let Client {
            minutes,
            minute_peaks,
            ..
        } = client;
        let found = minutes.count(self.now_s / 60, self.settings.score, |last| {
            minute_peaks.add(day, last);
            least.max(minute_peaks.highest().saturating_mul(PEAK_FACTOR))
        });
        if let Some(calls) = found {
            let (usual, peak) = (minutes.usual(), minute_peaks.highest());
            self.found(client, AnomalyKind::Rate, || Evidence {
                usual: format!(
                    "a median of {} and at most {peak} calls in a minute",
                    usual.median
                ),
                seen: format!("{calls} calls"),
                over: format!(
                    "a minute that is not over; known are {} minutes with calls, and the highest of {} days",
                    usual.minutes,
                    Peaks::DAYS
                ),
                untold: 0,
            });
        }
    }

    fn tools(&mut self, client: &mut Client, server: &mut OfServer) {
        let half = self.now_s / HALF_S;
        let is_first = client.calls_first(self.seen.tool);
        if is_first {
            let since = self.known_since(server);
            let known_for = u32::try_from(self.settings.known_for.as_secs()).unwrap_or(u32::MAX);
            let new_tools = client.new_tools.at(half);
            new_tools.now += 1;
            let tried = u32::from(new_tools.now) + u32::from(new_tools.before);
            // Whoever works calls most of its tools again.
            let calls = client.errors.now.plus(client.errors.before).calls;
            if tried >= self.settings.new_tools && tried * 4 >= calls * 3 {
                self.found(client, AnomalyKind::Enumeration, || Evidence {
                    usual: "a client calls few tools that it has never called".to_owned(),
                    seen: format!("{tried} such tools in {calls} calls"),
                    over: "the last 10 minutes".to_owned(),
                    untold: 0,
                });
            }
            let is_old = |since_s: u32| self.now_s.saturating_sub(since_s) >= known_for;
            if client.calls > CALLS_KNOWN && is_old(client.first_s) && is_old(since) {
                let (calls, first) = (client.calls - 1, client.first_s);
                let known = ago(self.now_s.saturating_sub(first));
                self.found(client, AnomalyKind::FirstUse, || Evidence {
                    usual: format!("{calls} calls without this tool"),
                    seen: "its first call".to_owned(),
                    over: format!("{known} since the client was first seen"),
                    untold: 0,
                });
            }
        }
        if self.seen.what == What::Unknown && self.seen.target != 0 {
            let names = client.unknown_names.at(half);
            if names.now.add(self.seen.target) {
                let tried = names.now.count_with(&names.before);
                if tried >= self.settings.unknown_names {
                    self.found(client, AnomalyKind::Enumeration, || Evidence {
                        usual: "a client asks for what there is and what it may have".to_owned(),
                        seen: format!("{tried} different names that do not exist or are forbidden"),
                        over: "the last 10 minutes".to_owned(),
                        untold: 0,
                    });
                }
            }
        }
    }

    /// Since when the call's tool is known. One that is not yet is new.
    fn known_since(&self, server: &mut OfServer) -> u32 {
        let at = usize::from(self.seen.tool.0);
        if server.tools.len() <= at {
            server.tools.resize(at + 1, self.now_s);
        }
        server.tools[at]
    }

    fn errors(&mut self, client: &mut Client, server: &mut OfServer) {
        let half = self.now_s / HALF_S;
        for past in client.errors.turn(half) {
            client.errors_before.add_all(past);
        }
        client.errors.now.add(self.seen.what);
        server.errors.at(half).now.add(self.seen.what);
        if !self.seen.what.is_error() {
            return;
        }
        let own = client.errors.now.plus(client.errors.before);
        if own.calls < ERROR_CALLS || own.failed < ERRORS_MIN {
            return;
        }
        let others = server.errors.now.plus(server.errors.before).minus(own);
        let (before, others) = (
            client.errors_before.share(ERROR_HISTORY),
            others.share(ERROR_CALLS),
        );
        let Some(usual) = before.into_iter().chain(others).reduce(f64::max) else {
            return;
        };
        let usual = usual.clamp(ERROR_SHARE_MIN, 0.99);
        let calls = f64::from(own.calls);
        let spread = (calls * usual * (1.0 - usual)).sqrt();
        if (f64::from(own.failed) - calls * usual) / spread < self.settings.score {
            return;
        }
        let percent = |share: Option<f64>| match share {
            Some(share) => format!("{:.0} %", share * 100.0),
            None => "an unknown share".to_owned(),
        };
        self.found(client, AnomalyKind::Errors, || Evidence {
            usual: format!(
                "{} of its calls failed before, {} of those of others do",
                percent(before),
                percent(others)
            ),
            seen: format!("{} of {} calls failed", own.failed, own.calls),
            over: "the last 10 minutes".to_owned(),
            untold: 0,
        });
    }

    fn sizes(&mut self, client: &mut Client) {
        let least = u32::try_from(self.settings.bytes_min.bytes()).unwrap_or(u32::MAX);
        let (day, score) = (self.now_s / 86_400, self.settings.score);
        let Seen {
            request_bytes,
            response_bytes,
            ..
        } = *self.seen;
        let request = client.requests.add(day, request_bytes, least, score);
        let response = client.responses.add(day, response_bytes, least, score);
        let sizes = [
            ("request", request_bytes, request),
            ("answer", response_bytes, response),
        ];
        for (what, bytes, usual) in sizes {
            if let Some((median, largest)) = usual {
                self.found(client, AnomalyKind::Size, || Evidence {
                    usual: format!("a median of {median} and at most {largest} bytes"),
                    seen: format!("one {what} of {bytes} bytes"),
                    over: format!("the largest of {} days", Peaks::DAYS),
                    untold: 0,
                });
            }
        }
    }

    fn auth_failures(&mut self, client: &mut Client, server: &mut OfServer) {
        let half = self.now_s / HALF_MINUTE_S;
        let of = |halves: &mut Halves<u32>| {
            let halves = halves.at(half);
            halves.now = halves.now.saturating_add(1);
            halves.now.saturating_add(halves.before)
        };
        let (own, all) = (of(&mut client.auth_failures), of(&mut server.auth_failures));
        let evidence = |failures: u32, at_most: u32| Evidence {
            usual: format!("fewer than {at_most} failures"),
            seen: format!("{failures} requests that could not show who they are from"),
            over: "the last minute".to_owned(),
            untold: 0,
        };
        let at_most = self.settings.auth_failures;
        if own >= at_most {
            self.found(client, AnomalyKind::AuthFailures, || evidence(own, at_most));
        }
        let at_most = at_most.saturating_mul(10);
        let is_told =
            server.auth_told_s != 0 && self.now_s.saturating_sub(server.auth_told_s) < 600;
        let is_disabled = self.is_disabled[AnomalyKind::AuthFailures as usize];
        if all >= at_most && !is_told && !is_disabled {
            server.auth_told_s = self.now_s;
            self.out.push(Finding {
                kind: AnomalyKind::AuthFailures,
                caller: None,
                server: self.seen.server,
                tool: ToolIdx::NONE,
                evidence: Some(evidence(all, at_most)),
            });
        }
    }

    fn arguments(&mut self, client: &mut Client) {
        if let Some(shape) = &self.seen.shape {
            self.found(client, shape.kind, || Evidence {
                usual: "no such arguments".to_owned(),
                seen: format!("{}={}", shape.argument, shape.excerpt),
                over: "one call".to_owned(),
                untold: 0,
            });
        }
    }

    fn found(&mut self, client: &mut Client, kind: AnomalyKind, say: impl FnOnce() -> Evidence) {
        if self.is_disabled[kind as usize] {
            return;
        }
        let evidence = match client.tell(kind, self.now_s) {
            Telling::Known => return,
            Telling::Counted => None,
            Telling::Told(untold) => Some(Evidence { untold, ..say() }),
        };
        self.out.push(Finding {
            kind,
            caller: Some(self.seen.caller.clone()),
            server: self.seen.server,
            tool: self.seen.tool,
            evidence,
        });
    }
}

fn ago(seconds: u32) -> String {
    // Days, hours, minutes: nobody wants to read seconds of a day.
    let unit = [86_400, 3_600, 60, 1]
        .into_iter()
        .find(|unit| seconds >= *unit);
    let unit = unit.unwrap_or(1);
    show_duration(std::time::Duration::from_secs(
        (seconds / unit * unit).into(),
    ))
}

fn seconds(ms: u64) -> u32 {
    u32::try_from(ms / 1_000).unwrap_or(u32::MAX)
}
