//! Faults in batches: their checksums, the fields of their heads, their order.

use super::fields::{
    ATTRIBUTES, BASE_OFFSET, BASE_SEQUENCE, BATCH_LENGTH, CRC, LAST_OFFSET_DELTA, LEADER_EPOCH, MAGIC, MAX_TIMESTAMP,
    PRODUCER_EPOCH, PRODUCER_ID, Place, RECORDS_COUNT, read_number, write_number,
};
use super::kind::{Kind, Planned};
use super::pick::{Found, Picked, Where};
use super::site::Site;
use crate::batch::{BatchHeader, HEADER_LEN};

/// 2100-01-01, in milliseconds.
pub(super) const FAR_FUTURE: i64 = 4_102_444_800_000;
/// The attribute bits of the codec.
const CODEC: i64 = 7;
const TRANSACTIONAL: i64 = 0x10;
const CONTROL: i64 = 0x20;

pub(super) const KINDS: &[Kind] = &[
    Kind::new("crc-value-first", "a bit of a record flips in the first batch", |s| flip_value(s, Where::First)),
    Kind::new("crc-value-first-of-segment", "a bit of a record flips in the first batch of a later segment", |s| {
        flip_value(s, Where::FirstOfSegment)
    }),
    Kind::new("crc-value-middle", "a bit of a record flips in the middle", |s| flip_value(s, Where::Middle)),
    Kind::new("crc-value-last", "a bit of a record flips in the last batch", |s| flip_value(s, Where::Last)),
    Kind::new("crc-value-below-recovery-point", "a bit of a record flips where no recovery looks", |s| {
        flip_value(s, Where::BelowRecoveryPoint)
    }),
    Kind::new("crc-stored", "a bit of a stored checksum flips", flip_checksum),
    Kind::new("crc-two-damages", "a bit flips in each of two batches", flip_two),
    // What no checksum covers.
    Kind::new("base-offset-up", "a base offset jumps ahead by 2^20", |s| {
        set(s, Where::Middle, BASE_OFFSET, |old, _| old ^ 1 << 20)
    }),
    Kind::new("base-offset-up-last", "the last batch's base offset goes up by 1000", |s| {
        set(s, Where::Last, BASE_OFFSET, |old, _| old.wrapping_add(1000))
    }),
    Kind::new("base-offset-beyond-i32", "a base offset jumps ahead by 2^40: too far for an index", |s| {
        set(s, Where::Middle, BASE_OFFSET, |old, _| old ^ 1 << 40)
    }),
    Kind::new("base-offset-beyond-i32-last", "the last batch's base offset jumps ahead by 2^40", |s| {
        set(s, Where::Last, BASE_OFFSET, |old, _| old ^ 1 << 40)
    }),
    Kind::new("base-offset-down", "a base offset goes back by up to 9", |s| {
        set(s, Where::Middle, BASE_OFFSET, |old, batch| old.saturating_sub(9).max(batch.base.get()))
    }),
    Kind::new("base-offset-below-segment", "a base offset lies below its segment's", |s| {
        set(s, Where::Middle, BASE_OFFSET, |_, batch| batch.base.get().saturating_sub(3))
    }),
    Kind::new("base-offset-negative", "a base offset is negative", |s| {
        set(s, Where::Middle, BASE_OFFSET, |old, _| old.wrapping_neg())
    }),
    Kind::new("batch-length-10", "a batch says that it is 10 bytes long", |s| {
        set(s, Where::Middle, BATCH_LENGTH, |_, _| 10)
    }),
    Kind::new("batch-length-30", "a batch says that it is 30 bytes long", |s| {
        set(s, Where::Middle, BATCH_LENGTH, |_, _| 30)
    }),
    Kind::new("batch-length-minus-5", "a batch says that it is 5 bytes shorter", |s| {
        set(s, Where::Middle, BATCH_LENGTH, |old, _| old.wrapping_sub(5))
    }),
    Kind::new("batch-length-plus-40", "a batch says that it is 40 bytes longer", |s| {
        set(s, Where::Middle, BATCH_LENGTH, |old, _| old.wrapping_add(40))
    }),
    Kind::new("batch-length-huge", "a batch says that it is 512 MiB longer", |s| {
        set(s, Where::Middle, BATCH_LENGTH, |old, _| old ^ 1 << 29)
    }),
    Kind::new("batch-length-huge-last", "the last batch says that it is 512 MiB longer", |s| {
        set(s, Where::Last, BATCH_LENGTH, |old, _| old ^ 1 << 29)
    }),
    Kind::new("batch-length-negative", "a batch's length is negative", |s| {
        set(s, Where::Middle, BATCH_LENGTH, |old, _| old | i64::from(i32::MIN))
    }),
    Kind::new("magic-0", "a batch says that it is of format 0", |s| set(s, Where::Middle, MAGIC, |_, _| 0)),
    Kind::new("magic-1", "a batch says that it is of format 1", |s| set(s, Where::Middle, MAGIC, |_, _| 1)),
    Kind::new("magic-3", "a batch says that it is of format 3", |s| set(s, Where::Middle, MAGIC, |_, _| 3)),
    Kind::new("magic-minus-126", "the sign of a batch's format flips", |s| set(s, Where::Middle, MAGIC, |_, _| -126)),
    Kind::new("leader-epoch-up", "a batch's leader epoch goes up by 7", |s| {
        set(s, Where::Middle, LEADER_EPOCH, |old, _| old.wrapping_add(7))
    }),
    Kind::new("leader-epoch-up-last", "the last batch's leader epoch goes up by 1000", |s| {
        set(s, Where::Last, LEADER_EPOCH, |old, _| old.wrapping_add(1000))
    }),
    Kind::new("leader-epoch-down", "a batch's leader epoch is 0", |s| set(s, Where::Middle, LEADER_EPOCH, |_, _| 0)),
    Kind::new("leader-epoch-negative", "a batch's leader epoch is -1", |s| {
        set(s, Where::Middle, LEADER_EPOCH, |_, _| -1)
    }),
    // What the checksum covers: as a disk flips it, and as a broken program writes it.
    Kind::new("attributes-codec-7", "a batch names codec 7", |s| put(s, ATTRIBUTES, is_data, codec_7)),
    Kind::new("attributes-codec-7-sealed", "a batch names codec 7, under a checksum that fits", |s| {
        put_sealed(s, ATTRIBUTES, is_data, codec_7)
    }),
    Kind::new("attributes-codec-gzip", "a batch names gzip and is not", |s| put(s, ATTRIBUTES, is_data, codec_other)),
    Kind::new("attributes-codec-gzip-sealed", "a batch names gzip and is not, under a checksum that fits", |s| {
        put_sealed(s, ATTRIBUTES, is_data, codec_other)
    }),
    Kind::new("last-offset-delta-plus-5", "a batch reaches 5 offsets further", |s| {
        put(s, LAST_OFFSET_DELTA, is_data, |old| old.wrapping_add(5))
    }),
    Kind::new(
        "last-offset-delta-plus-5-sealed",
        "a batch reaches 5 offsets further, under a checksum that fits",
        |s| put_sealed(s, LAST_OFFSET_DELTA, is_data, |old| old.wrapping_add(5)),
    ),
    Kind::new("last-offset-delta-plus-5-sealed-last", "the last batch reaches 5 offsets further, sealed", |s| {
        edit(s, Where::Last, LAST_OFFSET_DELTA, true, has_header, |old, _| old.wrapping_add(5))
    }),
    Kind::new("last-offset-delta-minus-1", "a batch ends an offset early", |s| {
        put(s, LAST_OFFSET_DELTA, is_data, |old| old.wrapping_sub(1))
    }),
    Kind::new("last-offset-delta-minus-1-sealed", "a batch ends an offset early, under a checksum that fits", |s| {
        put_sealed(s, LAST_OFFSET_DELTA, is_data, |old| old.wrapping_sub(1))
    }),
    Kind::new("max-timestamp-future", "a batch's largest timestamp is in 2100", |s| {
        put(s, MAX_TIMESTAMP, is_data, |_| FAR_FUTURE)
    }),
    Kind::new(
        "max-timestamp-future-sealed",
        "a batch's largest timestamp is in 2100, under a checksum that fits",
        |s| put_sealed(s, MAX_TIMESTAMP, is_data, |_| FAR_FUTURE),
    ),
    Kind::new("record-count-plus-1", "a batch counts a record too many", |s| {
        put(s, RECORDS_COUNT, is_data, |old| old.wrapping_add(1))
    }),
    Kind::new("record-count-plus-1-sealed", "a batch counts a record too many, under a checksum that fits", |s| {
        put_sealed(s, RECORDS_COUNT, is_data, |old| old.wrapping_add(1))
    }),
    Kind::new("record-count-0", "a batch counts no records", |s| put(s, RECORDS_COUNT, is_data, |_| 0)),
    Kind::new("record-count-0-sealed", "a batch counts no records, under a checksum that fits", |s| {
        put_sealed(s, RECORDS_COUNT, is_data, |_| 0)
    }),
    Kind::new("record-count-negative", "a batch counts -2 records", |s| put(s, RECORDS_COUNT, is_data, |_| -2)),
    Kind::new("record-count-negative-sealed", "a batch counts -2 records, under a checksum that fits", |s| {
        put_sealed(s, RECORDS_COUNT, is_data, |_| -2)
    }),
    Kind::new("records-garbage-sealed", "bytes of records are others, under a checksum that fits", garbage_sealed),
    Kind::new("producer-id-sealed", "a batch is of another producer, under a checksum that fits", |s| {
        put_sealed(s, PRODUCER_ID, has_producer, |old| old.wrapping_add(7000))
    }),
    Kind::new("producer-epoch-down-sealed", "a producer's epoch is 0 again, under a checksum that fits", |s| {
        put_sealed(s, PRODUCER_EPOCH, has_later_epoch, |_| 0)
    }),
    Kind::new("sequence", "a producer's sequence jumps by 50", |s| {
        put(s, BASE_SEQUENCE, has_producer, |old| old.wrapping_add(50))
    }),
    Kind::new("sequence-sealed", "a producer's sequence jumps by 50, under a checksum that fits", |s| {
        put_sealed(s, BASE_SEQUENCE, has_producer, |old| old.wrapping_add(50))
    }),
    Kind::new("transactional-bit-off-sealed", "a transaction's batch is not part of it, sealed", |s| {
        put_sealed(s, ATTRIBUTES, is_transactional, |old| old & !TRANSACTIONAL)
    }),
    Kind::new("control-bit-off-sealed", "a transaction's marker is data, under a checksum that fits", |s| {
        put_sealed(s, ATTRIBUTES, is_control, |old| old & !CONTROL)
    }),
    // Order.
    Kind::new("batch-duplicated", "a batch is there twice", duplicate),
    Kind::new("batch-removed", "a batch is not there", |s| whole(s, Where::Middle, |_| true)),
    Kind::new("marker-removed", "a transaction's marker is not there", |s| whole(s, Where::Middle, is_control)),
    Kind::new("batches-swapped", "two neighbours have changed places", swap),
];

