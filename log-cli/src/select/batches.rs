//! Tests that the head of a batch answers: nothing is decompressed for them.

use log_engine::{Batch, Codec};

/// A compression codec by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CodecName {
    /// Not compressed
    None,
    /// RFC 1952
    Gzip,
    /// Snappy
    Snappy,
    /// LZ4
    Lz4,
    /// Zstandard
    Zstd,
}

impl CodecName {
    /// The engine's word for it.
    pub(crate) const fn codec(self) -> Codec {
        match self {
            Self::None => Codec::None,
            Self::Gzip => Codec::Gzip,
            Self::Snappy => Codec::Snappy,
            Self::Lz4 => Codec::Lz4,
            Self::Zstd => Codec::Zstd,
        }
    }
}

/// Which records of the cluster itself (markers and their like) are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Control {
    /// Beside the data
    Yes,
    /// Nothing else
    Only,
    /// None
    No,
}

impl Control {
    /// Whether a batch is wanted that is one of control records, or is not.
    pub(crate) const fn wants(self, is_control: bool) -> bool {
        match self {
            Self::Yes => true,
            Self::Only => is_control,
            Self::No => !is_control,
        }
    }
}

/// Leader epochs: one, or from the first to before the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EpochRange {
    from: i32,
    to: Option<i32>,
}

impl EpochRange {
    /// `7`, `7:9` (half-open) or `7:`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<i32>().ok();
        let range = match text.split_once(':') {
            None => number(text).map(|from| Self { from, to: from.checked_add(1) }),
            Some((from, "")) => number(from).map(|from| Self { from, to: None }),
            Some((from, to)) => number(from).zip(number(to)).map(|(from, to)| Self { from, to: Some(to) }),
        };
        range.ok_or_else(|| format!("{text:?} is no leader epoch; 7, 7:9 (half-open) or 7: is one"))
    }

    fn contains(&self, epoch: i32) -> bool {
        epoch >= self.from && self.to.is_none_or(|to| epoch < to)
    }
}

/// What the head of a batch must say. A test that is absent is passed.
#[derive(Clone, Debug, Default)]
pub(crate) struct BatchTests {
    pub(crate) producer_id: Vec<i64>,
    pub(crate) producer_epoch: Option<i16>,
    pub(crate) leader_epoch: Option<EpochRange>,
    pub(crate) codec: Vec<CodecName>,
    pub(crate) magic: Vec<i8>,
}

impl BatchTests {
    /// True if nothing is asked.
    pub(crate) fn is_empty(&self) -> bool {
        self.producer_id.is_empty()
            && self.producer_epoch.is_none()
            && self.leader_epoch.is_none()
            && self.codec.is_empty()
            && self.magic.is_empty()
    }

    /// True if `batch` passes all of them. -1 stands for "no producer" and "no epoch".
    pub(crate) fn pass(&self, batch: &Batch<'_>) -> bool {
        let producer = batch.producer();
        let id = producer.map_or(-1, |producer| producer.id.get());
        let epoch = producer.map_or(-1, |producer| producer.epoch.get());
        let leader_epoch = batch.leader_epoch().map_or(-1, |epoch| epoch.get());
        let codec = batch.codec().ok();
        let any_codec = self.codec.is_empty() || self.codec.iter().any(|name| codec == Some(name.codec()));
        (self.producer_id.is_empty() || self.producer_id.contains(&id))
            && self.producer_epoch.is_none_or(|asked| asked == epoch)
            && self.leader_epoch.is_none_or(|range| range.contains(leader_epoch))
            && (self.magic.is_empty() || self.magic.contains(&batch.magic()))
            && any_codec
    }
}

#[cfg(test)]
mod tests {
    use log_engine::{BatchBuilder, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

    use super::*;

    fn batch() -> Vec<u8> {
        let mut builder = BatchBuilder::new(Offset::new(5)).leader_epoch(LeaderEpoch::new(7)).producer(
            ProducerId::new(40),
            ProducerEpoch::new(2),
            Sequence::new(0),
        );
        builder.push(Timestamp::new(0), None, Some(b"v"), &[]).unwrap();
        let mut bytes = Vec::new();
        builder.finish(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn each_test_alone_says_yes_and_no() {
        let epochs = |text| Some(EpochRange::parse(text).unwrap());
        let none = BatchTests::default;
        let cases = [
            (none(), true),
            (BatchTests { producer_id: vec![1, 40], ..none() }, true),
            (BatchTests { producer_id: vec![-1], ..none() }, false),
            (BatchTests { producer_epoch: Some(2), ..none() }, true),
            (BatchTests { producer_epoch: Some(0), ..none() }, false),
            (BatchTests { leader_epoch: epochs("7"), ..none() }, true),
            (BatchTests { leader_epoch: epochs("6"), ..none() }, false),
            (BatchTests { leader_epoch: epochs("5:7"), ..none() }, false),
            (BatchTests { leader_epoch: epochs("7:9"), ..none() }, true),
            (BatchTests { leader_epoch: epochs("3:"), ..none() }, true),
            (BatchTests { codec: vec![CodecName::Zstd, CodecName::None], ..none() }, true),
            (BatchTests { codec: vec![CodecName::Gzip], ..none() }, false),
            (BatchTests { magic: vec![2], ..none() }, true),
            (BatchTests { magic: vec![0, 1], ..none() }, false),
            (BatchTests { magic: vec![2], producer_epoch: Some(1), ..none() }, false),
        ];
        let bytes = batch();
        let batch = Batch::parse(&bytes).unwrap();
        for (tests, expected) in cases {
            assert_eq!(tests.pass(&batch), expected, "{tests:?}");
        }
        assert!(EpochRange::parse("x").is_err() && EpochRange::parse(":3").is_err());
    }

    #[test]
    fn control_is_wanted_or_not() {
        for (control, of_data, of_markers) in
            [(Control::Yes, true, true), (Control::Only, false, true), (Control::No, true, false)]
        {
            assert_eq!((control.wants(false), control.wants(true)), (of_data, of_markers), "{control:?}");
        }
    }
}
