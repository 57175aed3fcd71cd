//! Random names: 128 bits, written as 32 lower-case hexadecimal digits.

use std::fmt;

use subtle::ConstantTimeEq;

use super::GatewayError;

/// 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Token([u8; 16]);

impl Token {
    /// Fresh bytes from the system, through the TLS stack's generator.
    pub(super) fn random() -> Result<Token, GatewayError> {
        let mut bytes = [0; 16];
        let provider = rustls::crypto::ring::default_provider();
        provider.secure_random.fill(&mut bytes).map_err(|_| GatewayError::Random)?;
        Ok(Token(bytes))
    }

    /// Whether `text` is this token; the time it takes depends on the length of `text` only.
    pub(super) fn is(&self, text: &str) -> bool {
        self.to_string().as_bytes().ct_eq(text.as_bytes()).into()
    }

    /// Reads exactly what [`Display`](fmt::Display) writes.
    pub(super) fn parse(text: &str) -> Option<Token> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return None;
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Token(bytes))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A token in a log would open the gateway to whoever reads the log.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back_and_nothing_else() {
        let (one, two) = (Token::random().unwrap(), Token::random().unwrap());
        let text = one.to_string();
        assert_ne!(one, two);
        assert_eq!(Token::parse(&text), Some(one));
        assert!(one.is(&text) && !two.is(&text) && !one.is(&text[..31]) && !one.is(""));
        for wrong in
            ["", "0", &"g".repeat(32), &text.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")]
        {
            assert_eq!(Token::parse(wrong), None, "{wrong}");
        }
        assert_eq!(format!("{one:?}"), "Token(..)");
    }
}
