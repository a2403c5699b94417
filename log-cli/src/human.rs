//! Numbers as people read them: 1.92 TiB, 9,871, 14 min, 2026-11-24T19:00:00Z.

/// Bytes with a binary unit and three digits.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // What would be rounded to 1024 belongs to the next unit.
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = match value {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {}", UNITS.get(unit).unwrap_or(&"EiB"))
}

/// A count with commas between the thousands.
pub(crate) fn count(n: impl Into<i128>) -> String {
    let n: i128 = n.into();
    let digits = n.unsigned_abs().to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if n < 0 { format!("-{out}") } else { out }
}

/// A count with the word for it: `1 segment`, `9,871 segments`.
pub(crate) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// A time span in its largest fitting unit; two where the first is small.
pub(crate) fn duration(millis: u64) -> String {
    let seconds = millis.div_ceil(1000);
    match seconds {
        0 | 1 => "1 s".to_owned(),
        2..90 => format!("{seconds} s"),
        90..5400 => format!("{} min", seconds.div_ceil(60)),
        5400..172_800 => format!("{:.1} h", seconds as f64 / 3600.0),
        _ => format!("{:.1} days", seconds as f64 / 86_400.0),
    }
}

/// A timestamp of Kafka's as UTC; `no time` for -1, the bare number where no calendar reaches.
pub(crate) fn time(millis: i64) -> String {
    match millis {
        -1 => "no time".to_owned(),
        _ => rfc3339(millis).unwrap_or_else(|| format!("{millis} ms")),
    }
}

/// A timestamp of Kafka's as RFC 3339 in UTC; `None` where no calendar reaches.
pub(crate) fn rfc3339(millis: i64) -> Option<String> {
    jiff::Timestamp::from_millisecond(millis).ok().map(|time| time.to_string())
}

/// A share as a percentage without digits behind the point; what is there is never 0%, what is missing never 100%.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0%".to_owned();
    }
    let share = (part as f64 / whole as f64 * 100.0).round();
    match share {
        ..1.0 => "<1%".to_owned(),
        100.0.. if part < whole => ">99%".to_owned(),
        _ => format!("{share:.0}%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_three_digits_and_the_right_unit() {
        for (n, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (10_234, "9.99 KiB"),
            (10_235, "10.0 KiB"),
            (10_240, "10.0 KiB"),
            (102_400, "100 KiB"),
            (1_048_575, "1.00 MiB"),
            (131 << 30, "131 GiB"),
            (2_111_062_325_330, "1.92 TiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(n), text, "{n}");
        }
    }

    #[test]
    fn counts_spans_times_and_shares() {
        assert_eq!(["0", "999", "1,000", "-1,234,567"], [0, 999, 1000, -1_234_567].map(|n: i64| count(n)));
        assert_eq!(counted(1, "segment", "segments"), "1 segment");
        assert_eq!(counted(9871, "segment", "segments"), "9,871 segments");
        let spans = [0, 1500, 89_000, 90_000, 840_000, 7_200_000, 200_000_000].map(duration);
        assert_eq!(spans, ["1 s", "2 s", "89 s", "2 min", "14 min", "2.0 h", "2.3 days"]);
        assert_eq!(
            [time(-1), time(0), time(1_700_000_000_123)],
            ["no time", "1970-01-01T00:00:00Z", "2023-11-14T22:13:20.123Z"]
        );
        assert_eq!(time(i64::MAX), "9223372036854775807 ms");
        let shares = [(0, 10), (1, 1000), (29, 100), (999, 1000), (5, 5), (0, 0)].map(|(a, b)| percent(a, b));
        assert_eq!(shares, ["0%", "<1%", "29%", ">99%", "100%", "0%"]);
    }
}
