//! The leader epochs of the runs that were kept: what the batches say, and where an epoch began if the file beside them knows better.

use super::run::Run;
use crate::checkpoint::EpochEntry;
use crate::epoch::LeaderEpochs;
use crate::units::Offset;

/// The epochs of `runs`, which rise in offset and epoch. Where the first batches of an epoch are lost, `file` may still say where it
/// began; a start of its own that lies outside what the batches leave open is not believed.
pub(super) fn epochs_of<'a>(runs: impl IntoIterator<Item = &'a Run>, file: &LeaderEpochs) -> LeaderEpochs {
    let mut epochs = LeaderEpochs::default();
    let mut end = None;
    for run in runs {
        if let Some(epoch) = run.epoch
            && epochs.latest().is_none_or(|latest| latest.epoch < epoch)
        {
            let is_open = |start: Offset| start <= run.first && end.is_none_or(|end| start > end);
            let known = file.iter().find(|entry| entry.epoch == epoch && is_open(entry.start));
            epochs.assign(known.unwrap_or(EpochEntry { epoch, start: run.first }));
        }
        end = Some(run.last);
    }
    epochs
}

/// The same with the epochs of `file` that nobody wrote in, as far as they lie between the others, or right at the `end`.
pub(super) fn with_empty_epochs(epochs: &LeaderEpochs, file: &LeaderEpochs, end: Offset) -> LeaderEpochs {
    let mut all: Vec<EpochEntry> = epochs.iter().collect();
    for entry in file.iter().filter(|entry| entry.start <= end) {
        let behind = epochs.after(entry.epoch);
        let before = epochs.before(entry.epoch);
        let is_new = epochs.iter().all(|known| known.epoch != entry.epoch && known.start != entry.start);
        let fits = before.is_some_and(|before| before.start < entry.start)
            && behind.map_or(entry.start == end, |behind| entry.start < behind.start);
        // Within a stretch of batches of one epoch no other one began.
        let is_at_edge = behind.is_none() || epochs.epoch_for(entry.start).is_none();
        if is_new && fits && is_at_edge {
            all.push(entry);
        }
    }
    all.sort_by_key(|entry| entry.epoch);
    let mut result = LeaderEpochs::default();
    for entry in all {
        result.assign(entry);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::salvage::run::Place;
    use crate::units::LeaderEpoch;

    fn epochs(list: &[(i32, i64)]) -> LeaderEpochs {
        let mut epochs = LeaderEpochs::default();
        for (epoch, start) in list {
            epochs.assign(EpochEntry { epoch: LeaderEpoch::new(*epoch), start: Offset::new(*start) });
        }
        epochs
    }

    fn runs(list: &[(i64, i64, i32)]) -> Vec<Run> {
        let run = |&(first, last, epoch): &(i64, i64, i32)| Run {
            place: Place { replica: 0, segment: 0 },
            bytes: 0..1,
            first: Offset::new(first),
            last: Offset::new(last),
            first_end: Offset::new(last),
            epoch: Some(LeaderEpoch::new(epoch)),
            batches: 1,
            records: 1,
            print: 0,
            is_sparse: false,
        };
        list.iter().map(run).collect()
    }

    #[test]
    fn the_file_says_where_a_lost_beginning_was_and_nothing_that_batches_deny() {
        let runs = runs(&[(0, 49, 0), (60, 99, 2)]);
        for (file, expected) in [
            (vec![], vec![(0, 0), (2, 60)]),
            (vec![(0, 0), (2, 55)], vec![(0, 0), (2, 55)]),
            (vec![(0, 0), (2, 49)], vec![(0, 0), (2, 60)]),
            (vec![(0, 0), (2, 61)], vec![(0, 0), (2, 60)]),
            (vec![(1, 0), (7, 55)], vec![(0, 0), (2, 60)]),
        ] {
            assert_eq!(epochs_of(&runs, &epochs(&file)), epochs(&expected), "{file:?}");
        }
    }

    #[test]
    fn an_epoch_without_batches_stays_at_the_end_only() {
        let kept = epochs(&[(0, 0), (2, 60)]);
        let with = |file: &[(i32, i64)]| with_empty_epochs(&kept, &epochs(file), Offset::new(100));
        assert_eq!(with(&[(0, 0), (2, 60), (3, 100)]), epochs(&[(0, 0), (2, 60), (3, 100)]));
        assert_eq!(with(&[(0, 0), (2, 60), (3, 99)]), kept);
        assert_eq!(with(&[(0, 0), (2, 60), (3, 101)]), kept);
    }
}
