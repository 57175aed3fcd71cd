//! The platform's trust on Android, which is reached through Java: whether it was reached for, and the reaching.
//!
//! The verifier keeps the app's context and class loader for the process. It panics when a certificate is judged without
//! them, and it cannot be asked whether it has them, so that is remembered here and said when a session is opened.

use std::sync::atomic::{AtomicBool, Ordering};

use jni::objects::{JClassLoader, JObject};
use jni::{Env, jni_sig, jni_str};

static READY: AtomicBool = AtomicBool::new(false);

/// The class that judges certificates with Android's trust store; the archive of the verifier brings it.
const VERIFIER: &str = "org.rustls.platformverifier.CertificateVerifier";

/// Why the platform's trust store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AndroidTrustError {
    /// No context was given.
    #[error("the context is null: give the application's")]
    NoContext,
    /// The verifier's Java half is not in the app.
    #[error(
        "the class {VERIFIER} is not in this app: add the archive org.rustls:rustls-platform-verifier and keep its classes"
    )]
    NoVerifier,
    /// A call into Java failed.
    #[error("a call into Java failed: {0}")]
    Java(#[from] jni::errors::Error),
}

/// Gives the platform's verifier what it needs of the app; once for a process, before the first session. Calls after the
/// first change nothing. Loads one class, waits for nothing, and leaves no exception pending.
///
/// # Errors
/// [`AndroidTrustError`] says what is missing.
pub fn initialise_trust(env: &mut Env<'_>, context: JObject<'_>) -> Result<(), AndroidTrustError> {
    if context.is_null() {
        return Err(AndroidTrustError::NoContext);
    }
    let done = find_verifier(env, &context).and_then(|()| {
        rustls_platform_verifier::android::init_with_env(env, context)?;
        READY.store(true, Ordering::Release);
        Ok(())
    });
    if env.exception_check() {
        env.exception_clear();
    }
    done
}

/// Without this look a class that was left out, or taken out by a shrinker, shows only as connections that fail.
fn find_verifier(env: &mut Env<'_>, context: &JObject<'_>) -> Result<(), AndroidTrustError> {
    let loader =
        env.call_method(context, jni_str!("getClassLoader"), jni_sig!(() -> JClassLoader), &[])?.l()?;
    let loader = env.cast_local::<JClassLoader>(loader)?;
    let name = env.new_string(VERIFIER)?;
    loader.load_class(env, name).map(drop).map_err(|_| AndroidTrustError::NoVerifier)
}

/// Whether the verifier may be asked.
pub(super) fn is_ready() -> bool {
    READY.load(Ordering::Acquire)
}
