//! Any bytes as a `.log` file.

use std::io;
use std::sync::Arc;

use crate::batch::{Batch, FRAMING_LEN, Stop, Walk};
use crate::fs::{File, MemoryFile, Source, StreamFile};
use crate::segment::{Resync, Scan, Step};
use crate::units::FilePosition;

/// Larger inputs are not searched byte by byte: that takes a time which grows with the square.
const NAIVE_SEARCH: usize = 4096;

/// Walks the bytes as a file, as a file that gives a few bytes at a time, as a stream and as a slice, and finds all sound batches.
///
/// # Panics
/// If the walks differ, batches do not tile a prefix, or a search behind damage passes over a batch whose checksum fits.
pub fn segment_scan(data: &[u8]) {
    let walked = walk(Scan::new(source(MemoryFile::new(data))));
    assert_tiles(&walked, data);
    for step in [1, 13] {
        let few = FewBytes { file: MemoryFile::new(data), step };
        assert_eq!(walk(Scan::new(source(few))), walked, "{step} bytes at a time");
    }
    let stream = StreamFile::new(Box::new(io::Cursor::new(data.to_vec())));
    assert_eq!(walk(Scan::new(source(stream))), walked, "as a stream");
    if data.len() <= NAIVE_SEARCH {
        assert_finds_every_sound_batch(data);
    }
}

/// What a walk met.
#[derive(Debug, PartialEq, Eq)]
struct Walked {
    /// First byte, bytes, and whether the checksum fits, of each batch.
    batches: Vec<(u64, u64, bool)>,
    end: u64,
    stop: Stop,
}

fn source(file: impl File + 'static) -> Source {
    Source::new("00000000000000000000.log", Arc::new(file)).expect("memory has a length")
}

fn walk(mut scan: Scan) -> Walked {
    let mut batches = Vec::new();
    loop {
        match scan.next().expect("memory can be read") {
            Step::Batch(frame) => {
                batches.push((frame.position().get(), frame.len(), frame.check_crc().is_ok()));
            }
            Step::Stop(stop) => {
                let end = scan.position().get();
                assert!(matches!(scan.next(), Ok(Step::Stop(same)) if same == stop), "after a stop it says the same");
                return Walked { batches, end, stop };
            }
        }
    }
}

fn assert_tiles(walked: &Walked, data: &[u8]) {
    let mut end = 0;
    for (at, len, _) in &walked.batches {
        assert_eq!(*at, end);
        end += len;
    }
    assert_eq!(walked.end, end);
    let mut slice = Walk::new(data);
    let places: Vec<u64> = slice.by_ref().map(|(at, _)| at as u64).collect();
    assert_eq!(places, walked.batches.iter().map(|(at, ..)| *at).collect::<Vec<_>>(), "as a slice");
    assert_eq!((slice.position() as u64, slice.stop()), (end, Some(walked.stop)));
}

/// Begins at byte 0, which is therefore never found, and goes from each batch that is found to the next.
fn assert_finds_every_sound_batch(data: &[u8]) {
    let mut expected = (1..data.len()).filter(|at| is_sound(&data[*at..])).map(|at| FilePosition::new(at as u64));
    let mut scan = Scan::new(source(MemoryFile::new(data)));
    loop {
        match scan.resync().expect("memory can be read") {
            Resync::Found(at) => assert_eq!(Some(at), expected.next()),
            Resync::None => break assert_eq!(expected.next(), None, "was passed over"),
            Resync::GaveUp(at) => panic!("gave up at {at} of so few bytes"),
        }
    }
}

/// Whether a batch of a known format, whose checksum fits, stands at the start of `bytes`.
fn is_sound(bytes: &[u8]) -> bool {
    matches!(bytes.get(FRAMING_LEN - 1), Some(0..=2))
        && Batch::parse(bytes).is_ok_and(|batch| batch.check_crc().is_ok())
}

/// A file that gives at most `step` bytes at a time, as a file may.
#[derive(Debug)]
struct FewBytes {
    file: MemoryFile,
    step: usize,
}

impl File for FewBytes {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, into: &mut [u8], position: u64) -> io::Result<usize> {
        let few = into.len().min(self.step);
        self.file.read_at(&mut into[..few], position)
    }
}
