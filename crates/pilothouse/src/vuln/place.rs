//! Which configuration holds, and where the advisories are.

use crate::ask::data_dir;
use crate::sources::{DEFAULT_FILE, read_file};
use anyhow::{Result, anyhow};
use clap::Args;
use ph_plan::Plan;
use std::path::{Path, PathBuf};

/// Flags of all commands that need advisories.
#[derive(Args, Clone)]
pub(crate) struct PlaceArgs {
    /// Folder of the advisories [default: `vuln.db` of the configuration, else `advisories` in the data directory].
    #[arg(long, value_name = "DIR")]
    pub db: Option<PathBuf>,
    /// Configuration [default: `pilothouse.yaml`, if it is here].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data directory [default: that of the configuration, else $XDG_STATE_HOME/pilothouse].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// What they come to.
pub(crate) struct Place {
    pub plan: Plan,
    /// Folder of the advisories.
    pub db: PathBuf,
}

/// Below the data directory.
const FOLDER: &str = "advisories";

impl PlaceArgs {
    /// Reads the configuration, if there is one.
    ///
    /// # Errors
    /// A configuration that is wrong: what it says of advisories is not guessed.
    pub(crate) fn read(&self) -> Result<Place> {
        let here = Path::new(DEFAULT_FILE);
        let file = self.config.as_deref().or(here.exists().then_some(here));
        let plan = match file {
            Some(file) => match read_file(file)? {
                Ok((plan, _)) => plan,
                Err(rejected) => {
                    let file = file.display();
                    return Err(anyhow!(
                        "`{file}` is no configuration\n{}",
                        rejected.0.trim_end()
                    ));
                }
            },
            None => Plan::default(),
        };
        let configured = plan.vuln.db.as_ref().map(|db| db.as_path().to_owned());
        let db = match self.db.clone().or(configured) {
            Some(db) => db,
            None => {
                let of_plan = plan.data_dir.as_ref().map(|dir| dir.as_path().to_owned());
                let dir = self.data_dir.clone().or(of_plan);
                data_dir(dir.as_deref())?.join(FOLDER)
            }
        };
        Ok(Place { plan, db })
    }
}
