//! Which servers are believed: the platform's trust store, roots that the app adds, and keys that it pins.
//!
//! A certificate is judged by the platform first, and by the app's own roots when the platform knows no issuer of it. A
//! pinned host must besides prove itself with one of its pinned keys. The server sends its certificates itself, so a pinned
//! one among them counts only when the server's own certificate was signed by its key: anybody can send along a
//! certificate that others own.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use sha2::{Digest, Sha256};

use crate::fetch::{CertificateFault, FetchError};

#[cfg(target_os = "android")]
pub(crate) mod android;

/// Largest text of extra roots, in bytes: a few hundred certificates.
const ROOTS_BYTES: usize = 512 * 1024;
/// Most pinned hosts, and most keys of one.
const PINS: usize = 256;

/// Whom to believe besides the platform, and whom only with a certain key. The default is the platform's judgement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Certificates (PEM, any number, at most 512 KiB) of authorities that are trusted in addition to the platform's.
    pub extra_roots: Option<String>,
    /// Hosts that must prove themselves with one of these keys, whoever vouches for them.
    pub pins: Vec<HostPins>,
}

/// The keys of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPins {
    /// Name of the host without scheme or port, such as `cdn.example`; case does not matter.
    pub host: String,
    /// Whether the names under it are pinned too.
    pub subdomains: bool,
    /// The keys; one is enough. Pin two, so that one can be replaced: the server's own or an intermediate authority's, as
    /// far as the server sends it along.
    pub keys: Vec<Pin>,
}

/// SHA-256 of a key as certificates hold it (`SubjectPublicKeyInfo`, DER), as in RFC 7469.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pin([u8; 32]);

impl Pin {
    /// The pin of a `SubjectPublicKeyInfo` in DER.
    #[must_use]
    pub fn of_key(spki: &[u8]) -> Self {
        Pin(Sha256::digest(spki).into())
    }
}

impl FromStr for Pin {
    type Err = TlsError;

    /// Reads `sha256/` and 44 characters of base64; the prefix may be missing.
    fn from_str(text: &str) -> Result<Self, TlsError> {
        let text = text.trim();
        let coded = text.strip_prefix("sha256/").unwrap_or(text);
        let bytes = STANDARD.decode(coded).map_err(|_| TlsError::Pin)?;
        bytes.try_into().map(Pin).map_err(|_| TlsError::Pin)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256/{}", STANDARD.encode(self.0))
    }
}

/// Why a [`TlsConfig`] cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The extra roots are no certificates in PEM, too long, or unusable as authorities.
    #[error("extra roots: {0}")]
    Roots(&'static str),
    /// A pin is not the base64 of 32 bytes.
    #[error("a pin is not `sha256/` and the base64 of 32 bytes")]
    Pin,
    /// A pinned host without keys, or more than 256 hosts or keys.
    #[error("a pinned host needs a name and 1 to 256 keys, and there may be 256 hosts")]
    Pins,
    /// Android's trust store was not made reachable. Only there.
    #[error("the app's context was not given: call Trust.initialise(context) of dev.unspool.android first")]
    NoContext,
    /// The platform's certificates cannot be read.
    #[error("the platform's certificates cannot be read: {0}")]
    Platform(String),
}

