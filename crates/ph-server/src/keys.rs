//! API keys for whoever makes them: the admin API, and commands while no daemon runs.

use crate::audit::AuditLog;
use crate::home::Home;
use crate::start_error::StartError;
use ph_api::{KeyInfo, KeyRefusal, Keys, MadeSecret, NewKey, NewSecret, SecretInfo};
use ph_auth::{KeyOrder, KeyView, Keyring, KeyringError, MadeKey, unix_s};
use ph_policy::Role;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Makes and changes keys, now.
pub struct KeyDesk {
    keyring: Arc<Keyring>,
    /// Held while no daemon does, and then changes are written down here.
    alone: Option<(Home, AuditLog)>,
}

impl KeyDesk {
    /// Of a daemon.
    pub(crate) fn of(keyring: Arc<Keyring>) -> Self {
        Self {
            keyring,
            alone: None,
        }
    }

    /// Of a data directory in which no daemon runs, nor will while this lives.
    ///
    /// # Errors
    /// When a daemon runs there after all, or the keys cannot be read.
    pub fn open(data_dir: &Path) -> Result<Self, KeyDeskError> {
        let home = Home::open(data_dir)?;
        let audit = AuditLog::open(&home.logs()).map_err(StartError::Audit)?;
        Ok(Self {
            keyring: Arc::new(Keyring::open(&home.keys()).map_err(StartError::Keys)?),
            alone: Some((home, audit)),
        })
    }

    /// Makes a change that is written down before and after, where nobody else does that.
    fn audited<T>(
        &self,
        action: &str,
        more: Vec<(&'static str, serde_json::Value)>,
        change: impl FnOnce() -> Result<T, KeyRefusal>,
    ) -> Result<T, KeyRefusal> {
        let Some((_, audit)) = &self.alone else {
            return change();
        };
        audit.around(action, more, KeyRefusal::Unavailable, change)
    }
}

/// The keys of a data directory cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyDeskError {
    /// The directory cannot be used.
    #[error(transparent)]
    Home(#[from] crate::HomeError),
    /// The keys cannot be read.
    #[error(transparent)]
    Keys(#[from] StartError),
}

/// How often last uses are written down.
const NOTED_EVERY: Duration = Duration::from_secs(60);

/// Writes down now and then when keys were last used, as long as somebody else has the keys, too.
pub(crate) fn note_uses(keyring: &Arc<Keyring>, complain: Arc<dyn Fn(&str) + Send + Sync>) {
    let keyring = Arc::downgrade(keyring);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(NOTED_EVERY).await;
            let Some(keyring) = keyring.upgrade() else {
                return;
            };
            let complain = Arc::clone(&complain);
            let noted = tokio::task::spawn_blocking(move || note_uses_now(&keyring, &*complain));
            let _done = noted.await;
        }
    });
}

/// Writes it down now. Blocks.
pub(crate) fn note_uses_now(keyring: &Keyring, complain: &dyn Fn(&str)) {
    if let Err(error) = keyring.save_uses() {
        complain(&format!(
            "when API keys were last used cannot be written down: {error}"
        ));
    }
}

impl Keys for KeyDesk {
    fn list(&self) -> Vec<KeyInfo> {
        self.keyring.list().into_iter().map(shown).collect()
    }

    fn create(&self, key: NewKey) -> Result<MadeSecret, KeyRefusal> {
        let role = match key.role.as_deref() {
            None => None,
            Some(word) => Some(Role::parse(word).ok_or_else(|| {
                let words = Role::ALL.map(Role::as_str).join(", ");
                KeyRefusal::Invalid(format!("there is no role of this name: there are {words}"))
            })?),
        };
        let order = KeyOrder {
            name: key.name,
            role,
            groups: key.groups,
            expires_unix_s: key.expires,
        };
        let more = vec![
            ("name", json!(order.name)),
            ("role", json!(order.role.map(Role::as_str))),
            ("groups", json!(order.groups)),
        ];
        self.audited("key.create", more, || {
            made(self.keyring.create(&order, unix_s()))
        })
    }

    fn rotate(&self, name: &str, secret: NewSecret) -> Result<MadeSecret, KeyRefusal> {
        let NewSecret { overlap, expires } = secret;
        self.audited("key.rotate", vec![("name", json!(name))], || {
            made(self.keyring.rotate(name, overlap, expires, unix_s()))
        })
    }

    fn revoke(&self, name: &str) -> Result<(), KeyRefusal> {
        self.audited("key.revoke", vec![("name", json!(name))], || {
            self.keyring.revoke(name, unix_s()).map_err(refusal)
        })
    }
}

fn made(made: Result<MadeKey, KeyringError>) -> Result<MadeSecret, KeyRefusal> {
    let made = made.map_err(refusal)?;
    Ok(MadeSecret {
        key: made.text,
        id: made.id,
        expires: made.expires_unix_s,
    })
}

fn refusal(error: KeyringError) -> KeyRefusal {
    let text = error.to_string();
    match error {
        KeyringError::Unknown(_) => KeyRefusal::Unknown(text),
        KeyringError::Taken(_) => KeyRefusal::Taken(text),
        KeyringError::Name(_)
        | KeyringError::Group(_)
        | KeyringError::TooMany { .. }
        | KeyringError::Past => KeyRefusal::Invalid(text),
        KeyringError::State(source) => KeyRefusal::Unavailable(format!("{text}: {source}")),
        KeyringError::Row(_) | KeyringError::Randomness | KeyringError::Permissions(..) => {
            KeyRefusal::Unavailable(text)
        }
    }
}

fn shown(key: KeyView) -> KeyInfo {
    let secrets = key.secrets.into_iter().map(|secret| SecretInfo {
        id: secret.id,
        created: secret.created,
        expires: secret.expires,
        last_used: secret.last_used,
    });
    KeyInfo {
        name: key.name,
        role: key.role.map(|role| role.as_str().to_owned()),
        groups: key.groups,
        created: key.created,
        revoked: key.revoked,
        secrets: secrets.collect(),
    }
}
