//! An append's claim: wait with it until what was appended is durable.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::disk::LogDisk;
use crate::error::Result;
use crate::units::Offset;

/// How soon what is appended becomes durable. Every level keeps what is *written*: a process that dies loses nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When the operating system pleases, and when a segment is full. Kafka's way.
    #[default]
    Os,
    /// Before an append returns.
    Synced,
    /// Before the append returns with which this many offsets are not durable. Kafka: `flush.messages`.
    EveryN(u64),
    /// This many milliseconds after it was appended, as far as somebody calls [`super::Log::tick`] that often. Kafka: `flush.ms`.
    Interval(u64),
}

/// A claim on everything up to the last record of an append.
///
/// [`Self::wait`] blocks and syncs if nobody does; as a future it waits for somebody else's sync: that of a thread that waits, of
/// [`super::Log::flush`], or of [`super::Log::tick`].
#[derive(Clone, Debug)]
pub struct Ticket {
    disk: Arc<LogDisk>,
    end: Offset,
}

impl Ticket {
    pub(super) const fn new(disk: Arc<LogDisk>, end: Offset) -> Self {
        Self { disk, end }
    }

    /// The first offset that it does not cover.
    #[must_use]
    pub const fn end(&self) -> Offset {
        self.end
    }

    /// Whether all that it covers is durable.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn is_durable(&self) -> Result<bool> {
        self.disk.is_durable(self.end)
    }

    /// Returns when all that it covers is durable. Threads that wait at the same time share one sync.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the sync fails; [`crate::Error::Poisoned`] where one failed before; [`crate::Error::Closed`];
    /// [`crate::Error::Overtaken`] if what it covers was cut off.
    pub fn wait(&self) -> Result<()> {
        self.disk.make_durable(self.end)
    }
}

impl Future for Ticket {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.disk.register(self.end, context.waker()) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}
