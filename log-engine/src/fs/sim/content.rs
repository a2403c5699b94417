//! One simulated file: what is read of it, what the disk has of it, and what lies between.

use std::sync::Arc;
use std::time::SystemTime;

use super::crash::Outcome;
use crate::random::Random;

/// Bytes that a disk writes as one piece.
pub(super) const SECTOR: usize = 512;

/// A change of a file that was not synced yet.
#[derive(Clone, Debug)]
pub(super) enum Unsynced {
    Write { position: usize, bytes: Arc<[u8]> },
    SetLen(usize),
}

impl Unsynced {
    fn apply(&self, to: &mut Vec<u8>, hole: u8) {
        match self {
            Self::Write { position, bytes } => write(to, *position, bytes, hole),
            Self::SetLen(len) => to.resize(*len, 0),
        }
    }
}

/// The bytes of a file.
#[derive(Clone, Debug)]
pub(super) struct Content {
    /// What the processes of the machine read.
    seen: Arc<Vec<u8>>,
    /// What a crash leaves for certain.
    durable: Arc<Vec<u8>>,
    /// What leads from the one to the other, in order; without what a failed sync dropped.
    unsynced: Vec<Unsynced>,
    /// What was said of the last change; the simulated machine has no clock.
    pub(super) modified: SystemTime,
    /// False once its name is removed.
    pub(super) named: bool,
}

impl Content {
    pub(super) fn new() -> Self {
        let nothing = Arc::new(Vec::new());
        let modified = SystemTime::UNIX_EPOCH;
        Self { seen: Arc::clone(&nothing), durable: nothing, unsynced: Vec::new(), modified, named: true }
    }

    pub(super) fn seen(&self) -> &Arc<Vec<u8>> {
        &self.seen
    }

