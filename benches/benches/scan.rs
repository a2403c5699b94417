//! The verified scan and the decoder, against reading and checksumming the same bytes.

use std::hint::black_box;

use log_benches::{SMALL_RECORDS, log, ratio, read_and_checksum, rounds};
use log_engine::fs::Source;
use log_engine::segment::{Scan, Step};
use log_engine::{OsFs, Scratch, Walk};

const BYTES: usize = 256 << 20;

fn main() {
    let dir = tempfile::tempdir().expect("a folder");
    let bytes = log(SMALL_RECORDS, BYTES);
    let path = dir.path().join("00000000000000000000.log");
    std::fs::write(&path, &bytes).expect("a file");
    println!("{} MiB of 16 KiB batches of 100 B records, page cache, one thread\n", bytes.len() >> 20);

    let scanned = ratio(
        rounds(9),
        || {
            let mut scan = Scan::new(Source::open(&OsFs, &path).expect("a file"));
            let mut sound = 0_u64;
            while let Step::Batch(frame) = scan.next().expect("bytes") {
                sound += u64::from(frame.check_crc().is_ok());
            }
            black_box(sound);
        },
        || {
            black_box(read_and_checksum(&path));
        },
    );
    println!(
        "verified scan, batch level    {scanned} read(2) + CRC-32C      {:.1} GB/s",
        gigabytes(&bytes, scanned.ours)
    );

    let mut records = 0_u64;
    let decoded = ratio(
        rounds(9),
        || {
            let mut scratch = Scratch::default();
            records = 0;
            for (_, batch) in Walk::new(&bytes) {
                for record in batch.expect("a batch").records(&mut scratch).expect("records") {
                    black_box(record.expect("a record"));
                    records += 1;
                }
            }
        },
        || {
            black_box(read_and_checksum(&path));
        },
    );
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = records as f64 / decoded.ours / 1e6;
    println!("records decoded, from memory  {decoded} read(2) + CRC-32C      {rate:.1} M records/s");
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn gigabytes(bytes: &[u8], seconds: f64) -> f64 {
    bytes.len() as f64 / seconds / 1e9
}
