//! `pilothouse workbench`.

use crate::cli::WorkbenchArgs;
use crate::exit;
use anyhow::{Result, anyhow};
use ph_workbench::Options;
use std::io;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Longest time that a file can be said to take.
const STAT_DELAY_MAX: Duration = Duration::from_secs(1);

pub(crate) fn serve(args: WorkbenchArgs) -> Result<u8> {
    let stop = CancellationToken::new();
    let mut options = Options {
        root: args.root,
        database: args.db,
        otlp: ph_otlp::Settings::from_env(crate::secrets::variable)?,
        access: Box::new(io::stderr()),
        stop: stop.clone(),
        ..Options::default()
    };
    if let Some(text) = &args.stat_delay {
        let delay = crate::ask::read_duration(text).filter(|delay| *delay <= STAT_DELAY_MAX);
        options.stat_delay = delay.ok_or_else(|| {
            anyhow!("`{text}` is no duration such as `10ms`, of at most {STAT_DELAY_MAX:?}")
        })?;
    }
    if !args.allow_host.is_empty() {
        options.allow_hosts = args.allow_host;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        tokio::spawn(async move {
            if crate::run::termination().await.is_ok() {
                stop.cancel();
            }
        });
        match args.http {
            None => ph_workbench::serve_stdio(options).await?,
            Some(address) => {
                let (address, serving) = ph_workbench::serve_http(address, options).await?;
                crate::Printer::new().say(&format!("workbench: http://{address}/mcp"));
                serving.await;
            }
        }
        Ok(exit::DONE)
    })
}
