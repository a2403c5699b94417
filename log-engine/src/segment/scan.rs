//! THE walk over a `.log` file. Recovery, index rebuild, verify, dump and salvage all use it, so they cannot disagree about
//! where a batch begins and ends.
//!
//! It goes from frame to frame by Kafka's own rules and gives a reason where it stops; it looks at no checksum unless asked and
//! never past the length that the file had when it was opened. Memory: one chunk of the file, or one batch of up to
//! [`MAX_BUFFERED_BATCH`], or less if asked; a longer one passes through in pieces, and its checksum is all that is known of its body.

use super::window::Window;
use crate::batch::{Batch, BatchHeader, FRAMING_LEN, Framing, HEADER_LEN, LOG_OVERHEAD, LegacyHeader, Stop, framing};
use crate::encoding::{Crc32, crc32c_append};
use crate::error::{Malformed, Result, Rule};
use crate::fs::Source;
use crate::units::{FilePosition, Offset, Timestamp};

/// Batches of up to this size are held in memory; larger ones are only framed and checksummed.
pub const MAX_BUFFERED_BATCH: usize = 64 << 20;
/// Bytes of a larger batch that are in memory at a time.
const PIECE: usize = 1 << 20;
/// Bytes that a walk over heads reads at a time: a little more than the default distance between index entries.
pub(super) const HEAD_PIECE: usize = 4608;

/// What the walk meets next.
#[derive(Debug)]
pub enum Step<'a> {
    /// A batch that lies wholly in the file. Nothing of it was checked.
    Batch(Frame<'a>),
    /// The end of what is a sequence of batches, and why.
    Stop(Stop),
}

/// A batch as framing sees it: where it is, how long it is, and its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    position: FilePosition,
    len: u64,
    offset: Offset,
    /// Up to 61 bytes from the batch's first one on; past its end if it is shorter and the file is not.
    head: &'a [u8],
    body: Body<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Body<'a> {
    /// All bytes of the batch.
    Here(&'a [u8]),
    /// Larger than `most`, too large to hold; its checksum as computed.
    Passed { computed: u32, most: usize },
    /// Not read: the walk goes from head to head.
    Unread,
}

impl<'a> Frame<'a> {
    /// The batch's first byte.
    #[must_use]
    pub const fn position(&self) -> FilePosition {
        self.position
    }

    /// The first byte behind it.
    #[must_use]
    pub const fn end(&self) -> FilePosition {
        self.position.plus(self.len)
    }

    /// All its bytes, the 12 before the counted ones included.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// False: a frame has at least 26 bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first eight bytes: base offset of a v2 batch, last offset of a message.
    #[must_use]
    pub const fn offset(&self) -> Offset {
        self.offset
    }

    /// The byte that names the message format.
    #[must_use]
    pub fn magic(&self) -> i8 {
        self.head.get(FRAMING_LEN - 1).map_or(0, |byte| byte.cast_signed())
    }

