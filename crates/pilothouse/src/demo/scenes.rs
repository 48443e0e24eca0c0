//! The story, in its order. Each part does something, looks at what came of it, and claims what has to be so.

mod bill;
mod fix;
mod flood;
mod opening;
mod shield;

use super::book::{Book, NotAsTold};
use super::clients::{Caller, Tally, Way};
use super::incident;
use super::pace::Pace;
use super::program::{Gateway, Program, Said};
use super::stage::Stage;
use anyhow::Result;
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Time between two looks at something that has to come.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// What 95 % of the calls are to be answered within.
const GOOD_S: f64 = 1.0;

/// All that there is while the story goes on.
pub(super) struct Show<'a> {
    stage: &'a Stage,
    pace: &'a Pace,
    book: &'a mut Book,
    program: Program,
    gateway: Gateway,
    way: Way,
    steady: Vec<Caller>,
    flooding: Option<Caller>,
}

/// Tells all of it.
pub(super) async fn play(stage: &Stage, pace: &Pace, book: &mut Book) -> Result<()> {
    let mut show = opening::open(stage, pace, book).await?;
    // Whatever stands in the way of the story, it is not as told.
    let told = acts(&mut show)
        .await
        .map_err(|error| match error.is::<NotAsTold>() {
            true => error,
            false => NotAsTold(format!("{error:#}")).into(),
        });
    if told.is_err() {
        why(&mut show).await?;
    }
    show.steady.clear();
    show.flooding = None;
    show.gateway.stop().await;
    told
}

async fn acts(show: &mut Show<'_>) -> Result<()> {
    opening::calm(show).await?;
    flood::rises(show).await?;
    flood::looked_into(show).await?;
    flood::scaled(show).await?;
    shield::limited(show).await?;
    fix::vulnerability(show).await?;
    bill::made(show).await?;
    incident::report(show).await
}

/// What can be known of the reason: processes that ended though nobody here asked for it, and what the gateway said.
async fn why(show: &mut Show<'_>) -> Result<()> {
    if let Some(exit) = show.gateway.ended().await {
        show.book.say(&format!("The gateway has ended: {exit}."))?;
    }
    let query = "kind=event event=child_exited";
    // A gateway that is gone has left its records, and they are read from there.
    if let Ok(said) = show
        .program
        .run(&["logs", query, "--since", "1h", "--json"])
        .await
    {
        let lines = said.out.lines();
        let exits = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        for death in exits.filter(|exit| exit["expected"] == false) {
            show.book.say(&format!(
                "A process of {} that nobody here ended is gone: {}, process {}, {}. Calls that it had in hand are lost \
                 with it, and it is replaced.",
                death["server"].as_str().unwrap_or("the server"),
                death["exit"].as_str().unwrap_or("unknown"),
                death["pid"],
                death["timestamp"].as_str().unwrap_or_default()
            ))?;
        }
    }
    let said = show.gateway.said();
    show.book
        .text("gateway", &format!("\nwhat the gateway said:\n{said}"))
}

impl Show<'_> {
    pub(super) fn stage(&self) -> &Stage {
        self.stage
    }

    pub(super) fn book(&mut self) -> &mut Book {
        self.book
    }

    pub(super) fn program(&self) -> &Program {
        &self.program
    }

    /// How long the story goes on, as `--since` wants it.
    pub(super) fn so_far(&self) -> String {
        format!("{}s", self.book.elapsed().as_secs().max(10))
    }

    /// Runs a command, shows it, and gives what it said.
    async fn shown(&mut self, args: &[&str]) -> Result<Said> {
        let said = self.program.run(args).await?;
        self.book.command(args, &said)?;
        sleep(self.pace.pause).await;
        Ok(said)
    }

    /// The first number that a query answers with.
    async fn number(&self, query: &str) -> Result<Option<f64>> {
        let answer = self.program.json(&["query", query]).await?;
        let text = &answer["data"]["result"][0]["value"][1];
        Ok(text
            .as_str()
            .and_then(|text| text.parse().ok())
            .filter(|number: &f64| number.is_finite()))
    }

    /// 95 % of the calls of the last window were answered within so many seconds.
    async fn p95(&self) -> Result<Option<f64>> {
        let seconds = self.pace.window.as_secs();
        self.number(&format!(
            "histogram_quantile(0.95, sum by (le) (rate(mcp_response_duration_seconds_bucket[{seconds}s])))"
        ))
        .await
    }

    /// The alerts that fire.
    async fn firing(&self) -> Result<Vec<Value>> {
        let answer = self.program.json(&["alerts", "--firing"]).await?;
        Ok(answer["alerts"].as_array().cloned().unwrap_or_default())
    }

    /// What became of the calls of those who do nothing wrong.
    fn steady(&self) -> Tally {
        let mut all = Tally::default();
        for caller in &self.steady {
            all.add(caller.tally());
        }
        all
    }
}

/// Looks again and again, until there is something or the time is over.
async fn until<T>(
    what: &str,
    patience: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if begin.elapsed() >= patience {
            return Err(
                NotAsTold(format!("within {} s not seen: {what}", patience.as_secs())).into(),
            );
        }
        sleep(LOOK_EVERY).await;
    }
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(
        || "none".to_owned(),
        |time| format!("{:.2} s", time.as_secs_f64()),
    )
}