impl TlsConfig {
    /// The client side of TLS under these rules, for HTTP/2 and HTTP/1.1. Reads the platform's store: blocks for it.
    ///
    /// # Errors
    /// [`TlsError`] says which part of the configuration is wrong.
    pub fn client_config(&self) -> Result<ClientConfig, TlsError> {
        let provider = match CryptoProvider::get_default() {
            Some(provider) => provider.clone(),
            None => Arc::new(rustls::crypto::ring::default_provider()),
        };
        let verifier = Verifier::new(self, provider.clone())?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Platform(error.to_string()))?;
        let mut config =
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// The keys of `host`; `None` when it is not pinned.
    fn keys_of(&self, host: &str) -> Option<Vec<Pin>> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let mut keys = None;
        for pinned in &self.pins {
            let name = pinned.host.trim_end_matches('.').to_ascii_lowercase();
            let under = host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.'));
            if host == name || (pinned.subdomains && under) {
                keys.get_or_insert_with(Vec::new).extend_from_slice(&pinned.keys);
            }
        }
        keys
    }

    /// Whether `host` may only be spoken to with a pinned key, so never in plain text.
    #[must_use]
    pub fn is_pinned(&self, host: &str) -> bool {
        self.keys_of(host).is_some()
    }

    /// Looks for what is wrong with the rules themselves, without asking the platform.
    ///
    /// # Errors
    /// [`TlsError`] says which part of the configuration is wrong.
    pub fn check(&self) -> Result<(), TlsError> {
        self.check_pins()?;
        self.extra_roots().map(drop)
    }

    fn check_pins(&self) -> Result<(), TlsError> {
        let sound = |pins: &HostPins| {
            !pins.host.trim_matches('.').is_empty() && (1..=PINS).contains(&pins.keys.len())
        };
        if self.pins.len() > PINS || !self.pins.iter().all(sound) { Err(TlsError::Pins) } else { Ok(()) }
    }

    fn extra_roots(&self) -> Result<Option<RootCertStore>, TlsError> {
        let Some(pem) = &self.extra_roots else { return Ok(None) };
        if pem.len() > ROOTS_BYTES {
            return Err(TlsError::Roots("longer than 512 KiB"));
        }
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|_| TlsError::Roots("not PEM"))?;
            store.add(certificate).map_err(|_| TlsError::Roots("not a usable certificate"))?;
        }
        if store.is_empty() { Err(TlsError::Roots("no certificate in them")) } else { Ok(Some(store)) }
    }
}

/// The server proved itself, but not with a pinned key.
#[derive(Debug, thiserror::Error)]
#[error("the key is not pinned")]
struct NotPinned;

