//! The grammar of `-o`: a range of offsets, or of time.

use super::time;

/// A range of offsets as it was written: it may need the log's start and end to become numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OffsetRange {
    from: Point,
    to: Point,
}

/// One end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// Where the log begins, or ends: the side decides.
    Open,
    At(i64),
    /// So many offsets before the end.
    BeforeEnd(i64),
    Start,
    End,
    /// So many offsets behind the other end of the range.
    Behind(i64),
}

/// What `-o` may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    /// Offsets.
    Offsets(OffsetRange),
    /// Milliseconds since 1970: from here on, and before there.
    Times(i64, Option<i64>),
}

/// What `-o` can be; shown when it cannot be read.
const FORMS: &str = "an offset range is 500 (from there on), 500:900 (half-open), :900, 500:+20, -100 (the last hundred), start, \
     end, or @T1:T2 (times)";

impl Range {
    /// Reads the argument of `-o`.
    pub(crate) fn parse(text: &str, now: i64) -> Result<Self, String> {
        if let Some(times) = text.strip_prefix('@') {
            return Self::times(times, now);
        }
        let (from, to) = match text.split_once(':') {
            None => (text, ""),
            Some(ends) => ends,
        };
        let range = point(from).zip(point(to)).map(|(from, to)| OffsetRange { from, to });
        range
            .filter(|range| !text.is_empty() && !matches!(range.from, Point::Behind(_)))
            .map(Self::Offsets)
            .ok_or_else(|| format!("{text:?} is no range; {FORMS}"))
    }

    /// `T1`, `T1:T2` or `T1:+LENGTH`. Times have colons in them, so the first colon that leaves two times is the one.
    fn times(text: &str, now: i64) -> Result<Self, String> {
        if let Ok(from) = time::parse(text, now) {
            return Ok(Self::Times(from, None));
        }
        let ends = text.match_indices(':').find_map(|(colon, _)| {
            let (left, right) = (text.get(..colon)?, text.get(colon + 1..)?);
            let from = time::parse(left, now).ok()?;
            let to = match right.strip_prefix('+') {
                Some(length) => from.checked_add(time::duration(length)?)?,
                None => time::parse(right.strip_prefix('@').unwrap_or(right), now).ok()?,
            };
            Some((from, to))
        });
        match ends {
            Some((from, to)) => Ok(Self::Times(from, Some(to))),
            None => Err(format!("{text:?} is no range of time; {}", time::FORMS)),
        }
    }
}

fn point(text: &str) -> Option<Point> {
    let number = |digits: &str| {
        digits.bytes().next().filter(u8::is_ascii_digit)?;
        digits.parse::<i64>().ok()
    };
    match text {
        "" => Some(Point::Open),
        "start" => Some(Point::Start),
        "end" => Some(Point::End),
        _ => match text.as_bytes().first()? {
            b'-' => number(text.get(1..)?).map(Point::BeforeEnd),
            b'+' => number(text.get(1..)?).map(Point::Behind),
            _ => number(text).map(Point::At),
        },
    }
}

impl OffsetRange {
    /// True if the log's end must be known to make numbers of it.
    pub(crate) const fn needs_end(&self) -> bool {
        matches!(self.from, Point::BeforeEnd(_) | Point::End) || matches!(self.to, Point::BeforeEnd(_) | Point::End)
    }

    /// The first offset of the range and the first behind it, in a log from `start` to `end`.
    pub(crate) fn resolve(&self, start: i64, end: i64) -> (i64, i64) {
        let of = |point, open: i64| match point {
            Point::Open => open,
            Point::At(offset) => offset,
            Point::BeforeEnd(count) => end.saturating_sub(count).max(start),
            Point::Start => start,
            Point::End => end,
            Point::Behind(_) => open,
        };
        let from = of(self.from, i64::MIN);
        let to = match self.to {
            Point::Behind(count) => from.max(start).saturating_add(count),
            point => of(point, i64::MAX),
        };
        (from, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_becomes_two_offsets() {
        const MIN: i64 = i64::MIN;
        const MAX: i64 = i64::MAX;
        for (text, expected, needs_end) in [
            ("500", (500, MAX), false),
            ("500:900", (500, 900), false),
            (":900", (MIN, 900), false),
            ("500:", (500, MAX), false),
            (":", (MIN, MAX), false),
            ("500:+20", (500, 520), false),
            (":+20", (MIN, 120), false),
            ("start:+20", (100, 120), false),
            ("-100", (900, MAX), true),
            ("-5000", (100, MAX), true),
            ("-100:-50", (900, 950), true),
            ("-100:+10", (900, 910), true),
            ("start", (100, MAX), false),
            ("end", (1000, MAX), true),
            ("start:end", (100, 1000), true),
            ("0", (0, MAX), false),
            ("9223372036854775807:+20", (MAX, MAX), false),
        ] {
            let Ok(Range::Offsets(range)) = Range::parse(text, 0) else { panic!("{text}") };
            assert_eq!((range.resolve(100, 1000), range.needs_end()), (expected, needs_end), "{text}");
        }
        for text in ["", "x", "5-9", "+20", "--5", "1:2:3", "500:+", "9223372036854775808", "5 :6", "-"] {
            assert!(Range::parse(text, 0).is_err_and(|e| e.contains("half-open")), "{text}");
        }
    }

    #[test]
    fn ranges_of_time_find_their_colon() {
        for (text, expected) in [
            ("@1768359600000", (1_768_359_600_000, None)),
            ("@1768359600:1768359601", (1_768_359_600_000, Some(1_768_359_601_000))),
            ("@2026-01-14T03:00:00Z", (1_768_359_600_000, None)),
            ("@2026-01-14T03:00:00Z:2026-01-14T03:00:01Z", (1_768_359_600_000, Some(1_768_359_601_000))),
            ("@2026-01-14T03:00:00Z:@2026-01-14T03:00:01Z", (1_768_359_600_000, Some(1_768_359_601_000))),
            ("@2026-01-14T03:00Z:+1h", (1_768_359_600_000, Some(1_768_363_200_000))),
            ("@-1s:now", (6_000, Some(7_000))),
        ] {
            assert_eq!(Range::parse(text, 7_000), Ok(Range::Times(expected.0, expected.1)), "{text}");
        }
        assert!(Range::parse("@noon:night", 0).is_err());
    }
}
