//! The passcode's hash: slow, and salted by the system's randomness.

use std::num::NonZeroU32;

use ring::pbkdf2;
use ring::rand::{SecureRandom, SystemRandom};
use unspool_engine::wellbeing::Hashed;

use crate::error::Error;

/// Rounds of PBKDF2 with HMAC-SHA-256, as OWASP's cheat sheet on storing passwords asks for (2023). A code of four digits
/// stands by the waits between guesses; this is for who copies the file.
const ROUNDS: NonZeroU32 = match NonZeroU32::new(600_000) {
    Some(rounds) => rounds,
    None => NonZeroU32::MIN,
};
/// Most rounds that a record may ask for, so that a damaged one cannot keep a thread for minutes.
const MOST_ROUNDS: u32 = 10_000_000;
const METHOD: &str = "pbkdf2-hmac-sha256";
/// Bytes of salt and of hash.
const SALT: usize = 16;
const HASH: usize = 32;
/// Bytes a passcode may have.
const LENGTH: std::ops::RangeInclusive<usize> = 4..=64;

/// What is kept of a passcode.
pub(super) fn hash(code: &str) -> Result<Hashed, Error> {
    if !LENGTH.contains(&code.len()) {
        return Err(Error::Config { reason: "a passcode has 4 to 64 bytes".into() });
    }
    let (mut salt, mut hash) = ([0; SALT], [0; HASH]);
    SystemRandom::new().fill(&mut salt).map_err(|_| Error::Internal { reason: "no randomness".into() })?;
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, &salt, code.as_bytes(), &mut hash);
    Ok(Hashed { method: METHOD.into(), rounds: ROUNDS.get(), salt: hex(&salt), hash: hex(&hash) })
}

/// Whether it is this one. Takes as long for a wrong one.
pub(super) fn matches(code: &str, kept: &Hashed) -> bool {
    let rounds = NonZeroU32::new(kept.rounds).filter(|rounds| rounds.get() <= MOST_ROUNDS);
    match (rounds, bytes(&kept.salt), bytes(&kept.hash)) {
        (Some(rounds), Some(salt), Some(hash)) if kept.method == METHOD && LENGTH.contains(&code.len()) => {
            pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, code.as_bytes(), &hash).is_ok()
        }
        _ => false,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_one_matches_and_two_of_the_same_look_different() {
        let kept = hash("2468").unwrap();
        assert!(matches("2468", &kept));
        assert!(!matches("2469", &kept) && !matches("", &kept));
        assert_ne!(hash("2468").unwrap().hash, kept.hash);
        assert!(!format!("{kept:?}").contains("2468"));
        for wrong in ["123", &"a".repeat(65)] {
            assert!(hash(wrong).is_err());
        }
        for damaged in [
            Hashed { rounds: 0, ..kept.clone() },
            Hashed { rounds: u32::MAX, ..kept.clone() },
            Hashed { method: "none".into(), ..kept.clone() },
            Hashed { salt: "x".into(), ..kept.clone() },
            Hashed { hash: "é".into(), ..kept },
        ] {
            assert!(!matches("2468", &damaged), "{damaged:?}");
        }
    }
}
