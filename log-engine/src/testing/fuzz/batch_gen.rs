//! Any records as a batch, and back.

use arbitrary::{Arbitrary, Unstructured};

use super::batch::decoded;
use crate::batch::{Batch, BatchBuilder, HEADER_LEN, Header, Record, Scratch, TimestampType};
use crate::compress::Codec;
use crate::encoding::{varint_len, varlong_len};
use crate::units::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// What the bytes are taken for.
#[derive(Arbitrary, Debug)]
struct Wanted {
    base_offset: u32,
    leader_epoch: i32,
    codec: u8,
    append_time: Option<u32>,
    delete_horizon: Option<u32>,
    producer: Option<(u32, u8, u16)>,
    is_transactional: bool,
    records: Vec<WantedRecord>,
}

#[derive(Arbitrary, Debug)]
struct WantedRecord {
    /// Offsets left out before it, as compaction does.
    gap: u8,
    timestamp: u64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl WantedRecord {
    fn headers(&self) -> Vec<Header<'_>> {
        self.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect()
    }
}

/// Builds a batch of the records that the bytes describe, and decodes it.
///
/// # Panics
/// If what was built is not what comes back, the checksum does not fit, or the size is not the predicted one.
pub fn batch_gen(data: &[u8]) {
    let Ok(wanted) = Wanted::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let Some(bytes) = built(&wanted) else { return };
    let batch = Batch::parse(&bytes).expect("a batch of our own");
    batch.check_crc().expect("its checksum");
    assert_eq!(batch.bytes().len(), bytes.len(), "one batch and nothing else");
    assert_eq!(batch.codec().expect("its codec"), codec(&wanted));
    assert_eq!(batch.is_transactional(), wanted.is_transactional);
    let producer = batch.producer().map(|producer| (producer.id.get(), producer.epoch.get()));
    assert_eq!(producer, wanted.producer.map(|(id, epoch, _)| (id.into(), epoch.into())));

    let mut scratch = Scratch::default();
    let records = decoded(&batch, &mut scratch).expect("records of our own");
    assert_records(&wanted, &batch, &records);
    if codec(&wanted) == Codec::None {
        assert_eq!(bytes.len(), predicted_len(&wanted));
    }
}

fn codec(wanted: &Wanted) -> Codec {
    Codec::ALL[usize::from(wanted.codec) % Codec::ALL.len()]
}

/// The batch; `None` if there are no records, or the transaction has no producer.
fn built(wanted: &Wanted) -> Option<Vec<u8>> {
    let mut builder = BatchBuilder::new(Offset::new(wanted.base_offset.into()))
        .leader_epoch(LeaderEpoch::new(wanted.leader_epoch))
        .codec(codec(wanted), None);
    if let Some(time) = wanted.append_time {
        builder = builder.append_time(Timestamp::new(time.into()));
    }
    if let Some(time) = wanted.delete_horizon {
        builder = builder.delete_horizon(Timestamp::new(time.into()));
    }
    if let Some((id, epoch, sequence)) = wanted.producer {
        let (id, epoch) = (ProducerId::new(id.into()), ProducerEpoch::new(epoch.into()));
        builder = builder.producer(id, epoch, Sequence::new(sequence.into()));
    }
    if wanted.is_transactional {
        builder = builder.transactional();
    }
    for (record, offset) in wanted.records.iter().zip(offsets(wanted)) {
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        builder.push_at(Offset::new(offset), timestamp(record), key, value, &record.headers()).expect("rising offsets");
    }
    let mut bytes = Vec::new();
    match builder.finish(&mut bytes) {
        Ok(()) => (!bytes.is_empty()).then_some(bytes),
        Err(refused) => {
            assert!(wanted.is_transactional && wanted.producer.is_none(), "{refused}");
            None
        }
    }
}

fn timestamp(record: &WantedRecord) -> Timestamp {
    Timestamp::new((record.timestamp >> 1).cast_signed())
}

fn offsets(wanted: &Wanted) -> impl Iterator<Item = i64> + '_ {
    wanted.records.iter().scan(i64::from(wanted.base_offset), |next, record| {
        let offset = *next + i64::from(record.gap);
        *next = offset + 1;
        Some(offset)
    })
}

fn assert_records(wanted: &Wanted, batch: &Batch<'_>, records: &[Record<'_>]) {
    assert_eq!(records.len(), wanted.records.len());
    for ((found, record), offset) in records.iter().zip(&wanted.records).zip(offsets(wanted)) {
        assert_eq!(found.offset.get(), offset);
        let time = wanted.append_time.map_or(timestamp(record), |time| Timestamp::new(time.into()));
        assert_eq!(found.timestamp, time);
        assert_eq!((found.key, found.value), (record.key.as_deref(), record.value.as_deref()));
        assert_eq!(found.headers.collect::<Vec<_>>(), record.headers());
    }
    assert_eq!(batch.last_offset(), records.last().expect("a record").offset);
    if batch.timestamp_type() == TimestampType::CreateTime {
        assert_eq!(Some(batch.max_timestamp()), records.iter().map(|record| record.timestamp).max());
    }
}

/// The bytes of the batch, added up from the layout of records.
fn predicted_len(wanted: &Wanted) -> usize {
    let first = wanted.records.first().map_or(0, |record| timestamp(record).get());
    let base = wanted.delete_horizon.map_or(first, i64::from);
    let lengths = wanted.records.iter().zip(offsets(wanted)).map(|(record, offset)| {
        let delta = offset - i64::from(wanted.base_offset);
        let headers = record.headers.iter().map(|(key, value)| nullable_len(Some(key)) + nullable_len(value.as_ref()));
        let body = 1
            + varlong_len(timestamp(record).get() - base)
            + varint_len(i32::try_from(delta).expect("a small batch"))
            + nullable_len(record.key.as_ref())
            + nullable_len(record.value.as_ref())
            + number_len(record.headers.len())
            + headers.sum::<usize>();
        number_len(body) + body
    });
    HEADER_LEN + lengths.sum::<usize>()
}

fn nullable_len(bytes: Option<&Vec<u8>>) -> usize {
    bytes.map_or(1, |bytes| number_len(bytes.len()) + bytes.len())
}

fn number_len(n: usize) -> usize {
    varint_len(i32::try_from(n).expect("a small batch"))
}
