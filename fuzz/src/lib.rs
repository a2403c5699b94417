//! What all fuzz targets share: a bound on memory, and the way from libFuzzer to a function of `log_engine::testing::fuzz`.

use std::alloc::System;

use cap::Cap;
pub use libfuzzer_sys::fuzz_target;

/// The engine's bound, whatever it reads. What goes beyond it fails as an allocation, which ends the run.
const MEMORY: usize = 256 << 20;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, MEMORY);

/// Hands libFuzzer's inputs to a function of bytes.
#[macro_export]
macro_rules! target {
    ($check:path) => {
        $crate::fuzz_target!(|data: &[u8]| $check(data));
    };
}
