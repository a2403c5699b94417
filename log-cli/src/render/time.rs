//! Moments as they are printed.

use jiff::Timestamp;

/// How moments are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TimeFormat {
    /// RFC 3339 for people, milliseconds for programs
    #[default]
    Auto,
    /// 2026-01-14T03:15:00.000Z
    Rfc3339,
    /// Milliseconds since 1970
    Ms,
}

/// Writes `ms` as RFC 3339 with three digits behind the second, in UTC; as the number where no calendar reaches.
pub(crate) fn rfc3339(out: &mut Vec<u8>, ms: i64) {
    use std::io::Write;
    // Writing to a vector does not fail.
    let _ = match Timestamp::from_millisecond(ms) {
        Ok(timestamp) => write!(out, "{timestamp:.3}"),
        Err(_) => write!(out, "{ms}"),
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn moments_have_three_digits_and_no_limit() {
        for (ms, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_768_359_600_250, "2026-01-14T03:00:00.250Z"),
            (i64::MAX, "9223372036854775807"),
        ] {
            let mut out = Vec::new();
            super::rfc3339(&mut out, ms);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
