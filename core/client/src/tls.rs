//! The process-wide choice of cryptography for TLS.

/// Chooses ring for TLS unless the host has chosen before. Opening a session does it; a host that makes its own HTTP
/// clients first may call it earlier. Safe from any thread, any number of times.
pub fn install() {
    // The error says that somebody chose before, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
