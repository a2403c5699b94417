//! The rules of Kafka's `ProducerStateManagerTest` that concern snapshots, on a simulated disk.

use std::sync::Arc;

use super::*;
use crate::batch::BatchBuilder;
use crate::fs::sim::SimFs;
use crate::log::LogConfig;
use crate::units::{LeaderEpoch, ProducerEpoch, ProducerId, Sequence, Timestamp};

const DIR: &str = "/logs/orders-0";
const T: Timestamp = Timestamp::new(1_700_000_000_000);
const EXPIRY: Expiry = Expiry::at(T);

fn at(offset: i64) -> Offset {
    Offset::new(offset)
}

/// A folder and what is known of its producers.
struct Made {
    disk: SimFs,
    producers: Producers,
}

impl Made {
    fn new() -> Self {
        Self { disk: SimFs::with_folder(DIR), producers: Producers::new(Path::new(DIR), BTreeSet::new()) }
    }

    /// A folder with snapshots of nobody at these offsets.
    fn with_snapshots(offsets: &[i64]) -> Self {
        let mut made = Self::new();
        for offset in offsets {
            made.producers.update_map_end(at(*offset));
            assert_eq!(made.snapshot(), Some(path(*offset)));
        }
        made
    }

    /// The same folder after a restart.
    fn reopened(self) -> Self {
        let snapshots = snapshots_in(&self.disk, Path::new(DIR)).unwrap();
        Self { producers: Producers::new(Path::new(DIR), snapshots), disk: self.disk }
    }

    /// One record of producer 1, which is the only one.
    fn data(&mut self, offset: i64, sequence: i32, is_transactional: bool) {
        let producer = (ProducerId::new(1), ProducerEpoch::new(0), Sequence::new(sequence));
        let mut builder = BatchBuilder::new(at(offset)).producer(producer.0, producer.1, producer.2);
        if is_transactional {
            builder = builder.transactional();
        }
        builder.push(T, None, Some(b"v"), &[]).unwrap();
        self.apply(&builder.into_batch().unwrap(), offset);
    }

    fn commit(&mut self, offset: i64) {
        let producer = (ProducerId::new(1), ProducerEpoch::new(0));
        let marker = BatchBuilder::end_transaction(at(offset), LeaderEpoch::new(0), producer, T, true, 0);
        self.apply(&marker.unwrap(), offset);
    }

    fn apply(&mut self, batch: &[u8], offset: i64) {
        let batch = crate::batch::Batch::parse(batch).unwrap();
        let marker = Marker::of(&batch, &mut Scratch::default()).unwrap();
        self.producers.states_mut().apply(batch.header().unwrap(), marker).unwrap();
        self.producers.update_map_end(at(offset).next());
    }

    fn snapshot(&mut self) -> Option<PathBuf> {
        self.producers.take_snapshot(&self.disk, true).unwrap()
    }

    fn reload(&mut self, log_start: i64, log_end: i64) {
        self.producers.truncate_and_reload(&self.disk, at(log_start), at(log_end), EXPIRY).unwrap();
    }

    fn advance_high_watermark(&mut self, to: i64) {
        self.producers.states_mut().advance_high_watermark(at(to));
    }

    fn unstable(&self) -> Option<i64> {
        self.producers.states().first_unstable_offset().map(Offset::get)
    }

    /// The offset of the last record of producer 1.
    fn last_offset(&self) -> Option<i64> {
        let entry = self.producers.states().producer(ProducerId::new(1))?;
        Some(entry.batches().next_back()?.last_offset.get())
    }

    fn names(&self) -> Vec<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        self.disk.files().keys().map(name).collect()
    }

    /// The snapshots in the folder; they are the ones that are known.
    fn snapshots(&self) -> Vec<i64> {
        let there = snapshots_in(&self.disk, Path::new(DIR)).unwrap();
        assert_eq!(there, self.producers.snapshots);
        there.into_iter().map(Offset::get).collect()
    }

    fn remove_stray(&mut self, bases: &[i64]) -> Vec<i64> {
        let fs: Arc<dyn WriteFs> = Arc::new(SimFs::with_folder(DIR));
        let options = LogConfig::default().segment_options();
        let segment = |base: &i64| Arc::new(Segment::create(&fs, Path::new(DIR), at(*base), &options, T).unwrap());
        let segments: Segments = bases.iter().map(segment).collect();
        self.producers.remove_stray_snapshots(&self.disk, &segments).unwrap();
        self.snapshots()
    }
}

fn path(offset: i64) -> PathBuf {
    Path::new(DIR).join(SegmentFile::Snapshot.name(at(offset)))
}

// conformance: PSM-018 PSM-028
#[test]
fn a_log_that_begins_anew_has_no_snapshots_until_it_moves() {
    let mut made = Made::new();
    made.data(0, 0, false);
    assert_eq!(made.snapshot(), Some(path(1)));
    assert!(made.disk.files().len() == 1 && !made.disk.files()[&path(1)].is_empty());
    assert_eq!(made.snapshot(), None, "nothing is new");
    made.data(1, 1, false);
    made.snapshot();
    assert_eq!(made.snapshots(), [1, 2]);
    made.producers.truncate_fully_and_start_at(&made.disk, at(0)).unwrap();
    assert_eq!((made.snapshots(), made.last_offset(), made.snapshot()), (vec![], None, None));
    made.data(0, 0, false);
    assert_eq!((made.snapshot(), made.snapshots()), (Some(path(1)), vec![1]));
}