fn has_header(batch: &Found) -> bool {
    batch.header().is_some()
}

fn holds(batch: &Found, test: impl Fn(&BatchHeader) -> bool) -> bool {
    batch.header().is_some_and(test)
}

/// Data of several records.
fn is_data(batch: &Found) -> bool {
    holds(batch, |header| !header.attributes().is_control() && header.last_offset_delta() >= 1)
}

fn has_producer(batch: &Found) -> bool {
    holds(batch, |header| !header.attributes().is_control() && header.has_producer())
}

fn has_later_epoch(batch: &Found) -> bool {
    has_producer(batch) && holds(batch, |header| header.producer_epoch().get() > 0)
}

fn is_transactional(batch: &Found) -> bool {
    has_producer(batch) && holds(batch, |header| header.attributes().is_transactional())
}

fn is_control(batch: &Found) -> bool {
    holds(batch, |header| header.attributes().is_control())
}

const fn codec_7(old: i64) -> i64 {
    old | CODEC
}

/// Gzip, or zstd where it is gzip.
const fn codec_other(old: i64) -> i64 {
    (old & !CODEC) | if old & CODEC == 1 { 4 } else { 1 }
}

/// A bit of the last half of what stands behind the head.
fn flip_value(site: &mut Site<'_>, place: Where) -> Planned {
    let Some(batch) = site.pick(place, |_| true)? else { return Ok(None) };
    let len = batch.bytes.len();
    let head = if len > HEADER_LEN { HEADER_LEN } else { 0 };
    let half = (len - head) / 2;
    let at = head + half + site.random.below(len - head - half);
    let bit = u8::try_from(site.random.below(8)).unwrap_or(0);
    Ok(batch.flipped(at, bit).map(|change| vec![change]))
}

