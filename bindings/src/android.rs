//! The one call that Java makes by itself: it hands over the app's context, through which certificates are judged.
//!
//! Everything else goes through the generated bindings. An object of the Android Java world cannot: only a JNI function is
//! given one.

use jni::errors::{Error, ErrorPolicy, Result};
use jni::objects::JObject;
use jni::strings::JNIString;
use jni::{Env, EnvUnowned, jni_str};
use unspool::android::{AndroidTrustError, initialise_trust};

/// `dev.unspool.android.Trust.initialise(context)`: gives the core the application's context, once, before the first
/// session. Throws `IllegalStateException` with what is missing; a panic becomes one too, so that nothing unwinds into Java.
#[unsafe(no_mangle)]
pub extern "system" fn Java_dev_unspool_android_Trust_initialise<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    context: JObject<'local>,
) {
    env.with_env(|env| initialise_trust(env, context)).resolve::<Throw>();
}

/// Throws an error or a panic as `IllegalStateException`.
struct Throw;

impl Throw {
    fn now(env: &mut Env<'_>, why: &str) -> Result<()> {
        if env.exception_check() {
            env.exception_clear();
        }
        let why = JNIString::from(format!("Unspool cannot use the platform's trust store: {why}"));
        match env.throw_new(jni_str!("java/lang/IllegalStateException"), why) {
            // That is what throwing answers when it worked.
            Err(Error::JavaException) => Ok(()),
            other => other,
        }
    }
}

impl ErrorPolicy<(), AndroidTrustError> for Throw {
    type Captures<'env: 'call, 'call> = ();

    fn on_error<'env: 'call, 'call>(env: &mut Env<'env>, (): &mut (), why: AndroidTrustError) -> Result<()> {
        Throw::now(env, &why.to_string())
    }

    fn on_panic<'env: 'call, 'call>(
        env: &mut Env<'env>,
        (): &mut (),
        _payload: Box<dyn std::any::Any + Send + 'static>,
    ) -> Result<()> {
        Throw::now(env, "a fault inside; the log of the process has its place")
    }
}
