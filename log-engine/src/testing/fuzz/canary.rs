//! Fails on purpose.

/// Shows that the pipeline reports what it finds.
///
/// # Panics
/// If the bytes begin with `CRASHME`.
pub fn canary(data: &[u8]) {
    assert!(!data.starts_with(b"CRASHME"), "the canary was told to fail");
}
