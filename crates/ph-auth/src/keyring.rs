//! The API keys: a file of them, and a table in memory that calls look into without a lock.

use crate::key_row::{KeyRow, SecretRow, digest_of_hex, to_hex};
use arc_swap::ArcSwap;
use ph_policy::{KeyText, Principal, Role, StoredKey};
use ph_record::AuthFailure;
use ph_store::state::{State, StateError, Write};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most keys, revoked ones included.
const KEYS_MAX: usize = 10_000;
/// Most secrets of a key that are good at once.
const SECRETS_MAX: usize = 8;
/// How long what has ended is remembered, so that its use is told apart from nonsense.
const REMEMBERED_S: u64 = 30 * 86_400;
const ROOM: &str = "keys";

/// The keys. One process has the file; whoever changes it blocks until the disk has the change.
pub struct Keyring {
    state: Mutex<State>,
    rows: Mutex<BTreeMap<String, KeyRow>>,
    table: ArcSwap<HashMap<String, Entry>>,
}

/// A secret that calls may show.
struct Entry {
    name: Arc<str>,
    stored: StoredKey,
    /// Unix seconds of the last use; 0: never.
    used: AtomicU64,
}

/// A key that is to be made.
#[derive(Clone, Debug, Default)]
pub struct KeyOrder {
    /// 1 to 64 letters, digits, `.`, `_` or `-`.
    pub name: String,
    /// What it may do on the admin listener.
    pub role: Option<Role>,
    /// The groups it is in.
    pub groups: Vec<String>,
    /// Until when it is good, in Unix seconds.
    pub expires_unix_s: Option<u64>,
}

/// A secret that was made. It is shown once and kept nowhere.
pub struct MadeKey {
    /// The key, to be given to whoever is to use it.
    pub text: String,
    /// Which one it is.
    pub id: String,
    /// Until when it is good, in Unix seconds.
    pub expires_unix_s: Option<u64>,
}

/// A key as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyView {
    /// Its name.
    pub name: String,
    /// What it may do on the admin listener.
    pub role: Option<Role>,
    /// The groups it is in.
    pub groups: Vec<String>,
    /// When it was made, in Unix seconds, as all times here.
    pub created: u64,
    /// When it was taken back.
    pub revoked: Option<u64>,
    /// Its secrets, the oldest first.
    pub secrets: Vec<SecretView>,
}

/// A secret as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretView {
    /// The characters after `ph_` that say which one it is.
    pub id: String,
    /// When it was made.
    pub created: u64,
    /// Until when it is good.
    pub expires: Option<u64>,
    /// When it was last used, give or take a minute.
    pub last_used: Option<u64>,
}

/// Why a key cannot be made or changed, or the keys not be read.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file cannot be read or written.
    #[error("the API keys cannot be read or written")]
    State(#[from] StateError),
    /// A row is none.
    #[error("the row of the API key `{0}` cannot be read")]
    Row(String),
    /// No name.
    #[error("`{0}` is no name of a key: 1 to 64 letters, digits, `.`, `_` or `-`")]
    Name(String),
    /// No name of a group.
    #[error(
        "`{0}` is no name of a group: 1 to 128 visible ASCII characters; and there are at most 256"
    )]
    Group(String),
    /// There is one of this name.
    #[error("there is an API key `{0}` already: rotate it, or revoke it first")]
    Taken(String),
    /// There is none of this name.
    #[error("there is no API key `{0}`")]
    Unknown(String),
    /// Too many keys or secrets.
    #[error("there are too many {what}: at most {max}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// It would have ended before it was made.
    #[error("a key cannot expire in the past")]
    Past,
    /// No random bytes.
    #[error("the system gives no randomness for a key")]
    Randomness,
    /// The file is there and its permissions cannot be set.
    #[error("`{0}` cannot be made readable by its owner alone")]
    Permissions(std::path::PathBuf, #[source] std::io::Error),
}

