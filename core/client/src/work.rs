//! How a call of the app becomes work on the session's own threads.
//!
//! What only reads is a task that ends when its future is dropped. What writes takes its turn in one queue, in the order
//! the calls were begun, and is done whether or not anybody still waits: a like whose future was dropped cannot overtake
//! the unlike that came after it.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle};
use unspool_media::tasks;

use crate::error::Error;

/// Writes that may wait for their turn; further callers wait for a place, and have begun nothing until they have one.
const WRITES: usize = 1_024;

/// The queue of what writes.
#[derive(Debug)]
pub(crate) struct Writes(mpsc::Sender<BoxFuture<'static, ()>>);

impl Writes {
    /// Starts the task that works through the queue on `handle`.
    pub(crate) fn start(handle: &Handle) -> Self {
        let (turns, mut waiting) = mpsc::channel::<BoxFuture<'static, ()>>(WRITES);
        tasks::spawn_on(handle, async move {
            while let Some(turn) = waiting.recv().await {
                turn.await;
            }
        });
        Writes(turns)
    }

    /// Does `work` in its turn; a panic in it is an error here and leaves the queue going.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let work = work.boxed();
        let turn = async move {
            let done = AssertUnwindSafe(work).catch_unwind().await;
            let done = done.unwrap_or_else(|fault| Err(Error::Internal { reason: words(&*fault) }));
            // Nobody waiting is fine: it is done all the same.
            let _ = reply.send(done);
        };
        self.0.send(turn.boxed()).await.map_err(|_| Error::ShutDown)?;
        answer.await.unwrap_or(Err(Error::ShutDown))
    }
}

/// Does `work` on `handle` for as long as somebody waits; a panic in it is an error here.
pub(crate) async fn read<T: Send + 'static>(
    handle: &Handle,
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    match AbortOnDrop(tasks::spawn_on(handle, work)).await {
        Ok(done) => done,
        Err(e) if e.is_cancelled() => Err(Error::ShutDown),
        Err(e) => Err(Error::Internal { reason: e.to_string() }),
    }
}

/// Does `work` on a thread that may block; a panic in it is an error here.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tasks::spawn_blocking(work).await {
        Ok(done) => done,
        Err(e) => Err(Error::Internal { reason: e.to_string() }),
    }
}

/// A task that ends when it is dropped.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a panic said.
pub(crate) fn words(fault: &(dyn Any + Send)) -> String {
    let text = fault.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| fault.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".to_owned())
}
