//! The indexes of a segment, as far as they are in order in themselves.

use std::io::ErrorKind;

use super::locate::Doubts;
use super::segment::SegmentReader;
use crate::error::{Corrupt, Error, Result, Rule};
use crate::fs::Source;
use crate::segment::{Index, IndexEntry, OffsetIndex, SegmentFile, TimeEntry, TimeIndex};
use crate::units::{FilePosition, Offset};

impl SegmentReader<'_> {
    /// The time index, if it is in order.
    pub(super) fn time_index(&self, doubts: &mut Doubts) -> Result<Option<TimeIndex>> {
        let Some(index) = self.index::<TimeEntry>(SegmentFile::TimeIndex, doubts)? else {
            return Ok(None);
        };
        if let Err(doubt) = self.check_times(&index) {
            doubts.add(doubt);
            return Ok(None);
        }
        Ok(Some(index))
    }

    /// An index without the zeros behind its entries; `None` if it is missing, or larger than any index.
    pub(super) fn index<E: IndexEntry>(&self, file: SegmentFile, doubts: &mut Doubts) -> Result<Option<Index<E>>> {
        let path = self.folder.file(self.base, file);
        let read = Source::open(self.fs, &path).and_then(|source| Index::<E>::read(&source, self.base));
        let index = match read {
            Ok(index) => index,
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                let rule = Rule::Missing { what: "the file" };
                doubts.add(Corrupt { file: path, position: FilePosition::START, rule });
                return Ok(None);
            }
            Err(Error::Corrupt(corrupt)) => {
                doubts.add(*corrupt);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let used = index.used_len();
        if index.odd_bytes() > 0 {
            let rule = Rule::Trailing { what: "the last entry", left: index.odd_bytes() as u64 };
            doubts.add(self.doubt(&index, index.len(), 0, rule));
        }
        if used < index.len() && !self.is_last() {
            let left = (index.len() - used).saturating_mul(E::LEN) as u64;
            doubts.add(self.doubt(&index, used, 0, Rule::Trailing { what: "the last entry", left }));
        }
        let mut bytes = index.bytes().to_vec();
        bytes.truncate(used.saturating_mul(E::LEN));
        Ok(Some(Index::new(path, self.base, bytes)))
    }

    /// Offsets and positions rise and lie inside the segment and its file.
    pub(super) fn check_positions(&self, index: &OffsetIndex, log_len: u64) -> Result<(), Corrupt> {
        let mut least = (self.base, 0);
        for (slot, entry) in index.iter().enumerate() {
            let at = |field, rule| self.doubt(index, slot, field, rule);
            let (found, position) = (entry.offset(self.base), i64::from(entry.position));
            self.check_offset(found, least.0).map_err(|rule| at(0, rule))?;
            if position < least.1 {
                return Err(at(4, Rule::Below { what: "the position", found: position, least: least.1 }));
            }
            if u64::try_from(position).is_ok_and(|position| position >= log_len) {
                return Err(at(4, Rule::NoBatch { position: position.unsigned_abs() }));
            }
            least = (found.next(), position.saturating_add(1));
        }
        Ok(())
    }

    /// Times rise, offsets do not fall and lie inside the segment.
    fn check_times(&self, index: &TimeIndex) -> Result<(), Corrupt> {
        let mut least = (i64::MIN, self.base);
        for (slot, entry) in index.iter().enumerate() {
            let at = |field, rule| self.doubt(index, slot, field, rule);
            let (time, offset) = (entry.timestamp.get(), entry.offset(self.base));
            if time < least.0 {
                return Err(at(0, Rule::Below { what: "the timestamp", found: time, least: least.0 }));
            }
            self.check_offset(offset, least.1).map_err(|rule| at(8, rule))?;
            least = (time.saturating_add(1), offset);
        }
        Ok(())
    }

    fn check_offset(&self, offset: Offset, least: Offset) -> Result<(), Rule> {
        if offset < least {
            return Err(Rule::Below { what: "the offset", found: offset.get(), least: least.get() });
        }
        if self.next_base.is_some_and(|next| offset >= next) {
            return Err(Rule::NoOffset { offset: offset.get() });
        }
        Ok(())
    }

    /// A rule that slot `slot` breaks, `field` bytes into it.
    pub(super) fn doubt<E: IndexEntry>(&self, index: &Index<E>, slot: usize, field: u64, rule: Rule) -> Corrupt {
        Corrupt { file: index.path().to_owned(), position: index.position_of(slot).plus(field), rule }
    }
}
