//! Messages of formats 0 and 1. Kafka's tool reads their fields one by one as it prints them, so of a damaged one it shows what
//! stands before the damage. Whole ones come from the engine; only those of a damaged batch are looked at here.

use log_engine::batch::{Attributes, LOG_OVERHEAD, MIN_SIZE, TimestampType};
use log_engine::{Batch, Codec, Scratch};

use super::records::{Shown, codec};
use super::thrown::{Ended, Thrown};

/// Where a message's fields stand behind its offset and size.
const MAGIC_AT: usize = 4;
const ATTRIBUTES_AT: usize = 5;

/// A message field by field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) offset: i64,
    /// All of it, offset and size included.
    whole: &'a [u8],
    /// From the checksum on.
    bytes: &'a [u8],
    /// The wrapper's, where it is the broker's.
    append_time: Option<i64>,
}

/// Gives the messages of the batch that `bytes` are.
pub(super) fn for_each(
    bytes: &[u8],
    scratch: &mut Scratch,
    each: &mut impl FnMut(&Shown<'_>) -> Result<(), Ended>,
) -> Result<(), Ended> {
    let batch = Batch::parse(bytes).map_err(|_| Thrown::out_of_bounds())?;
    if batch.check_crc().is_ok()
        && let Ok(records) = batch.records(scratch)
        && records.clone().all(|record| record.is_ok())
    {
        return records.flatten().try_for_each(|record| each(&Shown::Record(&record)));
    }
    let outer = Message::new(batch.base_offset().get(), bytes);
    match codec(batch.attributes())? {
        Codec::None => each(&Shown::Message(&outer)),
        codec => for_each_inner(&outer, &batch, codec, scratch, each),
    }
}

/// Kafka: `AbstractLegacyRecordBatch.DeepRecordsIterator`.
fn for_each_inner(
    outer: &Message<'_>,
    batch: &Batch<'_>,
    codec: Codec,
    scratch: &mut Scratch,
    each: &mut impl FnMut(&Shown<'_>) -> Result<(), Ended>,
) -> Result<(), Ended> {
    let magic = outer.magic()?;
    if magic != 0 && magic != 1 {
        let message = format!("Invalid wrapper magic found in legacy deep record iterator {magic}");
        return Err(Thrown::invalid_record(message).into());
    }
    if codec == Codec::Zstd {
        let message = format!("Invalid wrapper compressionType found in legacy deep record iterator {magic}");
        return Err(Thrown::invalid_record(message).into());
    }
    if outer.value()?.is_none() {
        let message = format!("Found invalid compressed record set with null value (magic = {magic})");
        return Err(Thrown::invalid_record(message).into());
    }
    let content =
        batch.payload(scratch).map_err(|_| Thrown::kafka("java.io.IOException: the content does not decode"))?;
    let by_broker = magic == 1 && batch.timestamp_type() == TimestampType::LogAppendTime;
    let append_time = by_broker.then(|| batch.max_timestamp().get());
    let messages = inner(content)?;
    let last = messages.last().map(|message| message.offset);
    let last =
        last.ok_or_else(|| Thrown::invalid_record("Found invalid compressed record set with no inner records"))?;
    let mut base = 0;
    if magic == 1 && outer.offset != 0 {
        if outer.offset < last {
            return Err(Thrown::invalid_record(format!(
                "Found invalid wrapper offset in compressed v1 message set, wrapper offset '{}' is less than the last inner \
                 message offset '{last}' and it is not zero.",
                outer.offset
            ))
            .into());
        }
        base = outer.offset.wrapping_sub(last);
    }
    for mut message in messages {
        message.offset = message.offset.wrapping_add(base);
        message.append_time = append_time;
        message.check_plain()?;
        each(&Shown::Message(&message))?;
    }
    Ok(())
}

/// The messages in `content`; a last one that is cut short is none. Kafka: `DataLogInputStream.nextBatch`.
fn inner(mut content: &[u8]) -> Result<Vec<Message<'_>>, Thrown> {
    let mut messages = Vec::new();
    while let Some(head) = content.first_chunk::<LOG_OVERHEAD>() {
        let offset = head.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes));
        let size = head.last_chunk().map_or(0, |bytes| i32::from_be_bytes(*bytes));
        if size < MIN_SIZE {
            let message = format!("Record size is less than the minimum record overhead ({MIN_SIZE})");
            return Err(Thrown::corrupt_record(message));
        }
        let len = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(LOG_OVERHEAD);
        let Some((whole, behind)) = content.split_at_checked(len) else {
            break;
        };
        messages.push(Message::new(offset, whole));
        content = behind;
    }
    Ok(messages)
}

