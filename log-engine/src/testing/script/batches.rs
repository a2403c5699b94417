//! Batches as a script describes them, and their bytes.

use super::args::{Args, number, unhex};
use crate::batch::{BatchBuilder, BuildError, Header};
use crate::compress::Codec;
use crate::units::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// What is to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// These bytes: one batch, several, or a part of one.
    Bytes(Vec<u8>),
    /// A batch of these records.
    Built(Described),
    /// A marker that ends a transaction.
    Marker(Marker),
}

/// A batch of records, as a producer makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// In the head; a leader wants 0.
    pub base_offset: Offset,
    /// In the head; -1 for none.
    pub leader_epoch: LeaderEpoch,
    /// Of the records.
    pub codec: Codec,
    /// -1 for none.
    pub producer_id: ProducerId,
    /// -1 for none.
    pub producer_epoch: ProducerEpoch,
    /// Of the first record; -1 for none.
    pub sequence: Sequence,
    /// Part of a transaction.
    pub transactional: bool,
    /// Taken in turn by the records; the last one serves all that follow. The clock's time if there are none.
    pub timestamps: Vec<Timestamp>,
    /// The records.
    pub records: Vec<OneRecord>,
}

/// Key, value and headers of a record; `None` is null.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OneRecord {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// The end of a transaction, as its coordinator writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    base_offset: Offset,
    leader_epoch: LeaderEpoch,
    timestamp: Option<Timestamp>,
    producer: (ProducerId, ProducerEpoch),
    commit: bool,
    coordinator_epoch: i32,
}

impl Payload {
    /// The payload that `batch=` or the other fields of a line say.
    pub(super) fn parse(args: &mut Args<'_>) -> Result<Self, String> {
        if let Some(hex) = args.value("batch") {
            return unhex(hex).map(Self::Bytes);
        }
        let base_offset = Offset::new(args.number("base")?.unwrap_or(0));
        let leader_epoch = LeaderEpoch::new(args.number("batch-epoch")?.unwrap_or(-1));
        let commit = args.flag("commit");
        if commit || args.flag("abort") {
            let producer = (args.needed_number("pid")?, args.needed_number("pepoch")?);
            return Ok(Self::Marker(Marker {
                base_offset,
                leader_epoch,
                timestamp: args.number("ts")?.map(Timestamp::new),
                producer: (ProducerId::new(producer.0), ProducerEpoch::new(producer.1)),
                commit,
                coordinator_epoch: args.number("coordinator-epoch")?.unwrap_or(0),
            }));
        }
        let producer_epoch = if args.has("pid") { 0 } else { -1 };
        let described = Described {
            base_offset,
            leader_epoch,
            codec: args.value("codec").map_or(Ok(Codec::None), codec)?,
            producer_id: ProducerId::new(args.number("pid")?.unwrap_or(-1)),
            producer_epoch: ProducerEpoch::new(args.number("pepoch")?.unwrap_or(producer_epoch)),
            sequence: Sequence::new(args.number("seq")?.unwrap_or(-1)),
            transactional: args.switch("txn", false),
            timestamps: args.value("ts").map_or(Ok(Vec::new()), timestamps)?,
            records: records(args.needed("records")?)?,
        };
        // What cannot be built is a mistake of the script, whatever the clock will say.
        described.bytes(Timestamp::new(0)).map_err(|refused| refused.to_string())?;
        Ok(Self::Built(described))
    }

    /// Its bytes, made at the time `now`.
    ///
    /// # Errors
    /// What [`BatchBuilder`] refuses.
    pub fn bytes(&self, now: Timestamp) -> Result<Vec<u8>, BuildError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.clone()),
            Self::Built(described) => described.bytes(now),
            Self::Marker(marker) => BatchBuilder::end_transaction(
                marker.base_offset,
                marker.leader_epoch,
                marker.producer,
                marker.timestamp.unwrap_or(now),
                marker.commit,
                marker.coordinator_epoch,
            ),
        }
    }
}

impl Described {
    /// Its bytes, made at the time `now`.
    ///
    /// # Errors
    /// What [`BatchBuilder`] refuses.
    pub fn bytes(&self, now: Timestamp) -> Result<Vec<u8>, BuildError> {
        let mut builder = BatchBuilder::new(self.base_offset)
            .leader_epoch(self.leader_epoch)
            .codec(self.codec, None)
            .producer(self.producer_id, self.producer_epoch, self.sequence);
        if self.transactional {
            builder = builder.transactional();
        }
        for (i, record) in self.records.iter().enumerate() {
            let timestamp = self.timestamps.get(i).or(self.timestamps.last()).copied().unwrap_or(now);
            let headers: Vec<_> =
                record.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
            builder.push(timestamp, record.key.as_deref(), record.value.as_deref(), &headers)?;
        }
        let mut bytes = Vec::new();
        builder.finish(&mut bytes)?;
        Ok(bytes)
    }
}

fn codec(name: &str) -> Result<Codec, String> {
    let known = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
    known.into_iter().find(|codec| codec.name() == name).ok_or_else(|| format!("there is no codec {name}"))
}

fn timestamps(text: &str) -> Result<Vec<Timestamp>, String> {
    text.split(',').map(|one| number("ts", one).map(Timestamp::new)).collect()
}

