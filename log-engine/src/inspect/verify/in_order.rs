//! Parts of one whole that are worked on at the same time and taken in one after the other.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What parts 0, 1, 2 … are taken into, each when its turn has come.
///
/// Who works on the parts takes them up in this order, so the part whose turn it is is always being worked on and nobody waits
/// for ever.
#[derive(Debug)]
pub(super) struct InOrder<T> {
    inner: Mutex<Inner<T>>,
    moved: Condvar,
}

#[derive(Debug)]
struct Inner<T> {
    next: usize,
    whole: T,
}

impl<T> InOrder<T> {
    pub(super) fn new(whole: T) -> Self {
        Self { inner: Mutex::new(Inner { next: 0, whole }), moved: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is part `n`'s turn and works on the whole. The turn stays with `n`.
    pub(super) fn at<R>(&self, n: usize, work: impl FnOnce(&mut T) -> R) -> R {
        let mut inner = self.lock();
        while inner.next < n {
            inner = self.moved.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        work(&mut inner.whole)
    }

    /// Part `n` is over when what this returns is dropped, however that comes about.
    pub(super) fn part(&self, n: usize) -> Part<'_, T> {
        Part { order: self, n }
    }

    /// The whole.
    pub(super) fn into_whole(self) -> T {
        self.inner.into_inner().unwrap_or_else(PoisonError::into_inner).whole
    }
}

/// A part that is being worked on.
#[derive(Debug)]
pub(super) struct Part<'a, T> {
    order: &'a InOrder<T>,
    n: usize,
}

impl<T> Part<'_, T> {
    /// Works on the whole when its turn has come.
    pub(super) fn take_in<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        self.order.at(self.n, work)
    }
}

impl<T> Drop for Part<'_, T> {
    fn drop(&mut self) {
        self.order.at(self.n, |_| ());
        self.order.lock().next = self.n.saturating_add(1);
        self.order.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_taken_in_by_their_number_whoever_is_first() {
        let order = InOrder::new(Vec::new());
        std::thread::scope(|scope| {
            for n in (0..8).rev() {
                let order = &order;
                scope.spawn(move || {
                    let part = order.part(n);
                    if n != 3 {
                        part.take_in(|whole| whole.push(n));
                        part.take_in(|whole| whole.push(n));
                    }
                });
            }
        });
        assert_eq!(order.into_whole(), [0, 0, 1, 1, 2, 2, 4, 4, 5, 5, 6, 6, 7, 7]);
    }
}