    pub(super) fn change(&mut self, change: Unsynced) {
        change.apply(Arc::make_mut(&mut self.seen), 0);
        self.unsynced.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(Arc::make_mut(&mut self.durable), 0);
        }
    }

    /// Some pieces reach the disk and the others never will, though they are still read: what a kernel does that marks pages clean
    /// whether they were written or not. The length is what it says: a file system whose lengths fail takes no more writes at all.
    pub(super) fn fail_sync(&mut self, random: &mut Random) {
        let mut bytes = self.sectors(random, |_| true);
        bytes.resize(self.full_len(), 0);
        self.durable = Arc::new(bytes);
        self.unsynced.clear();
    }

    /// What is read from now on is what the disk has, and what is still on its way there.
    pub(super) fn forget_cached(&mut self) {
        self.seen = self.with_unsynced();
    }

    /// Turns a bit over, on the disk and in what is read of it.
    pub(super) fn flip(&mut self, byte: usize, bit: u8) {
        for bytes in [&mut self.durable, &mut self.seen] {
            if let Some(byte) = Arc::make_mut(bytes).get_mut(byte) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// The file as a machine finds it that starts after a crash.
    pub(super) fn after_crash(&self, outcome: Outcome, random: &mut Random) -> Self {
        let found = self.after(outcome, random);
        Self { seen: Arc::clone(&found), durable: found, unsynced: Vec::new(), modified: self.modified, named: true }
    }

    fn with_unsynced(&self) -> Arc<Vec<u8>> {
        let mut bytes = Arc::clone(&self.durable);
        for change in &self.unsynced {
            change.apply(Arc::make_mut(&mut bytes), 0);
        }
        bytes
    }

    fn after(&self, outcome: Outcome, random: &mut Random) -> Arc<Vec<u8>> {
        if self.unsynced.is_empty() {
            return Arc::clone(&self.durable);
        }
        match outcome {
            Outcome::Nothing => Arc::clone(&self.durable),
            Outcome::Everything => self.with_unsynced(),
            Outcome::Prefix => Arc::new(self.prefix(random)),
            Outcome::Sectors => Arc::new(self.sectors(random, Random::coin)),
            Outcome::SizeOnly => {
                let mut bytes = (*self.durable).clone();
                bytes.resize(self.full_len(), 0);
                Arc::new(bytes)
            }
            Outcome::Mixed => self.after(Outcome::draw(random), random),
        }
    }

    /// The first changes, and the next of them torn.
    fn prefix(&self, random: &mut Random) -> Vec<u8> {
        let mut bytes = (*self.durable).clone();
        let whole = random.below(self.unsynced.len() + 1);
        for change in self.unsynced.iter().take(whole) {
            change.apply(&mut bytes, 0);
        }
        if let Some(Unsynced::Write { position, bytes: torn }) = self.unsynced.get(whole) {
            let there = random.below(torn.len() + 1);
            write(&mut bytes, *position, torn.get(..there).unwrap_or_default(), 0);
        }
        bytes
    }

    /// Any pieces of the writes, the cuts that arrive, with or without the length that belongs to them.
    fn sectors(&self, random: &mut Random, cut_arrives: impl Fn(&mut Random) -> bool) -> Vec<u8> {
        let mut bytes = (*self.durable).clone();
        let hole = if random.coin() { 0 } else { 0xa5 };
        for change in &self.unsynced {
            match change {
                Unsynced::Write { position, bytes: written } => {
                    for (at, piece) in pieces(*position, written) {
                        if random.coin() {
                            write(&mut bytes, at, piece, hole);
                        }
                    }
                }
                Unsynced::SetLen(len) if cut_arrives(random) => bytes.resize(*len, hole),
                Unsynced::SetLen(_) => {}
            }
        }
        if random.coin() && bytes.len() < self.full_len() {
            bytes.resize(self.full_len(), hole);
        }
        bytes
    }

    /// How long the file is if everything arrives.
    fn full_len(&self) -> usize {
        self.unsynced.iter().fold(self.durable.len(), |len, change| match change {
            Unsynced::Write { position, bytes } => len.max(position.saturating_add(bytes.len())),
            Unsynced::SetLen(len) => *len,
        })
    }
}

/// Writes `bytes` over what is there or behind it; what lies between is `hole`.
fn write(to: &mut Vec<u8>, position: usize, bytes: &[u8], hole: u8) {
    let end = position.saturating_add(bytes.len());
    if bytes.is_empty() {
        return;
    }
    if to.len() < end {
        to.reserve(end - to.len());
        to.resize(position.max(to.len()), hole);
    }
    let over = to.len().saturating_sub(position).min(bytes.len());
    let (over, behind) = bytes.split_at(over);
    if let Some(there) = to.get_mut(position..position.saturating_add(over.len())) {
        there.copy_from_slice(over);
    }
    to.extend_from_slice(behind);
}

/// The bytes cut where sectors begin.
fn pieces(position: usize, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let (mut at, mut rest) = (position, bytes);
    std::iter::from_fn(move || {
        let (piece, behind) = rest.split_at_checked(SECTOR - at % SECTOR).unwrap_or((rest, &[]));
        let found = (!piece.is_empty()).then_some((at, piece));
        at = at.saturating_add(piece.len());
        rest = behind;
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(durable: &[u8], changes: &[Unsynced]) -> Content {
        let mut content = Content::new();
        content.change(Unsynced::Write { position: 0, bytes: durable.into() });
        content.sync();
        for change in changes {
            content.change(change.clone());
        }
        content
    }

    fn append(at: usize, bytes: &[u8]) -> Unsynced {
        Unsynced::Write { position: at, bytes: bytes.into() }
    }

    #[test]
    fn writes_go_over_behind_and_past_what_is_there() {
        let mut bytes = b"abc".to_vec();
        write(&mut bytes, 1, b"XYZ", 0);
        assert_eq!(bytes, b"aXYZ");
        write(&mut bytes, 6, b"q", 0xa5);
        assert_eq!(bytes, b"aXYZ\xa5\xa5q");
        write(&mut bytes, 0, b"m", 0);
        write(&mut bytes, 20, b"", 0);
        assert_eq!(bytes, b"mXYZ\xa5\xa5q");
    }

    #[test]
    fn pieces_end_where_sectors_do() {
        let bytes = vec![7; 1200];
        let cut: Vec<_> = pieces(500, &bytes).map(|(at, piece)| (at, piece.len())).collect();
        assert_eq!(cut, [(500, 12), (512, 512), (1024, 512), (1536, 164)]);
        assert_eq!(pieces(3, b"").count(), 0);
    }

    #[test]
    fn every_outcome_leaves_what_its_name_says() {
        let file = content(b"old", &[append(3, b"one"), append(6, b"two")]);
        let mut random = Random::new(1);
        assert_eq!(**file.after(Outcome::Nothing, &mut random), *b"old");
        assert_eq!(**file.after(Outcome::Everything, &mut random), *b"oldonetwo");
        assert_eq!(**file.after(Outcome::SizeOnly, &mut random), *b"old\0\0\0\0\0\0");
        let mut lengths = [0; 10];
        for seed in 0..1000 {
            let found = file.after(Outcome::Prefix, &mut Random::new(seed));
            assert!(b"oldonetwo".starts_with(&found), "{found:?}");
            lengths[found.len()] += 1;
        }
        assert!(lengths[3..].iter().all(|seen| *seen > 0), "{lengths:?}");
    }

    #[test]
    fn sectors_arrive_or_not_and_never_harm_what_was_durable() {
        let file = content(&[1; 700], &[append(700, &[2; 1000]), Unsynced::SetLen(2000), append(2000, &[3; 10])]);
        let (mut with_size, mut old_only, mut torn, mut stale) = (0, 0, 0, 0);
        for seed in 0..2000 {
            let found = file.after(Outcome::Sectors, &mut Random::new(seed));
            assert!(found[..700] == [1; 700] && found.len() <= 2010);
            with_size += usize::from(found.len() == 2010);
            old_only += usize::from(found.len() == 700);
            torn += usize::from(found.len() > 1024 && found[700..1024] != [2; 324] && found[1024..1030] == [2; 6]);
            stale += usize::from(found.contains(&0xa5));
        }
        assert!(
            [with_size, old_only, torn, stale].iter().all(|seen| *seen > 10),
            "{with_size} {old_only} {torn} {stale}"
        );
    }

    #[test]
    fn a_failed_sync_leaves_in_memory_what_the_disk_does_not_have() {
        let mut lost = 0;
        for seed in 0..100 {
            let mut file = content(b"old", &[append(3, &[9; 2000])]);
            file.fail_sync(&mut Random::new(seed));
            file.sync();
            assert_eq!(file.seen().len(), 2003, "it is still read");
            let found = file.after(Outcome::Everything, &mut Random::new(0));
            file.forget_cached();
            assert_eq!(*file.seen(), found, "and no longer");
            lost += usize::from(found.len() < 2003 || found.contains(&0));
        }
        assert!(lost > 50, "{lost}");
    }
}
