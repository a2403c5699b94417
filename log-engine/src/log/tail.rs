//! Waiting at the end of a log for more, across rolls: with a thread or with a waker.
//!
//! Nobody waits for most appends, so that one costs a load of a counter. Who waits counts itself first and looks at the log
//! afterwards; who appends moves the log first and looks at the counter afterwards: one of them sees the other.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Log;
use super::read::Isolation;
use crate::error::{Error, Result};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use crate::units::Offset;

/// Who waits for a log to move.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    count: AtomicUsize,
    state: Mutex<Moves>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Moves {
    /// How often the log moved while somebody waited.
    count: u64,
    wakers: Vec<Waker>,
}

impl Waiters {
    /// The log's end or a watermark has moved.
    #[inline]
    pub(super) fn notify(&self) {
        if self.count.load(Ordering::SeqCst) > 0 {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        let mut moves = self.lock();
        moves.count = moves.count.wrapping_add(1);
        let wakers = std::mem::take(&mut moves.wakers);
        self.count.fetch_sub(wakers.len(), Ordering::SeqCst);
        self.moved.notify_all();
        drop(moves);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Moves> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `ready` says so, for `timeout` at most; what it said last.
    fn wait(&self, timeout: Option<Duration>, ready: impl Fn() -> Result<bool>) -> Result<bool> {
        if ready()? {
            return Ok(true);
        }
        self.count.fetch_add(1, Ordering::SeqCst);
        let result = self.wait_counted(timeout, &ready);
        self.count.fetch_sub(1, Ordering::SeqCst);
        result
    }

    fn wait_counted(&self, timeout: Option<Duration>, ready: &impl Fn() -> Result<bool>) -> Result<bool> {
        let mut moves = self.lock();
        let mut left = timeout;
        loop {
            if ready()? {
                return Ok(true);
            }
            match left {
                None => moves = self.moved.wait(moves).unwrap_or_else(PoisonError::into_inner),
                Some(time) => {
                    // A move that is not enough begins the time anew; a caller that needs it exact has a clock.
                    let waited = self.moved.wait_timeout(moves, time).unwrap_or_else(PoisonError::into_inner);
                    moves = waited.0;
                    if waited.1.timed_out() {
                        return ready();
                    }
                    left = Some(time);
                }
            }
        }
    }

    fn poll(&self, context: &Context<'_>, ready: impl Fn() -> Result<bool>) -> Poll<Result<()>> {
        let mut moves = self.lock();
        if !moves.wakers.iter().any(|known| known.will_wake(context.waker())) {
            moves.wakers.push(context.waker().clone());
            self.count.fetch_add(1, Ordering::SeqCst);
        }
        drop(moves);
        match ready() {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl Log {
    /// Waits until there is something to read at `from`, for `timeout` at most (without one: for ever); whether there is.
    ///
    /// # Errors
    /// [`crate::Error::Closed`]; [`crate::Error::Overtaken`] if the log was cut below `from`, or begins behind it now.
    pub fn wait_for(&self, from: Offset, isolation: Isolation, timeout: Option<Duration>) -> Result<bool> {
        self.disk.waiters.wait(timeout, || self.has_at(from, isolation))
    }

    /// Ready when there is something to read at `from`; the task of `context` is woken when that may be so.
    ///
    /// # Errors
    /// As [`Self::wait_for`].
    pub fn poll_for(&self, from: Offset, isolation: Isolation, context: &Context<'_>) -> Poll<Result<()>> {
        self.disk.waiters.poll(context, || self.has_at(from, isolation))
    }

    fn has_at(&self, from: Offset, isolation: Isolation) -> Result<bool> {
        // Before all else: what came before the log was closed is there.
        let is_closed = self.is_closed();
        let (end, start) = (self.end(), self.start());
        if from < start || from > end {
            return Err(Error::Overtaken { at: from.get(), start: start.get(), end: end.get() });
        }
        let bound = match isolation {
            Isolation::LogEnd => end,
            Isolation::HighWatermark => self.high_watermark(),
            Isolation::TxnCommitted => self.last_stable_offset(),
        };
        // While the log is cut a watermark may be beyond its end.
        if bound.min(end) > from {
            return Ok(true);
        }
        if is_closed {
            return Err(Error::Closed { path: self.path().to_owned() });
        }
        Ok(false)
    }
}
