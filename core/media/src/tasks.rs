//! Tasks whose work is boxed before the runtime takes it.
//!
//! The runtime's code for a task exists once for each kind of future or closure, about two kilobytes of it, and an app
//! downloads all of it. Boxed, there is one kind for each kind of result.

use std::future::Future;
use std::pin::Pin;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Starts `work` on the caller's runtime, as `tokio::spawn` does: it panics where there is none.
pub fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(boxed(work))
}

/// Starts `work` on `handle`, from any thread.
pub fn spawn_on<T: Send + 'static>(
    handle: &Handle,
    work: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    handle.spawn(boxed(work))
}

/// Does `work` on a thread of the caller's runtime that may block, as `tokio::task::spawn_blocking` does: it panics where
/// there is no runtime. Work that has begun is done whether or not anybody waits for it.
pub fn spawn_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let work: Box<dyn FnOnce() -> T + Send> = Box::new(work);
    tokio::task::spawn_blocking(work)
}

/// Does `work` on a thread of `handle` that may block, from any thread.
pub fn spawn_blocking_on<T: Send + 'static>(
    handle: &Handle,
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let work: Box<dyn FnOnce() -> T + Send> = Box::new(work);
    handle.spawn_blocking(work)
}

fn boxed<T>(work: impl Future<Output = T> + Send + 'static) -> Pin<Box<dyn Future<Output = T> + Send>> {
    Box::pin(work)
}
