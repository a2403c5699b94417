//! One piece of work after another, shared by some threads; the results in the order of the pieces.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// As many as the machine runs at a time.
pub(crate) fn available_threads() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Does `work` for each of `pieces` on up to `threads` threads.
///
/// A panic in `work` goes on in the caller once all threads have ended.
pub(crate) fn parallel<T: Sync, R: Send>(threads: NonZeroUsize, pieces: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = threads.get().min(pieces.len());
    if threads <= 1 {
        return pieces.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(pieces.len()));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = Vec::new();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(piece) = pieces.get(at) else { break };
                    own.push((at, work(piece)));
                }
                done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).append(&mut own);
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_pieces_whatever_the_number_of_threads() {
        let pieces: Vec<u64> = (0..1000).collect();
        let squares: Vec<u64> = pieces.iter().map(|n| n * n).collect();
        for threads in [1, 2, 7, 2000] {
            assert_eq!(parallel(NonZeroUsize::new(threads).unwrap(), &pieces, |n| n * n), squares);
        }
        assert!(parallel(NonZeroUsize::MIN, &[], |n: &u64| *n).is_empty());
    }
}
