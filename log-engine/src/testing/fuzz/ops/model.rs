//! What a log must hold, as a list of batches.

use crate::units::Offset;

/// A batch that was appended and not cut off again.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) leader_epoch: i32,
    pub(super) timestamp: i64,
    /// One a record; of a marker none are looked at.
    pub(super) values: Vec<Vec<u8>>,
    pub(super) sender: Option<Sent>,
    /// Whether it ends the sender's transaction, and commits it.
    pub(super) marker: Option<bool>,
}

/// Whose a batch is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) id: i64,
    pub(super) sequence: i32,
    pub(super) is_transactional: bool,
}

/// The log without a disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) high_watermark: i64,
    /// Below this everything survives a crash.
    pub(super) durable: i64,
    pub(super) leader_epoch: i32,
    /// Those before the start too, as far as producers are known by them.
    pub(super) written: Vec<Written>,
    /// The log's memory of producers may be shorter than the model's since the log was cut, opened anew or lost its front.
    pub(super) is_forgetful: bool,
}

impl Model {
    /// What readers find, in order.
    pub(super) fn live(&self) -> impl Iterator<Item = &Written> {
        self.written.iter().filter(|written| written.last >= self.start)
    }

    pub(super) fn push(&mut self, written: Written) {
        self.end = written.last + 1;
        self.written.push(written);
    }

    /// The log ends before `end`, where a batch begins.
    pub(super) fn cut(&mut self, end: i64) {
        self.written.retain(|written| written.last < end);
        self.end = end;
        self.start = self.start.min(end);
        self.high_watermark = self.high_watermark.min(end);
        self.durable = self.durable.min(end);
        self.is_forgetful = true;
    }

    pub(super) fn restart_at(&mut self, offset: i64) {
        self.written.clear();
        self.is_forgetful = true;
        (self.start, self.end, self.high_watermark, self.durable) = (offset, offset, offset, offset);
    }

    /// The sequence that the producer's next batch begins with.
    pub(super) fn next_sequence(&self, id: i64) -> i32 {
        let last = self.last_of(id);
        last.map_or(0, |(written, sent)| sent.sequence + i32::try_from(written.values.len()).expect("a few"))
    }

    /// The producer's last batch of records.
    pub(super) fn last_of(&self, id: i64) -> Option<(&Written, Sent)> {
        let mut of_producer = self.written.iter().rev().filter_map(|written| Some((written, written.sender?)));
        of_producer.find(|(written, sent)| sent.id == id && written.marker.is_none())
    }

    /// The first offset of the producer's open transaction.
    pub(super) fn open_transaction(&self, id: i64) -> Option<i64> {
        let mut open = None;
        for written in &self.written {
            match written.sender.filter(|sent| sent.id == id && sent.is_transactional) {
                Some(_) if written.marker.is_some() => open = None,
                Some(_) => open = open.or(Some(written.first)),
                None => {}
            }
        }
        open
    }

    /// Where the first transaction begins that is open, or ended at or behind the high watermark: the most and the least that the
    /// last stable offset can be. They differ where the high watermark has gone down past a marker that it had passed.
    pub(super) fn stable_bounds(&self) -> (i64, i64) {
        let (mut least, mut most) = (self.high_watermark, self.high_watermark);
        for written in self.written.iter().filter(|written| written.marker.is_none()) {
            let Some(sent) = written.sender.filter(|sent| sent.is_transactional) else { continue };
            match self.fate(written, sent) {
                None => (least, most) = (least.min(written.first), most.min(written.first)),
                Some((marker, _)) if marker >= self.high_watermark => least = least.min(written.first),
                Some(_) => {}
            }
        }
        // A batch that holds the start counts from where it begins.
        let floor = self.live().next().map_or(self.start, |written| written.first.min(self.start));
        (least.max(floor.min(self.high_watermark)), most.max(self.start))
    }

    /// Offset of the marker that ended the transaction of a batch, and whether it committed it.
    pub(super) fn fate(&self, of: &Written, sent: Sent) -> Option<(i64, bool)> {
        let mut behind = self.written.iter().filter(|written| written.first > of.first);
        let end = behind.find(|written| written.marker.is_some() && written.sender.is_some_and(|by| by.id == sent.id));
        end.and_then(|end| Some((end.first, end.marker?)))
    }

    /// Whether a reader of committed records is given the batch, if it lies before the last stable offset.
    pub(super) fn is_committed(&self, written: &Written) -> bool {
        match written.sender.filter(|sent| sent.is_transactional) {
            Some(sent) => self.fate(written, sent).is_some_and(|(_, commits)| commits),
            None => true,
        }
    }

    /// Offset of the first record from the start on that is as young as `timestamp`. `None` if one before the start is as young, too:
    /// its segment may be asked, and no other, as in Kafka.
    pub(super) fn first_at(&self, timestamp: i64) -> Option<i64> {
        let first = self.written.iter().find(|written| written.timestamp >= timestamp)?;
        (first.last >= self.start).then_some(first.first.max(self.start))
    }

    /// Where a cut leaves whole batches, from the start on.
    pub(super) fn boundaries(&self) -> Vec<i64> {
        let firsts = self.written.iter().map(|written| written.first).filter(|first| *first >= self.start);
        firsts.chain([self.end]).collect()
    }

    pub(super) const fn end_offset(&self) -> Offset {
        Offset::new(self.end)
    }
}
