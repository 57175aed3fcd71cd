//! Locking that a panic elsewhere cannot turn into a second panic.
//!
//! These locks are taken inside callbacks that C code calls; a poisoned lock must not unwind there. Every value kept
//! behind one is valid after each single assignment, so carrying on with it is sound.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes the lock, poisoned or not.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
