//! The batches of one segment, and what lies between them where it is damaged.
//!
//! Goes on behind damage: at the next batch where a sound one stands there, otherwise at the next sound one found byte by byte.

use std::ops::ControlFlow;

use log_engine::batch::Stop;
use log_engine::fs::Source;
use log_engine::segment::{Frame, Resync, Scan, Step};
use log_engine::{FilePosition, Malformed, Rule};

use super::damage::Damage;
use crate::error::CliError;

/// Who looks at the batches of a segment.
pub(crate) trait Visit {
    /// Whether anybody will look into the batch: only then its checksum is computed.
    fn wants(&mut self, frame: &Frame<'_>) -> bool;

    /// A batch, and what is wrong with it as a whole.
    fn batch(&mut self, frame: &Frame<'_>, fault: Option<&Malformed>) -> Result<ControlFlow<()>, CliError>;

    /// Bytes that are no batch.
    fn damage(&mut self, damage: Damage) -> Result<ControlFlow<()>, CliError>;
}

/// Whether bytes behind the last batch are damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Yes.
    Closed,
    /// They may be on their way.
    Open,
}

/// How a walk over a segment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The visitor had enough.
    Stopped,
    /// All bytes were seen.
    Complete,
    /// So many bytes follow the last batch that may be the beginning of another.
    Unfinished(u64),
}

/// A walk over one segment.
#[derive(Debug)]
pub(crate) struct Frames {
    scan: Scan,
    tail: Tail,
    /// A sound batch that a search found: everything before it was looked through.
    next_sound: Option<u64>,
}

impl Frames {
    /// A walk from `position` on, which should be the first byte of a batch.
    pub(crate) fn new(source: Source, position: u64, tail: Tail) -> Self {
        Self { scan: Scan::starting_at(source, FilePosition::new(position)), tail, next_sound: None }
    }

    /// The first byte that was not seen as part of a batch or of damage.
    pub(crate) const fn position(&self) -> u64 {
        self.scan.position().get()
    }

    /// Walks on to the end, or until the visitor has enough.
    pub(crate) fn run(&mut self, visit: &mut impl Visit) -> Result<Ended, CliError> {
        let len = self.scan.source().len();
        loop {
            let (unsound, flow) = match self.scan.next()? {
                Step::Stop(Stop::End) => return Ok(Ended::Complete),
                Step::Stop(stop) => match self.pass_over(stop)? {
                    Ok(damage) => (None, visit.damage(damage)?),
                    Err(ended) => return Ok(ended),
                },
                Step::Batch(frame) => {
                    let fault = if visit.wants(&frame) { fault_of(&frame) } else { None };
                    let (first, end) = (frame.position().get(), frame.end().get());
                    let is_unsound = fault.as_ref().is_some_and(|fault| !matches!(fault.rule, Rule::TooLarge { .. }));
                    if is_unsound && self.tail == Tail::Open && end >= len {
                        self.scan.seek(FilePosition::new(first))?;
                        return Ok(Ended::Unfinished(end.saturating_sub(first)));
                    }
                    (is_unsound.then_some((first, end)), visit.batch(&frame, fault.as_ref())?)
                }
            };
            if flow.is_break() {
                return Ok(Ended::Stopped);
            }
            if let Some((first, end)) = unsound {
                self.leave(first, end)?;
            }
        }
    }

    /// Moves behind an unsound batch: to its end if a sound one or the end of the file is there, else to the next sound one if that
    /// begins before: then its length was wrong.
    fn leave(&mut self, first: u64, end: u64) -> Result<(), CliError> {
        if self.next_sound.is_none_or(|next| next <= first) {
            self.scan.seek(FilePosition::new(end))?;
            let goes_on = match self.scan.next()? {
                Step::Batch(frame) => fault_of(&frame).is_none(),
                Step::Stop(stop) => stop == Stop::End,
            };
            if goes_on || self.is_stream() {
                return Ok(self.scan.seek(FilePosition::new(end))?);
            }
            self.scan.seek(FilePosition::new(first))?;
            self.next_sound = match self.scan.resync()? {
                Resync::Found(found) => Some(found.get()),
                Resync::None | Resync::GaveUp(_) => Some(u64::MAX),
            };
        }
        let next = self.next_sound.map_or(end, |next| next.min(end));
        Ok(self.scan.seek(FilePosition::new(next))?)
    }

