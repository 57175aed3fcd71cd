//! Rules as they travel: a document and who signed it.
//!
//! The wire form is a JSON object with two texts: `payload`, the rules as JSON, and `signature`, the Ed25519 signature in
//! hexadecimal over [`CONTEXT`] and the bytes of the payload. The payload is a text and not an object, so that what was
//! signed and what is read are the same bytes.

use ring::signature::{ED25519, UnparsedPublicKey};
use serde::Deserialize;
use unspool_engine::safety::Rules;

/// What stands before the payload in what is signed, so that a signature made for something else is none for rules.
pub const CONTEXT: &[u8] = b"unspool safety rules 1\n";
/// Largest signed document, in bytes: some thousand labels and ten thousand terms.
pub const RULES_BYTES: usize = 1024 * 1024;

/// Why signed rules are not taken. Those in use stay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// The document is larger than 1 MiB.
    #[error("larger than {RULES_BYTES} bytes")]
    TooLarge,
    /// It is not in the wire form, or not rules.
    #[error("malformed: {0}")]
    Malformed(String),
    /// No key that the app trusts signed it.
    #[error("not signed by a trusted key")]
    Signature,
    /// It is not newer than the rules in use.
    #[error("version {offered} is not newer than {held}")]
    Older {
        /// Version in use.
        held: u64,
        /// Version offered.
        offered: u64,
    },
}

#[derive(Deserialize)]
struct Envelope {
    payload: String,
    signature: String,
}

/// The rules in a signed document, when one of `keys` signed it.
pub(crate) fn verified(signed: &[u8], keys: &[[u8; 32]]) -> Result<Rules, RulesError> {
    if signed.len() > RULES_BYTES {
        return Err(RulesError::TooLarge);
    }
    let malformed = |error: &dyn std::fmt::Display| RulesError::Malformed(error.to_string());
    let Envelope { payload, signature } = serde_json::from_slice(signed).map_err(|e| malformed(&e))?;
    let signature = bytes(&signature).ok_or(RulesError::Signature)?;
    let message = [CONTEXT, payload.as_bytes()].concat();
    let trusted = |key: &[u8; 32]| UnparsedPublicKey::new(&ED25519, key).verify(&message, &signature).is_ok();
    if !keys.iter().any(trusted) {
        return Err(RulesError::Signature);
    }
    // Nothing of the payload is read before its signature held.
    let rules: Rules = serde_json::from_str(&payload).map_err(|e| malformed(&e))?;
    rules.check().map_err(|e| malformed(&e))?;
    Ok(rules)
}

/// The 64 bytes of a signature.
fn bytes(hex: &str) -> Option<[u8; 64]> {
    let digits = hex.as_bytes();
    if digits.len() != 128 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; 64];
    for (byte, at) in bytes.iter_mut().zip((0..128).step_by(2)) {
        *byte = u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ring::signature::{Ed25519KeyPair, KeyPair};

    /// A document and the key that signed it.
    pub(crate) fn sign(payload: &str, seed: u8) -> (Vec<u8>, [u8; 32]) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let signature = pair.sign(&[CONTEXT, payload.as_bytes()].concat());
        let hex: String = signature.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        let signed = serde_json::json!({"payload": payload, "signature": hex}).to_string();
        (signed.into_bytes(), pair.public_key().as_ref().try_into().unwrap())
    }

    #[test]
    fn only_what_a_trusted_key_signed_is_read() {
        let payload = r#"{"version": 3, "labels": [{"label": "x", "default": "hide"}]}"#;
        let (signed, key) = sign(payload, 1);
        let (_, other) = sign(payload, 2);
        assert_eq!(verified(&signed, &[other, key]).unwrap().version, 3);
        assert_eq!(verified(&signed, &[other]), Err(RulesError::Signature));
        assert_eq!(verified(&signed, &[]), Err(RulesError::Signature));
        let text = String::from_utf8(signed).unwrap();
        let changed = text.replace("hide", "show");
        assert_eq!(verified(changed.as_bytes(), &[key]), Err(RulesError::Signature));
        let short = text.replacen(char::is_numeric, "", 1);
        assert!(verified(short.as_bytes(), &[key]).is_err());
        for wrong in ["", "[]", "{}", r#"{"payload": 1, "signature": ""}"#] {
            assert!(matches!(verified(wrong.as_bytes(), &[key]), Err(RulesError::Malformed(_))), "{wrong}");
        }
        assert_eq!(verified(&vec![b' '; RULES_BYTES + 1], &[key]), Err(RulesError::TooLarge));
    }

    #[test]
    fn signed_nonsense_is_refused_too() {
        let label = r#"{"label": "", "default": "hide"}"#;
        for payload in [
            "7".to_owned(),
            r#"{"version": 1, "labels": [{"label": "x", "default": "maybe"}]}"#.to_owned(),
            format!(r#"{{"version": 1, "labels": [{label}]}}"#),
        ] {
            let (signed, key) = sign(&payload, 1);
            assert!(matches!(verified(&signed, &[key]), Err(RulesError::Malformed(_))), "{payload}");
        }
    }
}
