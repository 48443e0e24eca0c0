//! What the arguments of a scan name.

use super::super::place::Place;
use super::{ScanArgs, names_nothing, path};
use crate::ask::{Api, Params, WhereArgs};
use anyhow::Result;
use ph_jobs::vuln::Subject;
use ph_plan::{Server, Upstream, Version};
use std::path::{Path, PathBuf};

/// What is scanned.
pub(super) enum Of<'a> {
    Path(PathBuf),
    ImageFile(PathBuf),
    Image(String),
    Server {
        name: &'a str,
        server: Box<Server>,
        pids: Vec<u32>,
    },
}

/// A server goes before a folder of the same name, which can be written `./name`.
pub(super) fn of<'a>(args: &ScanArgs, place: &'a Place) -> Result<Of<'a>> {
    if let Some(file) = &args.image {
        return Ok(Of::ImageFile(file.clone()));
    }
    let Some(word) = &args.subject else {
        return Ok(Of::Path(PathBuf::from(".")));
    };
    let server = place
        .plan
        .servers
        .iter()
        .find(|(name, _)| name.as_str() == word);
    if let Some((name, server)) = server {
        let (upstream, pids) = running(&at(args, place), name.as_str(), &server.upstream);
        let mut server = Box::new(server.clone());
        server.upstream = upstream.unwrap_or(server.upstream);
        return Ok(Of::Server {
            name: name.as_str(),
            server,
            pids,
        });
    }
    if Path::new(word).exists() {
        return Ok(Of::Path(PathBuf::from(word)));
    }
    if args.trivy {
        return Ok(Of::Image(word.clone()));
    }
    Err(names_nothing(word, place))
}

impl Of<'_> {
    pub(super) fn subject(&self) -> Subject<'_> {
        match self {
            Self::Path(of) => path(&of.to_string_lossy()),
            Self::ImageFile(of) => Subject::ImageFile(of.clone()),
            Self::Image(reference) => Subject::ImageReference(reference.clone()),
            Self::Server { name, server, pids } => Subject::Server {
                name,
                server,
                pids: pids.clone(),
            },
        }
    }

    /// The reference of the image that is scanned, or that a server is run from.
    pub(super) fn image(&self) -> Option<String> {
        match self {
            Self::Image(reference) => Some(reference.clone()),
            Self::Server { server, .. } => match &server.upstream {
                Upstream::Stdio(stdio) => {
                    let words = stdio.args.iter().map(|word| word.as_str().to_owned());
                    ph_jobs::vuln::image_of(stdio.command.as_str(), &words.collect::<Vec<_>>())
                }
                Upstream::Http(_) => None,
            },
            Self::Path(_) | Self::ImageFile(_) => None,
        }
    }
}

/// Where the daemon is looked for that runs the servers of this configuration.
pub(super) fn at(args: &ScanArgs, place: &Place) -> WhereArgs {
    let configured = place.plan.data_dir.as_ref();
    let configured = configured.map(|dir| dir.as_path().to_owned());
    WhereArgs {
        data_dir: args.place.data_dir.clone().or(configured),
        address: None,
    }
}

/// What a daemon has started in the place of what is configured, and all processes of the server. Where none runs, the
/// command of the configuration is what counts.
fn running(at: &WhereArgs, name: &str, configured: &Upstream) -> (Option<Upstream>, Vec<u32>) {
    let asked = Api::find(at).and_then(|api| {
        api.daemon("servers that run")?;
        api.json("/api/pilothouse/servers", &Params::new())
    });
    let Ok(answer) = asked else {
        return (None, Vec::new());
    };
    let servers = answer["servers"].as_array().cloned().unwrap_or_default();
    let Some(own) = servers.iter().find(|server| server["name"] == name) else {
        return (None, Vec::new());
    };
    let is_replaced = own["replaced"] == true;
    let upstream = is_replaced.then(|| replaced(own, configured)).flatten();
    let pids = own["processes"].as_array().into_iter().flatten();
    let pids = pids.filter_map(serde_json::Value::as_u64);
    (
        upstream,
        pids.filter_map(|pid| u32::try_from(pid).ok()).collect(),
    )
}

fn replaced(server: &serde_json::Value, configured: &Upstream) -> Option<Upstream> {
    let words = server["command"].as_array()?.iter();
    let mut words = words.filter_map(|word| Some(word.as_str()?.to_owned()));
    let command = Version::Command {
        program: words.next()?,
        args: words.collect(),
    };
    command.of(configured).ok()
}