    /// Passes over bytes that are no batch, to the next sound one or to the end; how it ended if they may still become one.
    fn pass_over(&mut self, stop: Stop) -> Result<Result<Damage, Ended>, CliError> {
        let (position, left) = (self.position(), self.scan.left());
        let size = |end: u64| Some(end.saturating_sub(position));
        match self.scan.resync()? {
            Resync::Found(found) => Ok(Ok(Damage::of_stop(stop, position, size(found.get()), false))),
            Resync::None if self.tail == Tail::Open => {
                self.scan.seek(FilePosition::new(position))?;
                Ok(Err(Ended::Unfinished(left)))
            }
            other => {
                let is_zero = matches!(stop, Stop::Size { size: 0 }) && self.is_zero_from(position)?;
                let len = self.scan.source().len();
                self.scan.seek(FilePosition::new(len.min(position.saturating_add(left))))?;
                let end = if self.is_stream() { self.position() } else { len };
                let mut damage = Damage::of_stop(stop, position, size(end), is_zero);
                if let Resync::GaveUp(at) = other {
                    damage.message.push_str(&format!("; the search for the next batch was given up at byte {at}"));
                }
                Ok(Ok(damage))
            }
        }
    }

    /// True if nothing but zeros stands from `position` to the end. Holes are not read.
    fn is_zero_from(&self, position: u64) -> Result<bool, CliError> {
        let source = self.scan.source();
        if self.is_stream() {
            return Ok(false);
        }
        let mut chunk = vec![0; 64 << 10];
        let mut at = position;
        while let Some(data) = source.next_data(at)? {
            let n = source.read_at(&mut chunk, data)?;
            if n == 0 || chunk.iter().take(n).any(|byte| *byte != 0) {
                return Ok(n == 0);
            }
            at = data.saturating_add(n as u64);
        }
        Ok(true)
    }

    fn is_stream(&self) -> bool {
        self.scan.source().len() == u64::MAX
    }
}