fn flip_checksum(site: &mut Site<'_>) -> Planned {
    let Some(batch) = site.pick(Where::Middle, has_header)? else { return Ok(None) };
    let (at, bit) = (CRC.0 + site.random.below(CRC.1), u8::try_from(site.random.below(8)).unwrap_or(0));
    Ok(batch.flipped(at, bit).map(|change| vec![change]))
}

/// The checksum covers the byte that is flipped, in both formats.
fn flip_two(site: &mut Site<'_>) -> Planned {
    let Some(one) = site.pick(Where::Middle, |_| true)? else { return Ok(None) };
    let other = site.pick(Where::Middle, |batch| batch.position != one.position)?;
    let flipped = [Some(one), other].into_iter().flatten().map(|batch| batch.flipped(batch.bytes.len() - 1, 4));
    let changes: Vec<_> = flipped.flatten().collect();
    Ok((changes.len() == 2).then_some(changes))
}

/// A field of a batch at `place` has another value, and the checksum is what it was.
fn set(site: &mut Site<'_>, place: Where, field: Place, to: fn(i64, &Picked) -> i64) -> Planned {
    edit(site, place, field, false, has_header, to)
}

/// As [`set`], in the middle, for batches that fit.
fn put(site: &mut Site<'_>, field: Place, fits: fn(&Found) -> bool, to: fn(i64) -> i64) -> Planned {
    edit(site, Where::Middle, field, false, fits, |old, _| to(old))
}

