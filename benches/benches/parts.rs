//! The small parts by themselves: checksums by size, index look-ups by size, records of each codec.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use log_benches::{SMALL_RECORDS, Shape, batch};
use log_engine::segment::OffsetIndex;
use log_engine::{Batch, Codec, Offset, Scratch};

fn checksum(c: &mut Criterion) {
    let mut group = c.benchmark_group("crc32c");
    for records in [1, 10, 148, 10_000] {
        let bytes = batch(Shape { records, ..SMALL_RECORDS }, Offset::ZERO, 1);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(bytes.len()), &bytes, |b, bytes| {
            b.iter(|| black_box(Batch::parse(black_box(bytes)).map(|batch| batch.check_crc())));
        });
    }
    group.finish();
}

fn look_up(c: &mut Criterion) {
    let mut group = c.benchmark_group("offset index look-up");
    for entries in [100_u32, 10_000, 1_000_000] {
        let bytes: Vec<u8> =
            (1..=entries).flat_map(|i| [(i * 10).to_be_bytes(), (i * 4096).to_be_bytes()].concat()).collect();
        let index = OffsetIndex::new("x.index", Offset::ZERO, bytes);
        let mut target = 1_i64;
        group.bench_with_input(BenchmarkId::from_parameter(entries), &index, |b, index| {
            b.iter(|| {
                target = (target * 7_919 + 13) % (i64::from(entries) * 10);
                black_box(index.lookup(Offset::new(target)))
            });
        });
    }
    group.finish();
}

fn records(c: &mut Criterion) {
    let mut group = c.benchmark_group("records of a batch");
    for codec in Codec::ALL {
        let bytes = batch(Shape { codec, ..SMALL_RECORDS }, Offset::ZERO, 1);
        let mut scratch = Scratch::default();
        group.throughput(Throughput::Elements(SMALL_RECORDS.records as u64));
        group.bench_with_input(BenchmarkId::from_parameter(codec), &bytes, |b, bytes| {
            b.iter(|| {
                let batch = Batch::parse(black_box(bytes)).expect("a batch");
                batch
                    .records(&mut scratch)
                    .expect("records")
                    .map(|record| record.expect("a record").offset.get())
                    .sum::<i64>()
            });
        });
    }
    group.finish();
}

criterion_group!(parts, checksum, look_up, records);
criterion_main!(parts);