/// The records of `[[KEY,VALUE,NAME=VALUE...],...]` (hexadecimal, `null`, or nothing for empty) or of `NxSIZE`.
fn records(text: &str) -> Result<Vec<OneRecord>, String> {
    if !text.starts_with('[') {
        let (count, size) =
            text.split_once('x').ok_or_else(|| format!("records are [[k,v],[k,v]] or NxSIZE: {text}"))?;
        let (count, size): (usize, usize) = (number("N", count)?, number("SIZE", size)?);
        let made_up = |i| OneRecord { value: Some(made_up_value(i, size)), ..OneRecord::default() };
        return Ok((0..count).map(made_up).collect());
    }
    let inner = text.strip_prefix("[[").and_then(|rest| rest.strip_suffix("]]"));
    let inner = inner.ok_or_else(|| format!("records are [[k,v],[k,v]] or NxSIZE: {text}"))?;
    inner.split("],[").map(record).collect()
}

fn record(text: &str) -> Result<OneRecord, String> {
    let mut parts = text.split(',');
    let (Some(key), Some(value)) = (parts.next(), parts.next()) else {
        return Err(format!("a record needs a key and a value: {text}"));
    };
    let header = |pair: &str| {
        let (key, value) = pair.split_once('=').ok_or_else(|| format!("a header is NAME=VALUE: {pair}"))?;
        Ok::<_, String>((unhex(key)?, nullable(value)?))
    };
    Ok(OneRecord {
        key: nullable(key)?,
        value: nullable(value)?,
        headers: parts.map(header).collect::<Result<_, _>>()?,
    })
}

fn nullable(text: &str) -> Result<Option<Vec<u8>>, String> {
    if text == "null" { Ok(None) } else { unhex(text).map(Some) }
}

/// Value `i` of a made-up batch: its byte `j` is `(i + j) mod 251`.
fn made_up_value(i: usize, size: usize) -> Vec<u8> {
    (0..251).cycle().skip(i % 251).take(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(line: &str) -> Vec<u8> {
        let mut args = Args::new(line.split(' ')).unwrap();
        let payload = Payload::parse(&mut args).unwrap();
        args.end().unwrap();
        payload.bytes(Timestamp::new(1_700_000_000_000)).unwrap()
    }

    /// From the oracle: `batch FIELDS`, whose clock stands at 1700000000000.
    const ORACLE: [(&str, &str); 6] = [
        (
            "ts=1700000000000,1700000000010 records=[[6b31,7631,6831=78],[null,7632]]",
            concat!(
                "00000000000000000000004affffffff022b7cc97e0000000000010000018bcfe568000000018bcfe5680affffffffff",
                "ffffffffffffffffff000000021e000000046b31047631020468310278100014020104763200",
            ),
        ),
        (
            "records=[[,null,61=,62=null]]",
            concat!(
                "00000000000000000000003effffffff02fbaafef30000000000000000018bcfe568000000018bcfe56800ffffffffff",
                "ffffffffffffffffff0000000118000000000104026100026201",
            ),
        ),
        (
            "pid=7 pepoch=1 seq=9 txn=true records=2x5 base=6 batch-epoch=2",
            concat!(
                "00000000000000060000004900000002021bbb751f0010000000010000018bcfe568000000018bcfe568000000000000",
                "0000070001000000090000000216000000010a00010203040016000002010a010203040500",
            ),
        ),
        (
            "pid=3 seq=0 records=1x0",
            concat!(
                "000000000000000000000038ffffffff02aef20f410000000000000000018bcfe568000000018bcfe568000000000000",
                "000003000000000000000000010c000000010000",
            ),
        ),
        (
            "pid=7 pepoch=0 abort coordinator-epoch=3",
            concat!(
                "000000000000000000000042ffffffff022d0ffd760030000000000000018bcfe568000000018bcfe568000000000000",
                "0000070000ffffffff000000012000000008000000000c00000000000300",
            ),
        ),
        (
            "pid=7 pepoch=2 commit ts=5 base=9 batch-epoch=4",
            concat!(
                "00000000000000090000004200000004023cbab7a7003000000000000000000000000500000000000000050000000000",
                "0000070002ffffffff000000012000000008000000010c00000000000000",
            ),
        ),
    ];

    #[test]
    fn batches_are_those_that_the_oracle_builds() {
        for (line, hex) in ORACLE {
            assert_eq!(bytes(line), unhex(hex).unwrap(), "{line}");
        }
        assert_eq!(made_up_value(252, 251)[248..], [249, 250, 0]);
    }

    #[test]
    fn what_is_no_batch_is_refused_with_a_reason() {
        for (line, why) in [
            ("records=3", "records are"),
            ("records=[[61]]", "a record needs a key"),
            ("records=[[61,62,63]]", "a header is"),
            ("records=1x1 codec=brotli", "there is no codec"),
            ("records=1x1 txn=true", "producer"),
            ("records=1x1 pid=1 seq=0 ts=-2", "timestamp -2"),
            ("commit pepoch=0", "needs pid="),
            ("batch=0", "not hexadecimal"),
        ] {
            let refused = Payload::parse(&mut Args::new(line.split(' ')).unwrap()).unwrap_err();
            assert!(refused.contains(why), "{line}: {refused}");
        }
    }
}