    /// Up to 61 bytes from the batch's first one on, whatever its size field says: what Kafka's own reader takes for a head.
    #[must_use]
    pub const fn head(&self) -> &'a [u8] {
        self.head
    }

    /// The v2 head as it stands there, for a magic of 2 and more; `None` too if the file ends before it does.
    #[must_use]
    #[inline]
    pub fn header(&self) -> Option<&'a BatchHeader> {
        if self.magic() >= 2 { BatchHeader::at_start_of(self.head) } else { None }
    }

    /// The last offset, by the head alone and whatever the size field says.
    ///
    /// # Errors
    /// [`Rule::Short`] if the file ends inside the head; Kafka's reader throws there.
    #[inline]
    pub fn last_offset(&self) -> Result<Offset, Malformed> {
        if self.magic() >= 2 { Ok(self.whole_header()?.last_offset()) } else { Ok(self.offset) }
    }

    /// The largest timestamp, by the head alone and whatever the size field says; -1 where there is none.
    ///
    /// # Errors
    /// As [`Self::last_offset`].
    #[inline]
    pub fn max_timestamp(&self) -> Result<Timestamp, Malformed> {
        if self.magic() >= 2 {
            return Ok(self.whole_header()?.max_timestamp());
        }
        // A frame has at least the 26 bytes of a message's head.
        Ok(LegacyHeader::at_start_of(self.head).map_or(Timestamp::NONE, |header| header.timestamp))
    }

    fn whole_header(&self) -> Result<&'a BatchHeader, Malformed> {
        let short = || Malformed::new(0, Rule::Short { needed: HEADER_LEN as u64, present: self.head.len() as u64 });
        self.header().ok_or_else(short)
    }

    /// All bytes of the batch; `None` if it is larger than the walk holds, and in a walk over heads.
    #[must_use]
    pub const fn bytes(&self) -> Option<&'a [u8]> {
        match self.body {
            Body::Here(bytes) => Some(bytes),
            Body::Passed { .. } | Body::Unread => None,
        }
    }

    /// The batch, to look inside.
    ///
    /// # Errors
    /// [`Rule::SizeTooSmall`] if its size is below its format's minimum, [`Rule::TooLarge`] if it is larger than the walk holds,
    /// [`Rule::Short`] in a walk over heads.
    #[inline]
    pub fn batch(&self) -> Result<Batch<'a>, Malformed> {
        match self.body {
            Body::Here(bytes) => Batch::whole(bytes),
            Body::Passed { most, .. } => {
                Err(Malformed::new(8, Rule::TooLarge { what: "the batch", limit: most as u64 }))
            }
            Body::Unread => Err(self.unread()),
        }
    }

    fn unread(&self) -> Malformed {
        Malformed::new(0, Rule::Short { needed: self.len, present: self.head.len() as u64 })
    }

    /// Whether its size suits its format and its checksum fits.
    ///
    /// # Errors
    /// [`Rule::SizeTooSmall`], [`Rule::Checksum`]; [`Rule::Short`] in a walk over heads.
    #[inline]
    pub fn check_crc(&self) -> Result<(), Malformed> {
        match self.body {
            Body::Here(bytes) => Batch::whole(bytes)?.check_crc(),
            Body::Passed { computed, .. } => {
                let at = if self.magic() >= 2 { 17 } else { LOG_OVERHEAD };
                let stored = self.head.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
                let stored = stored.map_or(0, u32::from_be_bytes);
                if stored == computed { Ok(()) } else { Err(Malformed::new(0, Rule::Checksum { stored, computed })) }
            }
            Body::Unread => Err(self.unread()),
        }
    }
}

/// A walk over the batches of one `.log` file.
#[derive(Debug)]
pub struct Scan {
    pub(super) window: Window,
    /// What the walk steps over when it goes on.
    current: u64,
    /// Batches of more bytes are not held.
    pub(super) most: usize,
    /// The head of a batch that was too large to hold.
    large_head: [u8; HEADER_LEN],
    /// True if only heads are read.
    heads: bool,
}

