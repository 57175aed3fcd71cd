//! What can go wrong with a fetch, and whether trying again later may help.

/// Why bytes could not be fetched. Nothing in it names a person or carries more of an address than its host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The session is offline on purpose; go online.
    #[error("offline: no request may leave")]
    Offline,
    /// The media layer is shut down.
    #[error("the media layer is shut down")]
    Closed,
    /// The fetch was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// No address is known for the key; register it.
    #[error("no address is known for this rendition")]
    Unknown,
    /// The address may not be fetched: not a URL, or plain HTTP to another machine.
    #[error("address refused: {0}")]
    Refused(&'static str),
    /// The host is none of those that media may come from, and nothing was asked of it. List it in the configuration, or
    /// find out why the backend names it.
    #[error("{host} is none of the hosts that media may come from")]
    HostRefused {
        /// Name and port.
        host: String,
    },
    /// No connection came about.
    #[error("the server cannot be reached")]
    Unreachable,
    /// The server's certificate is not to be trusted. Captive portals and wrong clocks cause it too, so it may pass.
    #[error("the server's certificate is refused: {0}")]
    Certificate(CertificateFault),
    /// The server proved who it is, but with a key that the app did not pin for it. Ship the server's new key in the
    /// configuration, or find out who sits in the line; trying again does not help.
    #[error(
        "the server's key is none of those pinned for its host: update the pins, or distrust the network"
    )]
    Pinned,
    /// The connection broke in the middle.
    #[error("the connection broke")]
    Broken,
    /// Nothing arrived for too long.
    #[error("the server went silent")]
    Stalled,
    /// The server asks for patience.
    #[error("the server is busy (status {status})")]
    Busy {
        /// HTTP status: 408, 425, 429 or 5xx.
        status: u16,
    },
    /// The address is refused, and a fresh one did not help or could not be had.
    #[error("access denied (status {status})")]
    Denied {
        /// HTTP status: 401, 403, 404 or 410.
        status: u16,
    },
    /// Another status that says no.
    #[error("the server answered status {status}")]
    Status {
        /// HTTP status.
        status: u16,
    },
    /// The answer breaks the rules of range requests; bytes at a doubtful place are never kept.
    #[error("unusable answer: {0}")]
    Protocol(&'static str),
    /// A web page came in place of the file: somebody else answers on this network, as the log-in page of a captive
    /// portal does. Nothing of it is kept, and nothing that was kept is given up for it.
    #[error("a web page came in place of the file: the network may ask for a log-in")]
    Intercepted,
    /// The server cannot send parts of a file.
    #[error("the server cannot send ranges")]
    NoRanges,
    /// The file changes faster than it can be fetched.
    #[error("the file keeps changing on the server")]
    Unstable,
    /// Too many redirects, or one to a place that may not be fetched.
    #[error("redirected too often or to a refused place")]
    Redirect,
    /// A fresh address could not be had.
    #[error("no fresh address: {0}")]
    Resolve(#[from] ResolveError),
    /// The device has no room to keep bytes; playback goes on, prefetch stops.
    #[error("no space left for the cache")]
    NoSpace,
    /// The cache file answered an error.
    #[error("the cache could not be written")]
    Store,
}

impl FetchError {
    /// Whether the same fetch may succeed later without anybody changing anything but the network.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            FetchError::Offline
            | FetchError::Unreachable
            | FetchError::Certificate(_)
            | FetchError::Broken
            | FetchError::Stalled
            | FetchError::Busy { .. }
            | FetchError::Intercepted
            | FetchError::NoSpace
            | FetchError::Store
            | FetchError::Resolve(ResolveError::Unavailable) => true,
            FetchError::Closed
            | FetchError::Cancelled
            | FetchError::Unknown
            | FetchError::Refused(_)
            | FetchError::HostRefused { .. }
            | FetchError::Pinned
            | FetchError::Denied { .. }
            | FetchError::Status { .. }
            | FetchError::Protocol(_)
            | FetchError::NoRanges
            | FetchError::Unstable
            | FetchError::Redirect
            | FetchError::Resolve(ResolveError::Gone | ResolveError::SignIn) => false,
        }
    }

    /// Whether another host with the same bytes may do better at once.
    pub(crate) fn of_host(&self) -> bool {
        self.transient()
            || matches!(
                self,
                FetchError::Certificate(_) | FetchError::Pinned | FetchError::HostRefused { .. }
            )
    }

    /// Whether the fetcher itself tries again before it gives up.
    pub(crate) fn transient(&self) -> bool {
        matches!(
            self,
            FetchError::Unreachable | FetchError::Broken | FetchError::Stalled | FetchError::Busy { .. }
        )
    }
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// No authority that this device or the app trusts has signed it.
    #[error("signed by nobody who is trusted")]
    UnknownIssuer,
    /// It was made for another host.
    #[error("made for another host")]
    WrongName,
    /// Its time is over or has not come; the device's clock may be wrong.
    #[error("outside its time")]
    Expired,
    /// Its authority has taken it back.
    #[error("revoked")]
    Revoked,
    /// It is unusable in another way.
    #[error("unusable")]
    Unusable,
}

/// Why there is no fresh address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The rendition is gone or not for this person; do not ask again.
    #[error("the rendition is not available")]
    Gone,
    /// Only somebody who is signed in is told; ask again after that.
    #[error("somebody has to sign in first")]
    SignIn,
    /// The backend cannot be asked right now.
    #[error("the backend cannot be asked right now")]
    Unavailable,
}