impl<'a> Message<'a> {
    fn new(offset: i64, whole: &'a [u8]) -> Self {
        Self { offset, whole, bytes: whole.get(LOG_OVERHEAD..).unwrap_or_default(), append_time: None }
    }

    fn byte(&self, at: usize) -> Result<u8, Thrown> {
        self.bytes.get(at).copied().ok_or(Thrown::out_of_bounds())
    }

    fn int(&self, at: i32) -> Result<i32, Thrown> {
        let at = usize::try_from(at).ok();
        let bytes = at.and_then(|at| self.bytes.get(at..)).and_then(|rest| rest.first_chunk());
        bytes.map(|bytes| i32::from_be_bytes(*bytes)).ok_or(Thrown::out_of_bounds())
    }

    fn magic(&self) -> Result<i8, Thrown> {
        self.byte(MAGIC_AT).map(u8::cast_signed)
    }

    /// Where the key's length stands.
    fn key_at(&self) -> Result<i32, Thrown> {
        Ok(if self.magic()? == 0 { 6 } else { 14 })
    }

    fn value_at(&self) -> Result<i32, Thrown> {
        Ok(self.key_at()?.wrapping_add(4).wrapping_add(self.key_size()?.max(0)))
    }

    pub(super) fn key_size(&self) -> Result<i32, Thrown> {
        self.int(self.key_at()?)
    }

    pub(super) fn value_size(&self) -> Result<i32, Thrown> {
        self.int(self.value_at()?)
    }

    pub(super) fn key(&self) -> Result<Option<&'a [u8]>, Thrown> {
        self.sized(self.key_at()?)
    }

    pub(super) fn value(&self) -> Result<Option<&'a [u8]>, Thrown> {
        self.sized(self.value_at()?)
    }

    /// Kafka: `Utils.sizeDelimited`.
    fn sized(&self, at: i32) -> Result<Option<&'a [u8]>, Thrown> {
        let Ok(len) = usize::try_from(self.int(at)?) else {
            return Ok(None);
        };
        let start = usize::try_from(at).unwrap_or(usize::MAX).saturating_add(4);
        let rest = self.bytes.get(start..).unwrap_or_default();
        let too_long = || Thrown::illegal_argument(format!("newLimit > capacity: ({len} > {})", rest.len()));
        rest.get(..len).ok_or_else(too_long).map(Some)
    }

    pub(super) fn timestamp(&self) -> Result<i64, Thrown> {
        let magic = self.magic()?;
        if magic == 0 {
            return Ok(-1);
        }
        if let Some(time) = self.append_time.filter(|_| magic == 1) {
            return Ok(time);
        }
        let bytes = self.bytes.get(6..).and_then(|rest| rest.first_chunk());
        bytes.map(|bytes| i64::from_be_bytes(*bytes)).ok_or(Thrown::out_of_bounds())
    }

    /// The stored checksum, and whether it fits.
    pub(super) fn checksum(&self) -> (u32, bool) {
        match Batch::parse(self.whole) {
            Ok(message) if message.header().is_none() => (message.stored_crc(), message.check_crc().is_ok()),
            _ => (self.bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes)), false),
        }
    }

    fn check_plain(&self) -> Result<(), Thrown> {
        let bits = self.byte(ATTRIBUTES_AT)?;
        match codec(Attributes::new(bits))? {
            Codec::None => Ok(()),
            _ => Err(Thrown::invalid_record("Inner messages must not be compressed")),
        }
    }
}
