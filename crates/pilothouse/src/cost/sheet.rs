//! The price sheet: `cost` of a configuration.

use crate::printer::Printer;
use crate::sources::{DEFAULT_FILE, Rejected, read_file};
use anyhow::{Result, bail};
use clap::Args;
use ph_cost::replay::PodPrice;
use ph_plan::Plan;
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

/// Where prices come from.
#[derive(Args)]
pub(super) struct SheetArgs {
    /// Configuration whose `cost` has the prices [default: `pilothouse.yaml` here, if there is one].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What a configuration says of prices, or the defaults.
pub(super) struct Sheet {
    pub(super) plan: Plan,
    /// The configuration, where there is one.
    pub(super) file: Option<PathBuf>,
}

impl SheetArgs {
    /// # Errors
    /// One that is wrong is not passed over: numbers would be made of prices that nobody meant.
    pub(super) fn read(&self, printer: &Printer) -> Result<Sheet> {
        let here = Path::new(DEFAULT_FILE);
        let file = match &self.config {
            Some(file) => Some(file.clone()),
            None => here.exists().then(|| here.to_owned()),
        };
        let Some(file) = file else {
            return Ok(Sheet {
                plan: Plan::default(),
                file: None,
            });
        };
        match read_file(&file)? {
            Ok((plan, _)) => Ok(Sheet {
                plan,
                file: Some(file),
            }),
            Err(Rejected(problems)) => {
                printer.say(&problems);
                bail!("no prices can be taken from `{}`", file.display())
            }
        }
    }
}

impl Sheet {
    /// Puts `value` into `object[key]` where nothing stands yet.
    pub(super) fn fill(object: &mut Json, key: &str, value: Option<impl serde::Serialize>) {
        if let (Some(fields), Some(value)) = (object.as_object_mut(), value)
            && !fields.contains_key(key)
            && let Ok(value) = serde_json::to_value(value)
        {
            fields.insert(key.to_owned(), value);
        }
    }

    /// What a pod is priced by where an autoscaler is replayed.
    pub(super) fn pod_price(&self) -> PodPrice {
        ph_ledger::pod_price(&self.plan.cost.prices())
    }

    /// Price of a class of storage, if there is one.
    pub(super) fn storage(&self, class: &str) -> Option<ph_cost::price::Money> {
        let classes = &self.plan.cost.storage_gb_month;
        let found = classes.iter().find(|(name, _)| name.as_str() == class);
        found.map(|(_, price)| *price)
    }

    /// Where its prices stand, as a clause.
    pub(super) fn source(&self) -> String {
        let is_placeholder = self.plan.cost.prices().is_placeholder;
        match &self.file {
            Some(file) if !is_placeholder => format!("of `{}`", file.display()),
            Some(_) | None => "of OpenCost, placeholders that nobody pays".to_owned(),
        }
    }
}
