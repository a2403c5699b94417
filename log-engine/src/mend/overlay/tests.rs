//! An overlay beside a disk that the same is done to, and its changes carried out on the disk below.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::fs::sim::SimFs;
use crate::fs::write_all_at;
use crate::mend::{Run, Undo};

const NAMES: [&str; 4] = ["/d/a", "/d/b", "/d/c", "/d/e"];

#[derive(Clone, Debug)]
enum Step {
    Write(usize, u64, Vec<u8>),
    Cut(usize, u64),
    Rename(usize, usize),
    Remove(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let file = 0..NAMES.len();
    let step = prop_oneof![
        3 => (file.clone(), 0..40_u64, prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(f, at, b)| Step::Write(f, at, b)),
        2 => (file.clone(), 0..50_u64).prop_map(|(f, len)| Step::Cut(f, len)),
        1 => (file.clone(), file.clone()).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => file.prop_map(Step::Remove),
    ];
    prop::collection::vec(step, 0..12)
}

fn perform(fs: &dyn WriteFs, step: &Step) -> bool {
    let path = |n: &usize| Path::new(NAMES[*n]);
    match step {
        Step::Write(n, at, bytes) => {
            let file = fs.open_write(path(n), OpenMode::Any).unwrap();
            write_all_at(&*file, path(n), bytes, *at).is_ok()
        }
        Step::Cut(n, len) => fs.open_write(path(n), OpenMode::Existing).is_ok_and(|file| file.set_len(*len).is_ok()),
        Step::Rename(from, to) if from == to => true,
        Step::Rename(from, to) => fs.rename(path(from), path(to)).is_ok(),
        Step::Remove(n) => fs.remove(path(n)).is_ok(),
    }
}

fn seen(fs: &dyn Fs) -> BTreeMap<String, Vec<u8>> {
    let entries = fs.list(Path::new("/d")).unwrap();
    let read = |name: &OsStr| Source::open(fs, &Path::new("/d").join(name)).unwrap().read_all(1 << 10).unwrap();
    entries.iter().map(|entry| (entry.name.to_str().unwrap().to_owned(), read(&entry.name))).collect()
}

proptest! {
    #[test]
    fn what_is_done_to_an_overlay_is_seen_there_alone_until_its_changes_are_carried_out(steps in steps()) {
        let files = [("/d/a", "the first file"), ("/d/b", "the second, which is a longer one"), ("/d/c", "")];
        let (below, beside) = (SimFs::with_files(files), SimFs::with_files(files));
        let overlay = Overlay::new(Arc::new(below.clone()), None);
        for step in &steps {
            prop_assert_eq!(perform(&overlay, step), perform(&beside, step), "{:?}", step);
            prop_assert_eq!(seen(&overlay), seen(&beside), "{:?}", step);
        }
        prop_assert_eq!(seen(&below), seen(&SimFs::with_files(files)));
        let changes = overlay.changes(Path::new("/d")).unwrap();
        let mut run = Run::begin(Arc::new(below.clone()), Path::new("/d"), Path::new("/backup"), "run").unwrap();
        for change in &changes {
            run.prepare(change).unwrap();
        }
        run.carry_out().unwrap();
        prop_assert_eq!(seen(&below), seen(&beside), "{:?}", changes);
        Undo::open(Arc::new(below.clone()), Path::new("/backup/run")).unwrap().carry_out().unwrap();
        prop_assert_eq!(seen(&below), seen(&SimFs::with_files(files)), "{:?}", changes);
    }
}

#[test]
fn a_cut_and_a_new_name_cost_no_bytes() {
    let below = SimFs::with_files([("/d/a", "a long file"), ("/d/b", "other")]);
    let overlay = Overlay::new(Arc::new(below), None);
    overlay.open_write(Path::new("/d/a"), OpenMode::Existing).unwrap().set_len(6).unwrap();
    overlay.rename(Path::new("/d/b"), Path::new("/d/b.deleted")).unwrap();
    let same = overlay.open_write(Path::new("/d/a"), OpenMode::Existing).unwrap();
    write_all_at(&*same, Path::new("a"), b"a long", 0).unwrap();
    let changes = overlay.changes(Path::new("/d")).unwrap();
    let expected =
        [Change::Rename { from: "b".into(), to: "b.deleted".into() }, Change::Cut { path: "a".into(), len: 6 }];
    assert_eq!(changes, expected);
}
