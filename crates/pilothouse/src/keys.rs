//! `pilothouse keys`: API keys, made by the daemon that runs, or in the data directory when none does.

use crate::ask::{Answer, Daemon, WhereArgs, read_duration, time_of_day};
use crate::exit;
use crate::printer::Printer;
use crate::terminal::clean;
use anyhow::{Result, anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use jiff::Timestamp;
use ph_server::{KeyDesk, KeyInfo, Keys, MadeSecret, NewKey, NewSecret};
use serde_json::json;

#[derive(Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Make a key and print it. It is shown this once.
    Create(CreateArgs),
    /// List the keys, without their secrets.
    List(ListArgs),
    /// Give a key a new secret and print it; the old one stays good for a while.
    Rotate(RotateArgs),
    /// Take keys back, with all their secrets, at once.
    Revoke(RevokeArgs),
}

#[derive(Args)]
struct CreateArgs {
    /// Its name, which calls with it are recorded under.
    name: String,
    /// A group it is in, for rules; can be given several times.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// What it may do on the admin listener [default: nothing].
    #[arg(long, value_name = "ROLE")]
    role: Option<RoleArg>,
    /// For how long it is good [default: until it is revoked].
    #[arg(long, value_name = "DURATION")]
    expires: Option<String>,
    #[command(flatten)]
    place: WhereArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleArg {
    /// Read.
    Viewer,
    /// Silence alerts, restart, scale and drain servers, too.
    Operator,
    /// Everything: keys and approvals, too.
    Admin,
}

#[derive(Args)]
struct ListArgs {
    /// Also those that were revoked, for 30 days.
    #[arg(long)]
    revoked: bool,
    /// Print them as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: WhereArgs,
}

#[derive(Args)]
struct RotateArgs {
    /// Its name.
    name: String,
    /// For how long the old secret is good beside the new one.
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    overlap: String,
    /// For how long the new one is good [default: until it is revoked].
    #[arg(long, value_name = "DURATION")]
    expires: Option<String>,
    #[command(flatten)]
    place: WhereArgs,
}

#[derive(Args)]
struct RevokeArgs {
    /// Their names.
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    #[command(flatten)]
    place: WhereArgs,
}

pub(crate) const EXAMPLES: &str = "\
Keys are asked for with `auth: {api_keys: true}` in the configuration, and sent as
`Authorization: Bearer ph_…`. Only a digest of each is kept.

Examples:
  pilothouse keys create ci --group readers --expires 90d
  pilothouse keys rotate ci --overlap 24h
  pilothouse keys revoke ci
  pilothouse keys list";

pub(crate) fn keys(args: &KeysArgs, printer: &Printer) -> Result<u8> {
    match &args.what {
        What::Create(args) => create(args, printer),
        What::List(args) => list(args, printer),
        What::Rotate(args) => rotate(args, printer),
        What::Revoke(args) => revoke(args, printer),
    }
}

/// Who has the keys.
enum Holder {
    Daemon(Daemon),
    Directory(KeyDesk),
}

impl Holder {
    fn find(place: &WhereArgs) -> Result<Self> {
        Ok(match crate::ask::daemon(place)? {
            Ok(daemon) => Self::Daemon(daemon),
            Err(dir) => Self::Directory(KeyDesk::open(&dir)?),
        })
    }

    fn ask(
        daemon: &Daemon,
        method: &Method,
        path: &str,
        body: Option<String>,
    ) -> Result<serde_json::Value> {
        let answer: Answer = daemon.send(method, &format!("/api/pilothouse/keys{path}"), body)?;
        answer.json()
    }

    fn list(&self) -> Result<Vec<KeyInfo>> {
        match self {
            Self::Daemon(daemon) => {
                let mut answer = Self::ask(daemon, &Method::GET, "", None)?;
                Ok(serde_json::from_value(answer["keys"].take())?)
            }
            Self::Directory(desk) => Ok(desk.list()),
        }
    }

    fn create(&self, key: NewKey) -> Result<MadeSecret> {
        match self {
            Self::Daemon(daemon) => {
                let body = Some(serde_json::to_string(&key)?);
                let answer = Self::ask(daemon, &Method::POST, "", body)?;
                Ok(serde_json::from_value(answer)?)
            }
            Self::Directory(desk) => Ok(desk.create(key)?),
        }
    }

    fn rotate(&self, name: &str, secret: NewSecret) -> Result<MadeSecret> {
        match self {
            Self::Daemon(daemon) => {
                let body = Some(serde_json::to_string(&secret)?);
                let path = format!("/{name}/secrets");
                let answer = Self::ask(daemon, &Method::POST, &path, body)?;
                Ok(serde_json::from_value(answer)?)
            }
            Self::Directory(desk) => Ok(desk.rotate(name, secret)?),
        }
    }