impl Scan {
    /// A walk over all of `source`.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self::starting_at(source, FilePosition::START)
    }

    /// A walk that begins at `position`, which should be the first byte of a batch.
    #[must_use]
    pub fn starting_at(source: Source, position: FilePosition) -> Self {
        let window = Window::new(source, position.get());
        Self { window, current: 0, most: MAX_BUFFERED_BATCH, large_head: [0; HEADER_LEN], heads: false }
    }

    /// A walk from `position` on that reads as little as it takes to go from head to head: what its frames say of their bodies is
    /// that they were not read.
    #[must_use]
    pub fn heads(source: Source, position: FilePosition) -> Self {
        let window = Window::in_pieces(source, position.get(), HEAD_PIECE);
        Self { window, current: 0, most: MAX_BUFFERED_BATCH, large_head: [0; HEADER_LEN], heads: true }
    }

    /// The same walk, for who looks at heads and checksums and wants less memory: batches of more than `most` bytes are not held.
    #[must_use]
    pub fn holding(self, most: usize) -> Self {
        Self { most: most.min(MAX_BUFFERED_BATCH), ..self }
    }

    /// The file.
    #[must_use]
    pub const fn source(&self) -> &Source {
        self.window.source()
    }

    /// Where the walk is: the first byte of the batch it gave last; after a stop, the first byte that is no batch.
    #[must_use]
    pub const fn position(&self) -> FilePosition {
        FilePosition::new(self.window.position())
    }

    /// Bytes from [`Self::position`] to the end of the file.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.window.left()
    }

    /// The next batch, or why there is none. After a stop it says the same again.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where reading fails; never for what the bytes say.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "what it gives is borrowed from it")]
    pub fn next(&mut self) -> Result<Step<'_>> {
        let step = std::mem::take(&mut self.current);
        self.window.advance(step)?;
        self.window.ensure(HEADER_LEN)?;
        let (offset, len) = match framing(self.window.bytes(), self.window.left()) {
            Framing::Stop(stop) => return Ok(Step::Stop(stop)),
            Framing::Batch { offset, len } => (offset, len),
        };
        let position = self.position();
        if self.heads {
            self.current = len;
            let bytes = self.window.bytes();
            let head = bytes.get(..HEADER_LEN).unwrap_or(bytes);
            return Ok(Step::Batch(Frame { position, len, offset, head, body: Body::Unread }));
        }
        let Some(whole) = usize::try_from(len).ok().filter(|len| *len <= self.most) else {
            return self.pass(position, offset, len);
        };
        self.window.ensure(whole)?;
        // A stream may have ended on the way: then what is left decides anew.
        if let Framing::Stop(stop) = framing(self.window.bytes(), self.window.left()) {
            return Ok(Step::Stop(stop));
        }
        self.current = len;
        let bytes = self.window.bytes();
        let head = bytes.get(..HEADER_LEN).unwrap_or(bytes);
        let body = Body::Here(bytes.get(..whole).unwrap_or(bytes));
        Ok(Step::Batch(Frame { position, len, offset, head, body }))
    }

    /// Lets a batch pass that is too large to hold, and computes its checksum on the way.
    fn pass(&mut self, position: FilePosition, offset: Offset, len: u64) -> Result<Step<'_>> {
        let bytes = self.window.bytes();
        if let (Some(head), Some(to)) = (bytes.get(..HEADER_LEN), self.large_head.get_mut(..)) {
            to.copy_from_slice(head);
        }
        let is_v2 = self.large_head.get(FRAMING_LEN - 1).is_some_and(|magic| magic.cast_signed() >= 2);
        let start = if is_v2 { crate::batch::V2_CRC_FROM } else { crate::batch::LEGACY_CRC_FROM } as u64;
        let (mut castagnoli, mut ieee) = (0, Crc32::default());
        self.window.advance(start)?;
        let mut left = len.saturating_sub(start);
        while left > 0 {
            let piece = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let bytes = self.window.ensure(piece)?;
            let bytes = bytes.get(..piece).unwrap_or(bytes);
            let n = bytes.len() as u64;
            if n == 0 {
                // Only a stream ends where a file would have known better.
                let size = i32::try_from(len.saturating_sub(LOG_OVERHEAD as u64)).unwrap_or(i32::MAX);
                return Ok(Step::Stop(Stop::PastEnd { size, left: len.saturating_sub(left) }));
            }
            if is_v2 {
                castagnoli = crc32c_append(castagnoli, bytes);
            } else {
                ieee.update(bytes);
            }
            self.window.advance(n)?;
            left = left.saturating_sub(n);
        }
        let computed = if is_v2 { castagnoli } else { ieee.finish() };
        Ok(Step::Batch(Frame {
            position,
            len,
            offset,
            head: &self.large_head,
            body: Body::Passed { computed, most: self.most },
        }))
    }

    /// Goes on at `position`, which must not lie behind the window of a stream.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where a stream cannot be read on.
    pub fn seek(&mut self, position: FilePosition) -> Result<()> {
        self.current = 0;
        match position.get().checked_sub(self.window.position()) {
            Some(forward) => self.window.advance(forward),
            None => {
                self.window = self.window.again_at(position.get());
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::batch::testing::{KINDS, Row, batches};
    use crate::batch::{BatchBuilder, Scratch, TimestampType};
    use crate::compress::Codec;
    use crate::fs::{MemoryFile, StreamFile};

    /// Batches of the given value sizes, from offset 0.
    fn log(sizes: &[usize]) -> Vec<u8> {
        let mut out = Vec::new();
        for (i, size) in sizes.iter().enumerate() {
            let mut builder = BatchBuilder::new(Offset::new(i as i64));
            builder.push(Timestamp::new(0), None, Some(&vec![7; *size]), &[]).unwrap();
            builder.finish(&mut out).unwrap();
        }
        out
    }

    fn file(bytes: &[u8]) -> Source {
        Source::new("x.log", Arc::new(MemoryFile::new(bytes))).unwrap()
    }

    fn stream(bytes: &[u8]) -> Source {
        let stream = StreamFile::new(Box::new(std::io::Cursor::new(bytes.to_vec())));
        Source::new("-", Arc::new(stream)).unwrap()
    }

    /// Position, length and soundness of each batch, then where and why the walk stopped.
    fn walked(source: Source) -> (Vec<(u64, u64, bool)>, u64, Stop) {
        let mut scan = Scan::new(source);
        let mut batches = Vec::new();
        loop {
            match scan.next().unwrap() {
                Step::Batch(frame) => batches.push((frame.position().get(), frame.len(), frame.check_crc().is_ok())),
                Step::Stop(stop) => return (batches, scan.position().get(), stop),
            }
        }
    }

    #[test]
    fn a_file_and_a_stream_give_the_same_batches_of_all_sizes() {
        let bytes = log(&[0, 1, 100, 300_000, 5, 1 << 20, 70_000, 2]);
        let (batches, end, stop) = walked(file(&bytes));
        assert_eq!((batches.len(), end, stop), (8, bytes.len() as u64, Stop::End));
        assert!(batches.iter().all(|(.., sound)| *sound));
        assert_eq!(walked(stream(&bytes)), (batches, end, stop));
    }

    // conformance: FRC-010 FLI-005
    #[test]
    fn every_cut_stops_at_the_last_whole_batch_and_says_why() {
        let bytes = log(&[10, 20, 30]);
        let (batches, ..) = walked(file(&bytes));
        for cut in 0..bytes.len() {
            let whole: Vec<_> = batches.iter().copied().filter(|(at, len, _)| at + len <= cut as u64).collect();
            let end = whole.last().map_or(0, |(at, len, _)| at + len);
            let left = cut as u64 - end;
            let (found, position, stop) = walked(file(&bytes[..cut]));
            assert_eq!((&found, position), (&whole, end), "cut at {cut}");
            match left {
                0 => assert_eq!(stop, Stop::End),
                1..=17 => assert_eq!(stop, Stop::Remainder { left }),
                _ => assert!(matches!(stop, Stop::PastEnd { left: l, .. } if l == left), "{stop:?}"),
            }
            assert_eq!(walked(stream(&bytes[..cut])), (found, position, stop), "stream cut at {cut}");
        }
    }

    #[test]
    fn a_walk_over_heads_gives_the_same_frames_without_their_bodies() {
        let bytes = log(&[0, 1, 100, 300_000, 5, 1 << 20, 70_000, 2]);
        for cut in [bytes.len(), bytes.len() - 1, bytes.len() - 60, 61, 17, 0] {
            let (batches, end, stop) = walked(file(&bytes[..cut]));
            let mut scan = Scan::heads(file(&bytes[..cut]), FilePosition::START);
            let mut seen = Vec::new();
            let stopped = loop {
                match scan.next().unwrap() {
                    Step::Batch(frame) => {
                        assert!(frame.bytes().is_none() && frame.batch().is_err() && frame.check_crc().is_err());
                        assert_eq!(frame.last_offset().unwrap(), frame.offset());
                        seen.push((frame.position().get(), frame.len(), true));
                    }
                    Step::Stop(stop) => break stop,
                }
            };
            assert_eq!((seen, scan.position().get(), stopped), (batches, end, stop), "cut at {cut}");
        }
    }

    #[test]
    fn a_batch_too_large_to_hold_passes_with_its_checksum() {
        let mut bytes = log(&[MAX_BUFFERED_BATCH, 3]);
        let (batches, _, stop) = walked(file(&bytes));
        assert_eq!((batches.len(), stop), (2, Stop::End));
        assert!(batches.iter().all(|(.., sound)| *sound));
        assert_eq!(walked(stream(&bytes)).0, batches);
        bytes[1000] ^= 1;
        assert_eq!(walked(file(&bytes)).0.iter().map(|b| b.2).collect::<Vec<_>>(), [false, true]);

        let held = log(&[MAX_BUFFERED_BATCH - 100]);
        let mut scan = Scan::new(file(&held));
        let Step::Batch(frame) = scan.next().unwrap() else { panic!("no batch") };
        assert!(frame.batch().is_ok());
        let mut scan = Scan::new(file(&bytes));
        let Step::Batch(frame) = scan.next().unwrap() else { panic!("no batch") };
        assert!(matches!(frame.batch().unwrap_err().rule, Rule::TooLarge { .. }));
    }

    #[test]
    fn a_walk_that_holds_less_finds_the_same() {
        let mut bytes = log(&[10, 5000, 20, 100_000, 3]);
        let all = walked(file(&bytes));
        let holding = |bytes: &[u8], most: usize| {
            let mut scan = Scan::new(file(bytes)).holding(most);
            let (mut batches, mut held) = (Vec::new(), 0);
            loop {
                match scan.next().unwrap() {
                    Step::Batch(frame) => {
                        batches.push((frame.position().get(), frame.len(), frame.check_crc().is_ok()));
                        held += usize::from(frame.bytes().is_some());
                        assert_eq!(frame.batch().is_ok(), frame.bytes().is_some());
                    }
                    Step::Stop(stop) => return ((batches, scan.position().get(), stop), held),
                }
            }
        };
        let len = all.0[1].1 as usize;
        for (most, held) in [(0, 0), (len - 1, 3), (len, 4), (len + 1, 4), (usize::MAX, 5)] {
            assert_eq!(holding(&bytes, most), (all.clone(), held), "{most}");
        }
        // The search behind damage finds batches that are not held, too.
        bytes[30] ^= 1;
        let mut scan = Scan::new(file(&bytes)).holding(100);
        assert!(matches!(scan.next().unwrap(), Step::Batch(frame) if frame.check_crc().is_err()));
        assert_eq!(scan.resync().unwrap(), crate::segment::Resync::Found(FilePosition::new(all.0[1].0)));
        bytes[all.0[1].0 as usize + 4000] ^= 1;
        scan = Scan::new(file(&bytes)).holding(100);
        assert_eq!(scan.resync().unwrap(), crate::segment::Resync::Found(FilePosition::new(all.0[2].0)));
    }

    #[test]
    fn the_walk_goes_on_where_it_is_told() {
        let bytes = log(&[10, 20, 30]);
        let (batches, ..) = walked(file(&bytes));
        let mut scan = Scan::new(file(&bytes));
        for (at, ..) in batches.iter().rev().chain(&batches) {
            scan.seek(FilePosition::new(*at)).unwrap();
            let Step::Batch(frame) = scan.next().unwrap() else { panic!("no batch") };
            assert_eq!(frame.position().get(), *at);
        }
    }
    // conformance: FLI-006 FLI-007
    #[test]
    fn nothing_comes_from_an_empty_file_wherever_the_walk_begins() {
        for position in [0, i32::MAX as u64] {
            let mut scan = Scan::starting_at(file(b""), FilePosition::new(position));
            assert!(matches!(scan.next().unwrap(), Step::Stop(Stop::End)), "{position}");
        }
    }

    // conformance: FLI-002 FLI-003
    #[test]
    fn batches_of_every_format_and_codec_are_walked_over() {
        let (first, second) = (3_241_324, 238_423_489);
        let rows = |time: i64| -> [Row<'static>; 3] {
            [(time, Some(b"key"), Some(b"value")), (time - 5, None, Some(b"value")), (time - 9, Some(b"key"), None)]
        };
        for ((magic, codec), count) in KINDS.into_iter().flat_map(|kind| [(kind, 1), (kind, 3)]) {
            let rows = [(0, first), (10, second)].map(|(base, time)| (base, rows(time)[..count].to_vec()));
            let bytes: Vec<u8> = rows.iter().flat_map(|(base, rows)| batches((magic, codec), *base, rows)).collect();
            let (mut ends, mut records) = (Vec::new(), Vec::new());
            let mut scan = Scan::new(file(&bytes));
            while let Step::Batch(frame) = scan.next().unwrap() {
                frame.check_crc().unwrap();
                let batch = frame.batch().unwrap();
                let end = (batch.last_offset(), batch.max_timestamp());
                assert_eq!((frame.last_offset().unwrap(), frame.max_timestamp().unwrap()), end);
                let clock = if magic == 0 { TimestampType::None } else { TimestampType::CreateTime };
                assert_eq!((batch.timestamp_type(), batch.producer().is_some()), (clock, magic == 2));
                ends.push((end.0.get(), end.1.get()));
                for record in batch.records(&mut Scratch::default()).unwrap().map(Result::unwrap) {
                    records.push((
                        record.offset.get(),
                        record.key.map(<[u8]>::to_vec),
                        record.value.map(<[u8]>::to_vec),
                    ));
                }
            }
            assert_eq!(scan.left(), 0);
            let is_alone = magic < 2 && codec == Codec::None;
            let (mut wanted_ends, mut wanted) = (Vec::new(), Vec::new());
            for (base, rows) in &rows {
                let times = rows.iter().map(|row| if magic == 0 { -1 } else { row.0 });
                let each = (*base..).zip(times);
                let last = (*base + count as i64 - 1, if magic == 0 { -1 } else { rows[0].0 });
                wanted_ends.extend(if is_alone { each.collect() } else { vec![last] });
                let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
                wanted.extend((*base..).zip(rows).map(|(offset, row)| (offset, owned(row.1), owned(row.2))));
            }
            assert_eq!((ends, records), (wanted_ends, wanted), "format {magic}, {codec}");
        }
    }
}