/// As [`put`], with the checksum that then fits.
fn put_sealed(site: &mut Site<'_>, field: Place, fits: fn(&Found) -> bool, to: fn(i64) -> i64) -> Planned {
    edit(site, Where::Middle, field, true, fits, |old, _| to(old))
}

fn edit(
    site: &mut Site<'_>,
    place: Where,
    field: Place,
    is_sealed: bool,
    fits: fn(&Found) -> bool,
    to: impl Fn(i64, &Picked) -> i64,
) -> Planned {
    let Some(batch) = site.pick(place, fits)? else { return Ok(None) };
    let mut new = batch.bytes.clone();
    let old = read_number(&new, field);
    write_number(&mut new, field, to(old, &batch));
    Ok(if is_sealed { Some(batch.becomes_sealed(new)) } else { batch.becomes(&new).map(|change| vec![change]) })
}

fn garbage_sealed(site: &mut Site<'_>) -> Planned {
    let Some(batch) = site.pick(Where::Middle, |batch| has_header(batch) && batch.len > HEADER_LEN as u64)? else {
        return Ok(None);
    };
    let mut new = batch.bytes.clone();
    let room = new.len() - HEADER_LEN;
    let at = HEADER_LEN + site.random.below(room);
    let len = 1 + site.random.below(8);
    for to in new.iter_mut().skip(at).take(len) {
        *to = site.byte();
    }
    Ok(Some(batch.becomes_sealed(new)))
}

fn duplicate(site: &mut Site<'_>) -> Planned {
    let Some(batch) = site.pick(Where::Middle, |_| true)? else { return Ok(None) };
    Ok(batch.becomes(&[&batch.bytes[..], &batch.bytes].concat()).map(|change| vec![change]))
}

/// A batch is taken out.
fn whole(site: &mut Site<'_>, place: Where, fits: fn(&Found) -> bool) -> Planned {
    let Some(batch) = site.pick(place, fits)? else { return Ok(None) };
    Ok(batch.becomes(&[]).map(|change| vec![change]))
}

fn swap(site: &mut Site<'_>) -> Planned {
    let Some(batch) = site.pick(Where::Middle, |_| true)? else { return Ok(None) };
    let found = site.batches(batch.base)?;
    let Some(n) = found.iter().position(|found| found.position == batch.end()) else { return Ok(None) };
    let Some(next) = site.picked(batch.base, &found, n)? else { return Ok(None) };
    let two = Picked { bytes: [&batch.bytes[..], &next.bytes].concat(), ..batch.clone() };
    Ok(two.becomes(&[next.bytes, batch.bytes].concat()).map(|change| vec![change]))
}