impl Keyring {
    /// Opens the file, or begins it, for this process alone.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn open(path: &Path) -> Result<Self, KeyringError> {
        private(path).map_err(|source| KeyringError::Permissions(path.to_owned(), source))?;
        let state = State::open(path)?;
        let mut rows = BTreeMap::new();
        for (name, text) in state.rows(ROOM)? {
            let row = serde_json::from_str(&text).map_err(|_| KeyringError::Row(name.clone()))?;
            rows.insert(name, row);
        }
        let ring = Self {
            state: Mutex::new(state),
            table: ArcSwap::from_pointee(table_of(&rows, &HashMap::new())?),
            rows: Mutex::new(rows),
        };
        Ok(ring)
    }

    /// Whom `presented` shows.
    ///
    /// # Errors
    /// Why it shows nobody.
    pub fn check(&self, presented: &str, now_unix_s: u64) -> Result<Arc<Principal>, AuthFailure> {
        let key = KeyText::parse(presented).ok_or(AuthFailure::UnknownKey)?;
        let table = self.table.load();
        let entry = table.get(key.id()).ok_or(AuthFailure::UnknownKey)?;
        let principal = entry.stored.check(&key, now_unix_s)?;
        if entry.used.load(Relaxed) < now_unix_s {
            entry.used.store(now_unix_s, Relaxed);
        }
        Ok(Arc::clone(principal))
    }

    /// Makes a key.
    ///
    /// # Errors
    /// [`KeyringError`]; nothing has changed then.
    pub fn create(&self, order: &KeyOrder, now_unix_s: u64) -> Result<MadeKey, KeyringError> {
        check_order(order, now_unix_s)?;
        let mut rows = self.rows();
        forget_old(&mut rows, now_unix_s);
        if rows
            .get(&order.name)
            .is_some_and(|row| row.revoked.is_none())
        {
            return Err(KeyringError::Taken(order.name.clone()));
        }
        if rows.len() >= KEYS_MAX {
            let (what, max) = ("API keys", KEYS_MAX);
            return Err(KeyringError::TooMany { what, max });
        }
        let (made, secret) = new_secret(order.expires_unix_s, now_unix_s)?;
        let row = KeyRow {
            role: order.role.map(|role| role.as_str().to_owned()),
            groups: order.groups.clone(),
            created: now_unix_s,
            revoked: None,
            secrets: vec![secret],
        };
        self.put(&mut rows, &order.name, row)?;
        Ok(made)
    }

    /// Gives a key a new secret. Those that it has end after `overlap_s` seconds.
    ///
    /// # Errors
    /// [`KeyringError`]; nothing has changed then.
    pub fn rotate(
        &self,
        name: &str,
        overlap_s: u64,
        expires_unix_s: Option<u64>,
        now_unix_s: u64,
    ) -> Result<MadeKey, KeyringError> {
        if expires_unix_s.is_some_and(|at| at <= now_unix_s) {
            return Err(KeyringError::Past);
        }
        let mut rows = self.rows();
        forget_old(&mut rows, now_unix_s);
        let mut row = self.live(&rows, name)?;
        let is_good = |secret: &&SecretRow| secret.expires.is_none_or(|at| at > now_unix_s);
        if row.secrets.iter().filter(is_good).count() >= SECRETS_MAX {
            let (what, max) = ("secrets of this key that are good at once", SECRETS_MAX);
            return Err(KeyringError::TooMany { what, max });
        }
        let last = now_unix_s.saturating_add(overlap_s);
        for secret in &mut row.secrets {
            secret.expires = Some(secret.expires.map_or(last, |at| at.min(last)));
        }
        let (made, secret) = new_secret(expires_unix_s, now_unix_s)?;
        row.secrets.push(secret);
        self.put(&mut rows, name, row)?;
        Ok(made)
    }

    /// Takes a key back, with all its secrets, at once.
    ///
    /// # Errors
    /// [`KeyringError`]; nothing has changed then.
    pub fn revoke(&self, name: &str, now_unix_s: u64) -> Result<(), KeyringError> {
        let mut rows = self.rows();
        let mut row = self.live(&rows, name)?;
        row.revoked = Some(now_unix_s);
        self.put(&mut rows, name, row)
    }

    /// The keys, by name; those that were taken back for 30 more days.
    pub fn list(&self) -> Vec<KeyView> {
        let rows = self.rows();
        let table = self.table.load();
        let view = |(name, row): (&String, &KeyRow)| KeyView {
            name: name.clone(),
            role: row.role.as_deref().and_then(Role::parse),
            groups: row.groups.clone(),
            created: row.created,
            revoked: row.revoked,
            secrets: row.secrets.iter().map(|s| shown(s, &table)).collect(),
        };
        rows.iter().map(view).collect()
    }

    /// Whether a key is good that lets its bearer do everything on the admin listener.
    pub fn has_admin(&self, now_unix_s: u64) -> bool {
        let table = self.table.load();
        table.values().any(|entry| {
            let stored = &entry.stored;
            stored.principal.role == Some(Role::Admin)
                && !stored.revoked
                && stored.expires_unix_s.is_none_or(|at| at > now_unix_s)
        })
    }

    /// Writes down when keys were last used. To be called now and then, and at the end.
    ///
    /// # Errors
    /// [`KeyringError::State`]; it is tried again with the next call.
    pub fn save_uses(&self) -> Result<(), KeyringError> {
        let mut rows = self.rows();
        let table = self.table.load();
        let mut writes = Vec::new();
        for (name, row) in rows.iter_mut() {
            let mut changed = false;
            for secret in &mut row.secrets {
                let used = shown(secret, &table).last_used;
                changed |= used != secret.last_used;
                secret.last_used = used;
            }
            if changed {
                writes.push(write_of(name, row));
            }
        }
        if writes.is_empty() {
            return Ok(());
        }
        Ok(self.state().commit(&writes)?)
    }

    /// A row that is not revoked.
    fn live(&self, rows: &BTreeMap<String, KeyRow>, name: &str) -> Result<KeyRow, KeyringError> {
        let row = rows.get(name).filter(|row| row.revoked.is_none());
        row.cloned()
            .ok_or_else(|| KeyringError::Unknown(name.chars().take(64).collect()))
    }

    /// First the disk, then what calls see.
    fn put(
        &self,
        rows: &mut BTreeMap<String, KeyRow>,
        name: &str,
        row: KeyRow,
    ) -> Result<(), KeyringError> {
        let mut next = rows.clone();
        next.insert(name.to_owned(), row);
        let table = table_of(&next, &self.table.load())?;
        let gone = self.state().rows(ROOM)?;
        let gone = gone.iter().filter(|(name, _)| !next.contains_key(name));
        let mut writes: Vec<_> = gone
            .map(|(name, _)| Write {
                room: ROOM,
                key: name.clone(),
                value: None,
            })
            .collect();
        writes.extend(next.get(name).map(|row| write_of(name, row)));
        self.state().commit(&writes)?;
        *rows = next;
        self.table.store(Arc::new(table));
        Ok(())
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, KeyRow>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_order(order: &KeyOrder, now_unix_s: u64) -> Result<(), KeyringError> {
    let is_of_name = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let name = &order.name;
    if !(1..=64).contains(&name.len()) || !name.bytes().all(is_of_name) {
        return Err(KeyringError::Name(name.chars().take(64).collect()));
    }
    let is_group =
        |g: &String| (1..=128).contains(&g.len()) && g.bytes().all(|b| b.is_ascii_graphic());
    let bad = order.groups.iter().find(|group| !is_group(group));
    let beyond = order.groups.get(Principal::GROUPS_MAX);
    if let Some(group) = bad.or(beyond) {
        return Err(KeyringError::Group(group.chars().take(64).collect()));
    }
    if order.expires_unix_s.is_some_and(|at| at <= now_unix_s) {
        return Err(KeyringError::Past);
    }
    Ok(())
}

/// Forgets secrets and keys that ended long ago.
fn forget_old(rows: &mut BTreeMap<String, KeyRow>, now_unix_s: u64) {
    let is_old = |at: u64| at.saturating_add(REMEMBERED_S) < now_unix_s;
    rows.retain(|_, row| !row.revoked.is_some_and(is_old));
    for row in rows.values_mut() {
        row.secrets
            .retain(|secret| !secret.expires.is_some_and(is_old));
    }
}

fn new_secret(
    expires_unix_s: Option<u64>,
    now_unix_s: u64,
) -> Result<(MadeKey, SecretRow), KeyringError> {
    let mut random = [0; 128];
    // Of 128 bytes 53 are enough; that there are too few does not happen twice in the life of a universe.
    let text = (0..8).find_map(|_| {
        getrandom::fill(&mut random).ok()?;
        KeyText::make(&random)
    });
    let text = text.ok_or(KeyringError::Randomness)?;
    let key = KeyText::parse(&text).ok_or(KeyringError::Randomness)?;
    let secret = SecretRow {
        id: key.id().to_owned(),
        sha256: to_hex(&key.digest()),
        created: now_unix_s,
        expires: expires_unix_s,
        last_used: None,
    };
    let id = secret.id.clone();
    let made = MadeKey {
        text,
        id,
        expires_unix_s,
    };
    Ok((made, secret))
}

/// What calls look into; last uses are taken over from the table before.
fn table_of(
    rows: &BTreeMap<String, KeyRow>,
    before: &HashMap<String, Entry>,
) -> Result<HashMap<String, Entry>, KeyringError> {
    let mut table = HashMap::new();
    for (name, row) in rows {
        let groups = row
            .groups
            .iter()
            .map(|group| group.as_str().into())
            .collect();
        let role = row.role.as_deref().and_then(Role::parse);
        let principal = Arc::new(Principal::of_key(name, role, groups));
        for secret in &row.secrets {
            let digest = digest_of_hex(&secret.sha256);
            let digest = digest.ok_or_else(|| KeyringError::Row(name.clone()))?;
            let used = shown(secret, before).last_used.unwrap_or(0);
            let entry = Entry {
                name: Arc::clone(&principal.name),
                stored: StoredKey {
                    digest,
                    expires_unix_s: secret.expires,
                    revoked: row.revoked.is_some(),
                    principal: Arc::clone(&principal),
                },
                used: AtomicU64::new(used),
            };
            // Two secrets with one id would make one of them unknown: not in practice, with 59 random bits.
            if let Some(other) = table.insert(secret.id.clone(), entry) {
                return Err(KeyringError::Row(other.name.to_string()));
            }
        }
    }
    Ok(table)
}

/// A secret with its last use as the table has it.
fn shown(secret: &SecretRow, table: &HashMap<String, Entry>) -> SecretView {
    let used = table.get(&secret.id).map(|entry| entry.used.load(Relaxed));
    SecretView {
        id: secret.id.clone(),
        created: secret.created,
        expires: secret.expires,
        last_used: used.filter(|at| *at > 0).max(secret.last_used),
    }
}

fn write_of(name: &str, row: &KeyRow) -> Write {
    Write {
        room: ROOM,
        key: name.to_owned(),
        // A struct of texts and numbers is always JSON.
        value: serde_json::to_string(row).ok(),
    }
}

/// Makes the file, if it is not there, for its owner alone.
fn private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let file = std::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

#[cfg(test)]
mod tests;
