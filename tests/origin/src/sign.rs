//! Signed media addresses: an HMAC over path, viewer tag and expiry.
//!
//! The viewer tag `c` is the actor the address was handed to, so the access log can say whose bytes they were without any
//! request header. The key lives in the state folder, so addresses survive a restart with the same folder.

use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use rand::Rng;
use sha2::Sha256;

use crate::error::OriginError;

/// Why an address is not honoured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A parameter is missing or unreadable, or the signature is not ours.
    #[error("the signature does not match this path, viewer and expiry")]
    Bad,
    /// It was ours and its time is over.
    #[error("the address has expired; ask /v1/assets/{{asset}}/renditions/{{rendition}} for a fresh one")]
    Expired,
}

/// Signs and checks addresses.
#[derive(Clone)]
pub struct Signer {
    key: [u8; 32],
}

impl Signer {
    /// A signer with this key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Signer { key }
    }

    /// The signer of a state folder; its key is drawn at random the first time.
    ///
    /// # Errors
    /// When the key file can neither be read nor written.
    pub fn of_state(state: &Path) -> Result<Self, OriginError> {
        let path = state.join("signing.key");
        if let Ok(text) = std::fs::read_to_string(&path) {
            let mut key = [0; 32];
            if hex::decode_to_slice(text.trim(), &mut key).is_ok() {
                return Ok(Signer { key });
            }
        }
        let mut key = [0; 32];
        rand::rng().fill_bytes(&mut key);
        std::fs::write(&path, hex::encode(key)).map_err(OriginError::io("cannot write", path))?;
        Ok(Signer { key })
    }

    fn mac(&self, path: &str, viewer: &str, expires_at_ms: i64) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        for part in [path, viewer, &expires_at_ms.to_string()] {
            mac.update(part.as_bytes());
            mac.update(b"\n");
        }
        Some(mac)
    }

    /// The query that opens `path` (decoded, as in `/media/a/b.mp4`) for `viewer` until `expires_at_ms`, without the `?`.
    #[must_use]
    pub fn query(&self, path: &str, viewer: &str, expires_at_ms: i64) -> String {
        let signature = self
            .mac(path, viewer, expires_at_ms)
            .map(|mac| hex::encode(mac.finalize().into_bytes()))
            .unwrap_or_default();
        format!("c={viewer}&exp={expires_at_ms}&sig={signature}")
    }

    /// Checks an address; the comparison takes the same time whatever differs.
    ///
    /// # Errors
    /// [`Refusal`] says whether it was never valid or is too old.
    pub fn check(
        &self,
        path: &str,
        viewer: &str,
        expires_at_ms: i64,
        signature: &str,
        now_ms: i64,
    ) -> Result<(), Refusal> {
        let given = hex::decode(signature).map_err(|_| Refusal::Bad)?;
        let mac = self.mac(path, viewer, expires_at_ms).ok_or(Refusal::Bad)?;
        mac.verify_slice(&given).map_err(|_| Refusal::Bad)?;
        if now_ms >= expires_at_ms { Err(Refusal::Expired) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_opens_only_what_it_was_made_for() {
        let signer = Signer::new([7; 32]);
        let query = signer.query("/media/a/b.mp4", "me", 1000);
        let signature = query.rsplit('=').next().unwrap();
        let check = |path: &str, viewer: &str, exp, now| signer.check(path, viewer, exp, signature, now);
        assert_eq!(check("/media/a/b.mp4", "me", 1000, 999), Ok(()));
        assert_eq!(check("/media/a/b.mp4", "me", 1000, 1000), Err(Refusal::Expired));
        assert_eq!(check("/media/a/c.mp4", "me", 1000, 0), Err(Refusal::Bad));
        assert_eq!(check("/media/a/b.mp4", "you", 1000, 0), Err(Refusal::Bad));
        assert_eq!(check("/media/a/b.mp4", "me", 2000, 0), Err(Refusal::Bad));
        assert_eq!(signer.check("/media/a/b.mp4", "me", 1000, "zz", 0), Err(Refusal::Bad));
        assert_eq!(Signer::new([8; 32]).check("/media/a/b.mp4", "me", 1000, signature, 0), Err(Refusal::Bad));
    }
}
