//! A vulnerable package, from the advisory to the proof that it is gone.

use super::{Show, until};
use crate::demo::stage::{ADVISORY, NEW, OLD, PACKAGE, PACKAGE_NEW, PACKAGE_OLD};
use anyhow::Result;
use serde_json::{Value, json};

pub(super) async fn vulnerability(show: &mut Show<'_>) -> Result<()> {
    show.book.scene("An advisory appears")?;
    show.book.say(&format!(
        "Around the program of the server lies {PACKAGE} {PACKAGE_OLD}, as a package manager would have left it, and another \
         folder has version {NEW} with {PACKAGE} {PACKAGE_NEW}. Both were put there for this demonstration, and the \
         workbench uses neither; what Pilothouse does about them is what it does about any."
    ))?;
    show.shown(&["vuln", "db", "import", "advisory.json"])
        .await?;
    let patience = show.pace.patience;
    let case = until("a case", patience, async || case(show).await).await?;
    show.shown(&["vuln", "list"]).await?;
    show.book.claim(
        case["state"] == "detected" && case["due"].is_number(),
        "the running server is found to have it, and the clock runs",
        &format!(
            "{} in {PACKAGE} {PACKAGE_OLD}",
            case["advisory"].as_str().unwrap_or_default()
        ),
    )?;
    decided(
        show,
        &[
            "vuln",
            "assess",
            ADVISORY,
            "--reason",
            "tool input may reach it",
        ],
    )
    .await?;
    decided(
        show,
        &[
            "vuln",
            "move",
            ADVISORY,
            "patch",
            "--reason",
            "version 1.1.0 has 4.17.21",
        ],
    )
    .await?;
    decided(
        show,
        &[
            "vuln",
            "move",
            ADVISORY,
            "test",
            "--reason",
            "its tests have passed",
        ],
    )
    .await?;

    let early = show.shown(&["vuln", "move", ADVISORY, "deployed"]).await?;
    show.book.claim(
        early.code != 0,
        "nobody can say that it is deployed while the old one runs",
        early.err.lines().next().unwrap_or_default(),
    )?;
    replaced(show).await?;
    let said = show.shown(&["vuln", "move", ADVISORY, "deployed"]).await?;
    let state = case_now(show).await?;
    show.book.claim(
        said.code == 0 && state == "deployed",
        "a scan of what runs proves that it is gone",
        &format!("{PACKAGE} {PACKAGE_NEW}, state {state}"),
    )
}

async fn decided(show: &mut Show<'_>, args: &[&str]) -> Result<()> {
    let said = show.shown(args).await?;
    let what = format!("`pilothouse {}`", args[..2].join(" "));
    if said.code != 0 {
        return show.book.claim(false, &what, &said.err);
    }
    show.book.mark(&format!(
        "{what}: {}",
        args.last().copied().unwrap_or_default()
    ));
    Ok(())
}

/// Step by step, while the assistants go on.
async fn replaced(show: &mut Show<'_>) -> Result<()> {
    let before = show.steady();
    let to = json!(show.stage.command(NEW)).to_string();
    let said = show
        .shown(&[
            "replace", "files", "--to", &to, "--step", "50,100", "--every", "3s",
        ])
        .await?;
    if said.code != 0 {
        return show
            .book
            .claim(false, "the new version can take its place", &said.err);
    }
    let patience = show.pace.patience;
    let old = format!("files-{OLD}");
    until("only processes of the new version", patience, async || {
        let servers = show.program.json(&["servers"]).await?;
        let server = &servers["servers"][0];
        let is_done = server["replaced"] == true
            && server["replacement"].is_null()
            && !server["command"].to_string().contains(&old);
        Ok(is_done.then_some(()))
    })
    .await?;
    show.shown(&["servers"]).await?;
    let steady = show.steady().since(&before);
    show.book.claim(
        steady.failed == 0 && steady.done > 0,
        &format!("version {NEW} has taken the place of {OLD}, and no call was lost"),
        &format!(
            "{} calls of the assistants meanwhile{}",
            steady.done,
            steady.failures()
        ),
    )
}

async fn case(show: &Show<'_>) -> Result<Option<Value>> {
    let answer = show
        .program
        .json(&["vuln", "list", "--only", "all"])
        .await?;
    let mut all = answer["vulnerabilities"]
        .as_array()
        .cloned()
        .unwrap_or_default()
        .into_iter();
    Ok(all.find(|case| case["advisory"] == ADVISORY))
}

async fn case_now(show: &Show<'_>) -> Result<String> {
    let case = case(show).await?.unwrap_or_default();
    Ok(case["state"].as_str().unwrap_or("none").to_owned())
}
