//! Locks, atomics and swapped pointers that threads meet at: the standard library's and those of `arc_swap`.
//!
//! With the feature `shuttle` they are made of what the crate of that name has, which lets `tests/threads.rs` choose who goes on at each
//! of them. They work only inside its runs: the feature is for that test alone.

pub(crate) use std::sync::PoisonError;

#[cfg(not(feature = "shuttle"))]
pub(crate) use arc_swap::{ArcSwap, ArcSwapOption};
#[cfg(feature = "shuttle")]
pub(crate) use chosen::{ArcSwap, ArcSwapOption};
#[cfg(feature = "shuttle")]
pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};
#[cfg(not(feature = "shuttle"))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};

/// Swapped pointers at which another thread may go on.
#[cfg(feature = "shuttle")]
mod chosen {
    use std::sync::Arc;

    use arc_swap::{ArcSwapAny, Guard, RefCnt};
    use shuttle::sync::atomic::{AtomicBool, Ordering};

    pub(crate) type ArcSwap<T> = Swapped<Arc<T>>;
    pub(crate) type ArcSwapOption<T> = Swapped<Option<Arc<T>>>;

    #[derive(Debug)]
    pub(crate) struct Swapped<P: RefCnt> {
        pointer: ArcSwapAny<P>,
        /// Asked before each use of the pointer: that is where the schedule is chosen.
        point: AtomicBool,
    }

    impl<P: RefCnt> Swapped<P> {
        fn new(pointer: P) -> Self {
            Self { pointer: ArcSwapAny::new(pointer), point: AtomicBool::new(false) }
        }

        fn at_point(&self) -> &ArcSwapAny<P> {
            self.point.load(Ordering::SeqCst);
            &self.pointer
        }

        pub(crate) fn load(&self) -> Guard<P> {
            self.at_point().load()
        }

        pub(crate) fn store(&self, pointer: P) {
            self.at_point().store(pointer);
        }
    }

    impl<T> Swapped<Arc<T>> {
        pub(crate) fn from_pointee(value: T) -> Self {
            Self::new(Arc::new(value))
        }

        pub(crate) fn compare_and_swap(&self, current: &Arc<T>, new: Arc<T>) -> Guard<Arc<T>> {
            self.at_point().compare_and_swap(current, new)
        }
    }

    impl<T> Swapped<Option<Arc<T>>> {
        pub(crate) fn empty() -> Self {
            Self::new(None)
        }
    }
}
