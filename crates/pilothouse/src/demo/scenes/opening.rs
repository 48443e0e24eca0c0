//! Everything starts, and everything is well.

use super::{GOOD_S, Show, seconds, until};
use crate::demo::book::{Book, NotAsTold};
use crate::demo::clients::{Call, Caller, Way};
use crate::demo::pace::Pace;
use crate::demo::program::Program;
use crate::demo::stage::{FILES, STAT_DELAY, Stage};
use anyhow::Result;
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

const ASSISTANTS: [&str; 3] = ["assistant-1", "assistant-2", "assistant-3"];
/// Time between two calls of an assistant: together two calls a second.
const GAP: Duration = Duration::from_millis(1500);

pub(super) async fn open<'a>(
    stage: &'a Stage,
    pace: &'a Pace,
    book: &'a mut Book,
) -> Result<Show<'a>> {
    book.scene("A server, Pilothouse in front of it, and three assistants")?;
    book.say(&format!(
        "The server is Pilothouse's own workbench with {FILES} files on a disk that is said to be slow: {STAT_DELAY} for a \
         look at a file, one at a time. Two processes of it run. Rules look back {} s and wait {} s; those of production 5 \
         and 10 minutes.",
        pace.window.as_secs(),
        pace.hold.as_secs()
    ))?;
    let mut program = Program::new(stage.dir())?;
    let made = program
        .run(&["keys", "create", "narrator", "--role", "admin"])
        .await?;
    let key = made.out.trim().to_owned();
    if made.code != 0 || key.is_empty() {
        return Err(NotAsTold(format!("no key could be made: {}", made.err)).into());
    }
    program.use_key(key);
    let gateway = program.start_gateway()?;
    let url = until("the address of the gateway", pace.patience, async || {
        Ok(gateway.url())
    })
    .await?;
    until("two processes that are ready", pace.patience, async || {
        let servers = program.json(&["servers"]).await;
        // Until it listens nobody answers.
        let ready = servers.is_ok_and(|servers| super::flood::ready(&servers) == 2);
        Ok(ready.then_some(()))
    })
    .await?;
    let way = Way::open(&stage.path("gateway.sock"), &url)?;
    let mut steady = Vec::new();
    for name in ASSISTANTS {
        steady.push(Caller::start(&way, name, GAP, what_assistants_do()).await?);
    }
    book.mark("the gateway runs, and three assistants call");
    Ok(Show {
        stage,
        pace,
        book,
        program,
        gateway,
        way,
        steady,
        flooding: None,
    })
}

/// One call in eight searches a part of the tree.
fn what_assistants_do() -> Vec<Call> {
    let read = Call::new("readFile", &json!({"path": "area-03/report-007.txt"}));
    let query = Call::new(
        "query",
        &json!({"sql": "SELECT name, stock FROM products ORDER BY stock LIMIT 5"}),
    );
    let search = Call::new(
        "searchFiles",
        &json!({"pattern": "area-05/*-01?.txt", "maxResults": 20}),
    );
    let mut calls = vec![search];
    for _ in 0..3 {
        calls.push(read.clone());
        calls.push(query.clone());
    }
    calls.push(read);
    calls
}

pub(super) async fn calm(show: &mut Show<'_>) -> Result<()> {
    sleep(show.pace.calm).await;
    show.shown(&["servers"]).await?;
    show.shown(&["query", "sum by (tool) (mcp_tool_calls_total)"])
        .await?;
    // What the start of the processes took is among the first answers.
    let p95 = until(
        "95 % of the calls within a second",
        show.pace.patience,
        async || Ok(show.p95().await?.filter(|p95| *p95 < GOOD_S)),
    )
    .await?;
    let tally = show.steady();
    let is_well = tally.failed == 0 && tally.done > 0 && show.firing().await?.is_empty();
    show.book.claim(
        is_well,
        "all is well",
        &format!(
            "{} calls, {} failed; 95 % within {}; no alert{}",
            tally.done,
            tally.failed,
            seconds(Some(Duration::from_secs_f64(p95))),
            tally.failures()
        ),
    )
}