    fn revoke(&self, name: &str) -> Result<()> {
        match self {
            Self::Daemon(daemon) => {
                Self::ask(daemon, &Method::DELETE, &format!("/{name}"), None).map(drop)
            }
            Self::Directory(desk) => Ok(desk.revoke(name)?),
        }
    }
}

fn create(args: &CreateArgs, printer: &Printer) -> Result<u8> {
    let role = args.role.and_then(|role| role.to_possible_value());
    let order = NewKey {
        name: checked(&args.name)?.to_owned(),
        role: role.map(|role| role.get_name().to_owned()),
        groups: args.groups.clone(),
        expires: expiry(args.expires.as_deref())?,
    };
    let made = Holder::find(&args.place)?.create(order)?;
    show(&args.name, &made, printer)
}

fn rotate(args: &RotateArgs, printer: &Printer) -> Result<u8> {
    let order = NewSecret {
        overlap: seconds(&args.overlap)?,
        expires: expiry(args.expires.as_deref())?,
    };
    let made = Holder::find(&args.place)?.rotate(checked(&args.name)?, order)?;
    printer.say(&format!(
        "the old secret of `{}` is good for {} more",
        args.name, args.overlap
    ));
    show(&args.name, &made, printer)
}

fn revoke(args: &RevokeArgs, printer: &Printer) -> Result<u8> {
    let holder = Holder::find(&args.place)?;
    for name in &args.names {
        holder.revoke(checked(name)?)?;
        printer.say(&format!("`{name}` is revoked"));
    }
    Ok(exit::DONE)
}

/// The key alone goes to stdout, for `$(…)`.
fn show(name: &str, made: &MadeSecret, printer: &Printer) -> Result<u8> {
    let until = made.expires.map(|at| format!(", good until {}", day(at)));
    printer.say(&format!(
        "the key of `{name}`{}; it is shown this once:",
        until.unwrap_or_default()
    ));
    printer.data(&format!("{}\n", made.key))?;
    Ok(exit::DONE)
}

fn list(args: &ListArgs, printer: &Printer) -> Result<u8> {
    let mut keys = Holder::find(&args.place)?.list()?;
    keys.retain(|key| args.revoked || key.revoked.is_none());
    if args.json {
        printer.data(&format!("{}\n", json!({"version": 1, "keys": keys})))?;
        return Ok(exit::DONE);
    }
    if keys.is_empty() {
        printer.say("no keys; `pilothouse keys create NAME` makes one");
    }
    let wide = keys.iter().map(|key| key.name.len()).max().unwrap_or(0);
    for key in &keys {
        let mut about = vec![format!("made {}", day(key.created))];
        about.extend(
            key.role
                .as_ref()
                .map(|role| format!("role {}", clean(role))),
        );
        if !key.groups.is_empty() {
            about.push(format!("groups {}", clean(&key.groups.join(", "))));
        }
        about.extend(key.revoked.map(|at| format!("REVOKED {}", day(at))));
        printer.data(&format!(
            "{:<wide$}  {}\n",
            clean(&key.name),
            about.join("; ")
        ))?;
        for secret in &key.secrets {
            let expires = secret.expires.map(|at| format!("until {}", day(at)));
            let used = secret.last_used.map(|at| format!("last used {}", day(at)));
            printer.data(&format!(
                "{:wide$}  ph_{}_…  {}, {}\n",
                "",
                clean(&secret.id),
                expires.unwrap_or_else(|| "no end".to_owned()),
                used.unwrap_or_else(|| "never used".to_owned()),
            ))?;
        }
    }
    Ok(exit::DONE)
}

/// A name that can stand in a path; the daemon checks it again.
fn checked(name: &str) -> Result<&str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || !name.chars().all(fits) {
        bail!("`{name}` is no name of a key: 1 to 64 letters, digits, `.`, `_` or `-`");
    }
    Ok(name)
}

fn seconds(text: &str) -> Result<u64> {
    let time = read_duration(text);
    time.map(|time| time.as_secs())
        .ok_or_else(|| anyhow!("`{text}` is no duration such as `24h` or `90d`"))
}

/// Unix seconds at the end of a time from now.
fn expiry(text: Option<&str>) -> Result<Option<u64>> {
    let Some(text) = text else { return Ok(None) };
    let time = seconds(text)?;
    if time == 0 {
        bail!("a key that is good for {text} is good for nothing");
    }
    let now = u64::try_from(Timestamp::now().as_second()).unwrap_or(0);
    Ok(Some(now.saturating_add(time)))
}

fn day(unix_s: u64) -> String {
    let at = i64::try_from(unix_s).ok();
    let at = at.and_then(|at| Timestamp::from_second(at).ok());
    at.map_or_else(
        || time_of_day(i64::MAX),
        |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    )
}