// conformance: PSM-041 PSM-042
#[test]
fn a_damaged_snapshot_goes_and_the_one_before_it_is_taken() {
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);
    let zeroed = |bytes: &mut Vec<u8>| bytes[..37].fill(0);
    let damages: [fn(&mut Vec<u8>); 3] = [cut, zeroed, Vec::clear];
    for damage in damages {
        let mut made = Made::new();
        made.data(0, 0, false);
        made.snapshot();
        made.data(1, 1, false);
        made.snapshot();
        let mut files = made.disk.files();
        damage(files.get_mut(&path(2)).unwrap());
        let mut made = Made { disk: SimFs::with_files(&files), ..made }.reopened();
        made.reload(0, 2);
        assert_eq!((made.snapshots(), made.last_offset()), (vec![1], Some(0)));
        assert_eq!(made.producers.map_end(), at(1));
    }
}

// conformance: PSM-044 PSM-045
#[test]
fn snapshots_of_no_segment_go_but_for_the_newest_behind_all_segments() {
    for (bases, left) in
        [(&[5][..], &[5, 42][..]), (&[42], &[42]), (&[2, 5, 42], &[2, 5, 42]), (&[43], &[]), (&[], &[42])]
    {
        let mut made = Made::with_snapshots(&[2, 5, 42]);
        assert_eq!(made.remove_stray(bases), left, "segments at {bases:?}");
    }
}

// conformance: PSM-046 PSM-047
#[test]
fn a_snapshot_goes_with_its_segment_under_another_name_first() {
    let mut made = Made::with_snapshots(&[2, 5]);
    made.disk.remove(&path(2)).unwrap();
    let marked = made.producers.mark_snapshots_deleted(&made.disk, &[at(2), at(3), at(5)]).unwrap();
    let renamed = "00000000000000000005.snapshot.deleted";
    assert_eq!(marked, [Path::new(DIR).join(renamed)], "only what is there");
    assert_eq!((made.names(), made.snapshots()), (vec![renamed.to_owned()], vec![]));
}

// conformance: PSM-011 PSM-030
#[test]
fn transactions_come_and_go_with_the_offset_that_a_log_is_cut_to() {
    let late = |made: &Made| made.producers.states().has_late_transaction(Timestamp::new(T.get() + 1_000_000), 300_000);
    let mut made = Made::new();
    made.data(99, 0, true);
    made.snapshot();
    assert!(late(&made));
    made.commit(105);
    made.advance_high_watermark(106);
    assert!(!late(&made) && made.unstable().is_none());
    made.snapshot();
    assert_eq!(made.snapshots(), [100, 106]);
    made.reload(0, 106);
    assert_eq!((made.unstable(), made.snapshots()), (None, vec![100, 106]));
    made.reload(0, 100);
    assert_eq!((made.unstable(), late(&made), made.snapshots()), (Some(99), true, vec![100]));
    made.reload(0, 80);
    assert_eq!((made.unstable(), late(&made), made.snapshots()), (None, false, vec![]));
}

/// What was announced has no batch in the log, and is not cut with it.
#[test]
fn announcements_outlive_a_truncation() {
    let announced = crate::producer::Announcement {
        producer_id: ProducerId::new(1),
        epoch: ProducerEpoch::new(0),
        sequence: Sequence::new(0),
        has_own_epochs: false,
    };
    let mut made = Made::new();
    made.data(0, 0, false);
    let guard = made.producers.states_mut().start_verification(&announced, T, at(1)).unwrap();
    assert!(guard.is_some());
    made.reload(0, 0);
    assert_eq!(made.last_offset(), None);
    assert_eq!(made.producers.states().verification_guard(ProducerId::new(1)), guard);
    made.producers.truncate_fully_and_start_at(&made.disk, at(7)).unwrap();
    assert_eq!(made.producers.states().verification_guard(ProducerId::new(1)), guard);
}

/// A map in Java keeps the room that it once needed, and with it the order in which it hands out ids.
#[test]
fn a_snapshot_behind_a_truncation_has_a_brokers_order() {
    let ids = [16, 1];
    let order = |states: &ProducerStates| {
        states.snapshot().entries.iter().map(|entry| entry.producer_id.get()).collect::<Vec<_>>()
    };
    let add = |states: &mut ProducerStates, id: i64| {
        let producer = (ProducerId::new(id), ProducerEpoch::new(0));
        let marker = BatchBuilder::end_transaction(at(0), LeaderEpoch::new(0), producer, T, true, 0).unwrap();
        let batch = crate::batch::Batch::parse(&marker).unwrap();
        states.apply(batch.header().unwrap(), Marker::of(&batch, &mut Scratch::default()).unwrap()).unwrap();
    };
    let mut made = Made::new();
    ids.iter().for_each(|id| add(made.producers.states_mut(), *id));
    assert_eq!(order(made.producers.states()), [16, 1], "of sixteen buckets");
    (0..13).for_each(|id| add(made.producers.states_mut(), id));
    made.producers.truncate_fully_and_start_at(&made.disk, at(0)).unwrap();
    ids.iter().for_each(|id| add(made.producers.states_mut(), *id));
    assert_eq!(order(made.producers.states()), [1, 16], "of thirty-two");
}
