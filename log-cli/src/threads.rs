//! Waiting for threads.

use std::panic::resume_unwind;
use std::thread::ScopedJoinHandle;

/// A thread's result; its panic goes on here.
pub(crate) fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}