/// What is wrong with a batch as a whole.
fn fault_of(frame: &Frame<'_>) -> Option<Malformed> {
    if !(0..=2).contains(&frame.magic()) {
        let rule = Rule::Version { what: "batch", found: frame.magic().into(), known: "0, 1 and 2" };
        return Some(Malformed::new(16, rule));
    }
    frame.check_crc().and_then(|()| frame.batch().map(drop)).err()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use log_engine::fs::{MemoryFile, StreamFile};
    use log_engine::{BatchBuilder, Offset, Timestamp};

    use super::*;

    /// What a visitor saw: `offset`, `!offset CODE`, or `CODE position+bytes`.
    #[derive(Default)]
    struct Seen(Vec<String>);

    impl Visit for Seen {
        fn wants(&mut self, _: &Frame<'_>) -> bool {
            true
        }

        fn batch(&mut self, frame: &Frame<'_>, fault: Option<&Malformed>) -> Result<ControlFlow<()>, CliError> {
            let fault = fault.map(|fault| Damage::of_batch(frame, fault));
            let code = fault.map_or(String::new(), |damage| format!("! {}", damage.code.unwrap_or("large")));
            self.0.push(format!("{}{code}", frame.offset()));
            Ok(ControlFlow::Continue(()))
        }

        fn damage(&mut self, damage: Damage) -> Result<ControlFlow<()>, CliError> {
            let bytes = damage.bytes.unwrap_or(0);
            self.0.push(format!("{} {}+{bytes}", damage.code.unwrap_or("large"), damage.position));
            Ok(ControlFlow::Continue(()))
        }
    }

    /// Batches of 80 bytes each, offsets 0 to `n`.
    fn log(n: i64) -> Vec<u8> {
        let mut out = Vec::new();
        for offset in 0..n {
            let mut builder = BatchBuilder::new(Offset::new(offset));
            builder.push(Timestamp::new(0), Some(b"key"), Some(b"012345678"), &[]).unwrap();
            builder.finish(&mut out).unwrap();
        }
        assert_eq!(out.len() % 80, 0, "{}", out.len());
        out
    }

    fn walked(bytes: &[u8], tail: Tail) -> (Vec<String>, Ended, u64) {
        let source = Source::new("x.log", Arc::new(MemoryFile::new(bytes))).unwrap();
        let (mut frames, mut seen) = (Frames::new(source, 0, tail), Seen::default());
        let ended = frames.run(&mut seen).unwrap();
        (seen.0, ended, frames.position())
    }

    fn closed(bytes: &[u8]) -> Vec<String> {
        let (seen, ended, _) = walked(bytes, Tail::Closed);
        assert_eq!(ended, Ended::Complete);
        seen
    }

    #[test]
    fn the_walk_goes_on_behind_every_kind_of_damage() {
        let sound = log(4);
        let with = |at: usize, bytes: &[u8]| {
            let mut log = sound.clone();
            log[at..at + bytes.len()].copy_from_slice(bytes);
            log
        };
        assert_eq!(closed(&sound), ["0", "1", "2", "3"]);
        assert_eq!(closed(&with(80 + 70, b"X")), ["0", "1! B001", "2", "3"], "a flipped byte");
        assert_eq!(closed(&with(80 + 16, &[3])), ["0", "1! B004", "2", "3"], "an unknown magic");
        assert_eq!(closed(&with(80 + 8, &[0; 4])), ["0", "B002 80+80", "2", "3"], "a size of zero");
        assert_eq!(
            closed(&with(80 + 8, &20_i32.to_be_bytes()))[1..3],
            ["1! B002", "B003 112+48"],
            "too short for its format"
        );
        assert_eq!(
            closed(&with(80 + 8, &100_i32.to_be_bytes())),
            ["0", "1! B001", "2", "3"],
            "a size that is too large"
        );
        assert_eq!(
            closed(&with(80 + 8, &9999_i32.to_be_bytes())),
            ["0", "B003 80+80", "2", "3"],
            "a size past the end"
        );
        assert_eq!(closed(&with(80, &[0; 160])), ["0", "B002 80+160", "3"], "two batches of zeros");
        let two = {
            let mut log = with(80 + 70, b"X");
            log[160 + 70] = b'X';
            log
        };
        assert_eq!(closed(&two), ["0", "1! B001", "2! B001", "3"], "two in a row");
    }

    #[test]
    fn what_follows_the_last_batch_is_told_apart() {
        let sound = log(2);
        let and = |tail: &[u8]| [&sound[..], tail].concat();
        assert_eq!(closed(&and(&[0; 5])), ["0", "1", "B013 160+5"]);
        assert_eq!(closed(&and(&[0; 500])), ["0", "1", "B013 160+500"]);
        assert_eq!(closed(&and(&[7; 500])), ["0", "1", "B003 160+500"]);
        assert_eq!(closed(&sound[..150]), ["0", "B003 80+70"]);
        for tail in [&sound[..70], &[0; 5], &[0; 500]] {
            let (seen, ended, position) = walked(&and(tail), Tail::Open);
            assert_eq!((seen.len(), ended, position), (2, Ended::Unfinished(tail.len() as u64), 160));
        }
        let mut torn = sound.clone();
        torn[159] ^= 1;
        assert_eq!(walked(&torn, Tail::Open), (vec!["0".to_owned()], Ended::Unfinished(80), 80));
        assert_eq!(closed(&torn), ["0", "1! B001"]);
    }

    #[test]
    fn a_stream_goes_on_behind_damage_too() {
        let mut bytes = log(4);
        bytes[80 + 70] ^= 1;
        bytes[160 + 8] = 0x7f;
        let stream = StreamFile::new(Box::new(std::io::Cursor::new(bytes)));
        let source = Source::new("-", Arc::new(stream)).unwrap();
        let (mut frames, mut seen) = (Frames::new(source, 0, Tail::Closed), Seen::default());
        assert_eq!(frames.run(&mut seen).unwrap(), Ended::Complete);
        assert_eq!(seen.0[..2], ["0", "1! B001"]);
    }
}
