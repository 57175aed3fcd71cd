//! The live inspector of a session, for debug builds of an app. Not part of what ships: the feature `inspector` is off.

use std::sync::{Arc, LazyLock};

use unspool::inspector::{InspectorOptions, Tail};

use crate::error::UnspoolError;
use crate::session::Unspool;

/// A running inspector. It ends with `stop`, when its last handle is gone, and with the session.
#[derive(uniffi::Object)]
pub struct Inspector {
    core: unspool::inspector::Inspector,
}

#[uniffi::export]
impl Inspector {
    /// The address to open in a browser on this device, or after `adb forward` on the one beside it. Whoever knows it may look.
    pub fn url(&self) -> String {
        self.core.url().to_owned()
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.core.address().port()
    }

    /// Ends it: when this returns the port is closed.
    pub async fn stop(&self) {
        self.core.stop().await;
    }
}

#[uniffi::export]
impl Unspool {
    /// Serves the live inspector on 127.0.0.1: a page that shows what the session does and why. `port` 0 lets the system choose
    /// one; with `writable` the person's weights may be changed from it. The log it shows is that of `set_log_level`. Returns at
    /// once; at most 4 at a time.
    #[uniffi::method(default(port = 0, writable = false))]
    pub fn inspect(&self, port: u16, writable: bool) -> Result<Arc<Inspector>, UnspoolError> {
        let core = self.core.inspect(InspectorOptions { port, writable, log: LOG.clone() })?;
        Ok(Arc::new(Inspector { core }))
    }
}

/// The newest lines of the log of the process.
static LOG: LazyLock<Tail> = LazyLock::new(Tail::default);

/// Takes a line of the log.
pub(crate) fn show(level: &str, line: &str) {
    LOG.push(level, line);
}
