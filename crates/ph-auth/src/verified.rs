//! Tokens that were verified a moment ago: a signature is not computed again for each call of a session.

use ph_policy::Verified;
use ring::digest;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 16;
/// Most tokens of a shard: 4096 in all.
const TOKENS_MAX: usize = 256;
/// A longer token is verified each time, so that all of them together stay below 32 MiB.
const TOKEN_BYTES_MAX: usize = 4096;

type Digest = [u8; 32];

/// Verified tokens by their digest; no token is kept.
#[derive(Default)]
pub(crate) struct VerifiedTokens {
    shards: [Mutex<HashMap<Digest, Entry>>; SHARDS],
}

struct Entry {
    /// Of the keys that it was verified with.
    generation: u64,
    verified: Arc<Verified>,
}

/// A token's place.
pub(crate) struct Place(Option<Digest>);

impl Place {
    pub(crate) fn of(token: &str) -> Self {
        let fits = token.len() <= TOKEN_BYTES_MAX;
        Self(fits.then(|| {
            let mut bytes = [0; 32];
            bytes.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
            bytes
        }))
    }
}

impl VerifiedTokens {
    /// A token that was verified with keys of `generation`.
    pub(crate) fn find(&self, place: &Place, generation: u64) -> Option<Arc<Verified>> {
        let digest = place.0.as_ref()?;
        let shard = self.shard(digest);
        let entry = shard.get(digest)?;
        (entry.generation == generation).then(|| Arc::clone(&entry.verified))
    }

    pub(crate) fn put(
        &self,
        place: &Place,
        generation: u64,
        verified: &Arc<Verified>,
        now_unix_s: u64,
    ) {
        let Some(digest) = place.0 else { return };
        let mut shard = self.shard(&digest);
        if shard.len() >= TOKENS_MAX {
            shard.retain(|_, entry| {
                entry.generation == generation && !entry.verified.is_over(now_unix_s)
            });
        }
        if shard.len() >= TOKENS_MAX {
            shard.clear();
        }
        let verified = Arc::clone(verified);
        shard.insert(
            digest,
            Entry {
                generation,
                verified,
            },
        );
    }

    fn shard(&self, digest: &Digest) -> MutexGuard<'_, HashMap<Digest, Entry>> {
        let nth = usize::from(digest[0]) % SHARDS;
        self.shards[nth]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
