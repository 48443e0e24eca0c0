//! Sends hostile inputs to a test instance of a server, through MCP, and sees what they do.
//!
//! The instance is started for this and ended with it, or is one behind an address that may be harmed. What the inputs leave behind (a key on a prototype, a file, a
//! request) is the tester's own, under a name that is drawn at random.

mod address;
mod http;
mod scene;
mod session;

use std::path::PathBuf;
use std::time::Duration;

use ph_vuln::probe::{self, Class, Outcome, Probe, Seen, Tool};
use ph_wire::child::ChildSpec;
use tokio::time::Instant;

pub use http::Endpoint;
use scene::Scene;
pub use session::Trouble;
use session::{Answer, Session};

/// What hostile inputs are sent to.
#[derive(Debug, Clone)]
pub enum Instance {
    /// Started for this.
    Command(ChildSpec),
    /// One that runs already, and may be harmed. What happens within its process cannot be seen.
    Address(Endpoint),
}

/// How inputs are sent.
#[derive(Debug, Clone)]
pub struct Options {
    /// The classes, in this order.
    pub classes: Vec<Class>,
    /// Only these tools; empty: all.
    pub tools: Vec<String>,
    /// What tools take that do not say which arguments they take.
    pub arguments: Vec<String>,
    /// A folder that the server may read: a file is laid beside it, under a name that begins with its.
    pub allowed: Option<PathBuf>,
    /// One call may take so long.
    pub call: Duration,
    /// All calls together may take so long.
    pub total: Duration,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Tested {
    /// The tools that were tried.
    pub tools: Vec<String>,
    /// Those of them of which no argument is known, so that nothing was tried.
    pub silent: Vec<String>,
    /// One for each class.
    pub outcomes: Vec<Outcome>,
    /// The time was over before all was tried.
    pub is_cut: bool,
}

impl Tested {
    fn has_shown(&self, last: &Outcome) -> bool {
        let mut all = self.outcomes.iter().chain([last]);
        all.any(|outcome| !outcome.demonstrated.is_empty())
    }
}

/// What a hostile input does may show itself a moment after the answer.
const AFTERWARDS: Duration = Duration::from_millis(40);

/// Starts an instance, or asks the one that there is, and tries all classes.
///
/// # Errors
/// When the instance cannot be started or does not speak MCP, or the tester's own files cannot be made.
pub async fn test(instance: &Instance, options: &Options) -> Result<Tested, Trouble> {
    let scene = Scene::build(options.allowed.as_deref()).await?;
    let instance = match instance {
        Instance::Command(spec) => Instance::Command(scene.dress(spec)),
        Instance::Address(endpoint) => Instance::Address(endpoint.clone()),
    };
    let mut session = Session::start(&instance).await?;
    let mut tools = session.tools().await?;
    if !options.tools.is_empty() {
        tools.retain(|tool| options.tools.contains(&tool.name));
    }
    for tool in &mut tools {
        tool.assume(&options.arguments);
    }
    let silent = tools.iter().filter(|tool| tool.is_silent());
    let deadline = Instant::now() + options.total;
    let mut tested = Tested {
        tools: tools.iter().map(|tool| tool.name.clone()).collect(),
        silent: silent.map(|tool| tool.name.clone()).collect(),
        outcomes: Vec::new(),
        is_cut: false,
    };
    for &class in &options.classes {
        let (probes, left_out) = probe::probes(class, &tools, scene.canary());
        let mut outcome = Outcome::new(class, left_out);
        for (index, probe) in probes.iter().enumerate() {
            if Instant::now() >= deadline {
                outcome.left_out += probes.len() - index;
                tested.is_cut = true;
                break;
            }
            let harmless = harmless(&mut session, class, &tools, probe, options.call).await;
            let seen = send(&mut session, &scene, probe, options.call).await;
            let evidence = probe::evidence(class, probe, &seen, harmless, scene.canary());
            outcome.add(probe, &seen, evidence);
            if seen.has_ended || seen.is_late {
                session.stop().await;
                session = match Session::start(&instance).await {
                    Ok(session) => session,
                    // What was shown before it went down stands.
                    Err(_) if tested.has_shown(&outcome) => {
                        outcome.left_out += probes.len() - index - 1;
                        tested.is_cut = true;
                        tested.outcomes.push(outcome);
                        return Ok(tested);
                    }
                    Err(trouble) => return Err(trouble),
                };
            }
        }
        tested.outcomes.push(outcome);
    }
    session.stop().await;
    Ok(tested)
}

/// How long a harmless call takes; asked only where time is what shows.
async fn harmless(
    session: &mut Session,
    class: Class,
    tools: &[Tool],
    probe: &Probe,
    bound: Duration,
) -> Duration {
    let tool = tools.iter().find(|tool| tool.name == probe.tool);
    match tool.filter(|_| class == Class::ReDos) {
        Some(tool) => {
            let begin = Instant::now();
            let _ = session.call(&tool.name, probe::harmless(tool), bound).await;
            begin.elapsed()
        }
        None => Duration::ZERO,
    }
}

async fn send(session: &mut Session, scene: &Scene, probe: &Probe, bound: Duration) -> Seen {
    let begin = Instant::now();
    let answer = session
        .call(&probe.tool, probe.arguments.clone(), bound)
        .await;
    let took = begin.elapsed();
    let mut seen = Seen {
        took,
        ..Seen::default()
    };
    match answer {
        Answer::Result { text, is_error } => {
            seen.answer = text;
            seen.is_error = is_error;
        }
        Answer::Late => seen.is_late = true,
        Answer::Ended => seen.has_ended = true,
    }
    session.listen(AFTERWARDS).await;
    seen.polluted = session.polluted();
    seen.made = scene.made();
    seen.fetched = scene.fetched();
    seen
}
