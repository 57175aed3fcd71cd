//! What the owner of a lane holds: hints go in, reports come out.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use unspool_engine::{Answer, Circumstances, Held};

/// Why a flush ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushReason {
    /// Everything recorded before the call has been delivered or set aside.
    Drained,
    /// Time ran out.
    Deadline,
    /// There is no network.
    Offline,
    /// The server wants a new credential, or the owner of what is left is not signed in.
    Unauthorised,
    /// Sending failed, and the next attempt lies beyond the deadline.
    Failing,
    /// The task has been stopped.
    Stopped,
}

/// What a flush achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlushReport {
    /// Rows delivered while it ran.
    pub delivered: u64,
    /// Rows still queued.
    pub queued: u64,
    /// Why it ended.
    pub reason: FlushReason,
}

/// The last thing heard, for people who look at what the core is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastAnswer {
    /// How it was understood.
    pub answer: Answer,
    /// The status code; zero without one.
    pub status: u16,
}

/// What the task is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UploadStatus {
    /// Whether a request is in flight.
    pub sending: bool,
    /// Why queued rows are held back, if they are; times count from the start of the task.
    pub held: Option<Held>,
    /// Rows delivered since the task began.
    pub delivered: u64,
    /// Failures since the last success.
    pub failures: u32,
    /// The last answer.
    pub last: Option<LastAnswer>,
}

pub(super) struct Flush {
    pub deadline: Instant,
    pub stop: bool,
    pub reply: oneshot::Sender<FlushReport>,
}

/// What the host says. Only the newest matters, so it is a value that is replaced and not a queue that can be full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signals {
    pub online: bool,
    pub circumstances: Circumstances,
    pub foreground: bool,
    pub nudges: u64,
    pub refreshes: u64,
}

/// Controls the task of one lane. Clones share it; the task ends, without flushing, when the last one goes.
#[derive(Debug, Clone)]
pub struct UploaderHandle {
    pub(super) flushes: mpsc::Sender<Flush>,
    pub(super) signals: Arc<watch::Sender<Signals>>,
    pub(super) status: watch::Receiver<UploadStatus>,
    pub(super) task: Arc<tokio::task::JoinHandle<()>>,
}

impl UploaderHandle {
    /// Send what is recorded now, whatever its age. Returns at once.
    pub fn nudge(&self) {
        self.signals.send_modify(|signals| signals.nudges += 1);
    }

    /// Says whether there is a network. Coming online ends a back-off.
    pub fn set_online(&self, online: bool) {
        self.signals.send_modify(|signals| signals.online = online);
    }

    /// Says whether the app is in front. Going behind sends everything recorded.
    pub fn set_foreground(&self, foreground: bool) {
        self.signals.send_modify(|signals| signals.foreground = foreground);
    }

    /// Says what sending costs now.
    pub fn set_circumstances(&self, circumstances: Circumstances) {
        self.signals.send_modify(|signals| signals.circumstances = circumstances);
    }

    /// There is a new credential, or somebody else signed in.
    pub fn refreshed(&self) {
        self.signals.send_modify(|signals| signals.refreshes += 1);
    }

    /// Sends everything recorded before the call, for at most `deadline`. Gives up early when nothing more can
    /// happen in that time. Dropping the future lets the flush go on unreported.
    pub async fn flush(&self, deadline: Duration) -> FlushReport {
        self.ask(deadline, false).await
    }

    /// Flushes, then ends the task. Calling it again is harmless.
    pub async fn stop(&self, deadline: Duration) -> FlushReport {
        self.ask(deadline, true).await
    }

    /// Follows what the task is doing.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<UploadStatus> {
        self.status.clone()
    }

    /// Whether the task has ended.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.task.is_finished()
    }

    async fn ask(&self, deadline: Duration, stop: bool) -> FlushReport {
        let (reply, answer) = oneshot::channel();
        let flush = Flush { deadline: Instant::now() + deadline, stop, reply };
        let stopped = FlushReport { delivered: 0, queued: 0, reason: FlushReason::Stopped };
        match self.flushes.send(flush).await {
            Ok(()) => answer.await.unwrap_or(stopped),
            Err(_) => stopped,
        }
    }
}
