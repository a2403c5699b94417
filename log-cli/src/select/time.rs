//! Moments as people and programs write them.

use jiff::{SpanRelativeTo, Timestamp, civil, tz::TimeZone};

/// What a moment can be; shown when one cannot be read.
pub(crate) const FORMS: &str = "a time is RFC 3339 (2026-01-14T03:15:00Z), a date (2026-01-14, UTC), 13 digits (milliseconds), 10 digits \
     (seconds), now, or back from now (-2h, -1d12h)";

/// Reads a moment; milliseconds since 1970. `now` is what `now` and times back from it mean.
///
/// Dates, and times without a zone, are UTC.
pub(crate) fn parse(text: &str, now: i64) -> Result<i64, String> {
    moment(text, now).ok_or_else(|| format!("{text:?} is no time; {FORMS}"))
}

/// A length of time such as `2h` or `1d12h`, in milliseconds. Days have 24 hours.
pub(crate) fn duration(text: &str) -> Option<i64> {
    let span: jiff::Span = text.parse().ok()?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    i64::try_from(length.as_millis()).ok()
}

fn moment(text: &str, now: i64) -> Option<i64> {
    if text == "now" {
        return Some(now);
    }
    if let Some(back) = text.strip_prefix('-') {
        return now.checked_sub(duration(back).filter(|length| *length >= 0)?);
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        let number: i64 = text.parse().ok()?;
        return match text.len() {
            13 => Some(number),
            10 => number.checked_mul(1000),
            _ => None,
        };
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.as_millisecond());
    }
    let civil: civil::DateTime = text.parse().ok()?;
    TimeZone::UTC.to_timestamp(civil).ok().map(Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_768_359_600_000; // 2026-01-14T03:00:00Z

    #[test]
    fn all_forms_of_a_moment() {
        for (text, expected) in [
            ("2026-01-14T03:00:00Z", NOW),
            ("2026-01-14T04:00:00.250+01:00", NOW + 250),
            ("2026-01-14T03:00Z", NOW),
            ("2026-01-14T03:00", NOW),
            ("2026-01-14T03", NOW),
            ("2026-01-14 03:00:01", NOW + 1000),
            ("2026-01-14", NOW - 3 * 3_600_000),
            ("1768359600000", NOW),
            ("1768359600", NOW),
            ("now", NOW),
            ("-2h", NOW - 2 * 3_600_000),
            ("-1d12h", NOW - 36 * 3_600_000),
            ("-90m", NOW - 90 * 60_000),
            ("-1w", NOW - 7 * 24 * 3_600_000),
            ("1969-12-31T23:59:59.999Z", -1),
        ] {
            assert_eq!(parse(text, NOW), Ok(expected), "{text}");
        }
        for text in ["", "yesterday", "12345", "123456789012", "-", "-x", "--2h", "2026-13-01", "-1mo"] {
            let refused = parse(text, NOW);
            assert!(refused.as_ref().is_err_and(|e| e.contains("RFC 3339")), "{text:?}: {refused:?}");
        }
    }
}