/// Judges servers by a [`TlsConfig`].
#[derive(Debug)]
struct Verifier {
    platform: Option<rustls_platform_verifier::Verifier>,
    extra: Option<Arc<WebPkiServerVerifier>>,
    rules: TlsConfig,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(rules: &TlsConfig, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        rules.check_pins()?;
        let extra = match rules.extra_roots()? {
            Some(store) => Some(
                WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone())
                    .build()
                    .map_err(|_| TlsError::Roots("not usable as authorities"))?,
            ),
            None => None,
        };
        // Asked without its context it panics at the first certificate.
        #[cfg(target_os = "android")]
        if !android::is_ready() {
            return Err(TlsError::NoContext);
        }
        let platform = match rustls_platform_verifier::Verifier::new(provider.clone()) {
            Ok(platform) => Some(platform),
            // A device without a store of its own can still trust what the app brings.
            Err(error) if extra.is_some() => {
                tracing::warn!(target: "unspool::media", %error, "no platform trust store; only the app's roots count");
                None
            }
            Err(error) => return Err(TlsError::Platform(error.to_string())),
        };
        Ok(Verifier { platform, extra, rules: rules.clone(), provider })
    }

    /// Whether a pinned key is the server's own or one that signed for it, directly or through what it sent along.
    fn has_pinned_key(
        &self,
        keys: &[Pin],
        own: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> bool {
        let Ok(server) = webpki::EndEntityCert::try_from(own) else { return false };
        if keys.contains(&Pin::of_key(&server.subject_public_key_info())) {
            return true;
        }
        let algorithms = self.provider.signature_verification_algorithms.all;
        sent.iter().any(|certificate| {
            let Ok(anchor) = webpki::anchor_from_trusted_cert(certificate) else { return false };
            let usage = webpki::KeyUsage::server_auth();
            keys.contains(&Pin::of_key(&webpki::spki_for_anchor(&anchor)))
                && server.verify_for_usage(algorithms, &[anchor], sent, now, usage, None, None).is_ok()
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let unknown = || Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let platform = match &self.platform {
            Some(platform) => platform.verify_server_cert(own, sent, name, ocsp, now),
            None => Err(unknown()),
        };
        let verified = match (&self.extra, platform) {
            // The app's own authority has the more telling reason for what the platform does not know at all.
            (Some(extra), Err(error)) if fault_of(&error) == Some(CertificateFault::UnknownIssuer) => {
                extra.verify_server_cert(own, sent, name, ocsp, now)?
            }
            (_, verdict) => verdict?,
        };
        match self.rules.keys_of(&name.to_str()) {
            Some(keys) if !self.has_pinned_key(&keys, own, sent, now) => {
                let reason = CertificateError::Other(OtherError(Arc::new(NotPinned)));
                Err(Error::InvalidCertificate(reason))
            }
            _ => Ok(verified),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Looks through an error of a connection and its causes for a refused certificate or a key that is not pinned:
/// [`FetchError::Certificate`] or [`FetchError::Pinned`]; `None` when it is about something else.
#[must_use]
pub fn distrust(error: &(dyn std::error::Error + 'static)) -> Option<FetchError> {
    let mut next = Some(error);
    // Errors nest a handful deep; the bound is against one that is its own cause.
    for _ in 0..16 {
        let error = next?;
        if let Some(error) = error.downcast_ref::<Error>() {
            return judged(error);
        }
        // An I/O error names the cause of what it wraps, not what it wraps.
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

fn judged(error: &Error) -> Option<FetchError> {
    if let Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) = error
        && cause.downcast_ref::<NotPinned>().is_some()
    {
        return Some(FetchError::Pinned);
    }
    fault_of(error).map(FetchError::Certificate)
}

fn fault_of(error: &Error) -> Option<CertificateFault> {
    let Error::InvalidCertificate(error) = error else { return None };
    Some(match error {
        // A bad signature is that of somebody who took a trusted authority's name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => CertificateFault::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateFault::WrongName
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => CertificateFault::Expired,
        CertificateError::Revoked => CertificateFault::Revoked,
        _ => CertificateFault::Unusable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_and_written_as_others_do() {
        let text = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        let pin: Pin = text.parse().unwrap();
        assert_eq!(pin, Pin::of_key(b""));
        assert_eq!(pin.to_string(), text);
        assert_eq!(text.trim_start_matches("sha256/").parse(), Ok(pin));
        for wrong in ["", "sha256/", "sha256/AAAA", "sha1/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "ä"]
        {
            assert_eq!(wrong.parse::<Pin>(), Err(TlsError::Pin), "{wrong}");
        }
    }

    #[test]
    fn pins_are_of_a_host_and_of_its_subdomains_where_it_says_so() {
        let pins =
            |host: &str, subdomains| HostPins { host: host.into(), subdomains, keys: vec![Pin([1; 32])] };
        let rules =
            TlsConfig { pins: vec![pins("CDN.example", true), pins("b.test", false)], ..Default::default() };
        for host in ["cdn.example", "cdn.example.", "a.cdn.example", "x.a.CDN.example", "b.test"] {
            assert!(rules.is_pinned(host), "{host}");
        }
        for host in ["example", "acdn.example", "a.b.test", "cdn.example.org", ""] {
            assert!(!rules.is_pinned(host), "{host}");
        }
    }

    #[test]
    fn a_wrong_configuration_is_told() {
        let roots = |text: &str| TlsConfig { extra_roots: Some(text.into()), ..Default::default() };
        for text in ["", "no pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(roots(text).client_config().err(), Some(TlsError::Roots(_))), "{text}");
        }
        let long = roots(&"a".repeat(ROOTS_BYTES + 1));
        assert!(matches!(long.client_config().err(), Some(TlsError::Roots(_))));
        let empty = HostPins { host: "a".into(), subdomains: false, keys: vec![] };
        let pins = TlsConfig { pins: vec![empty], ..Default::default() };
        assert_eq!(pins.client_config().err(), Some(TlsError::Pins));
    }
}
