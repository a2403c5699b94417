//! Append-only log storage whose directories are Apache Kafka's own, byte for byte.
//!
//! A [`Store`] holds the partitions under one or more log directories, each a [`Log`]; either opens what a Kafka broker wrote, and a broker
//! opens what they wrote.
//!
//! ```
//! use std::sync::Arc;
//! use log_engine::{
//!     AppendAsLeader, Isolation, LeaderEpoch, NewRecord, Offset, OsFs, Scratch, Store, StoreOptions, TopicPartition, Walk,
//! };
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("data");
//!
//! let (store, report) = Store::open(Arc::new(OsFs), &[path], StoreOptions::default())?;
//! assert!(report.directories[0].failed.is_empty());
//! let orders = store.create(&TopicPartition { topic: "orders".to_owned(), partition: 0 }, None)?;
//!
//! let record = NewRecord { key: Some(b"42"), value: Some(b"paid"), ..NewRecord::default() };
//! let appended = orders.append_records([record], None, &AppendAsLeader::client(LeaderEpoch::new(0)))?;
//! appended.ticket.wait()?; // it is durable now
//!
//! let read = orders.read(Offset::ZERO, 1 << 20, Isolation::LogEnd, true)?;
//! let bytes = read.slice.expect("there is a record").read_to_vec()?; // or slice.send_to(socket)
//! let mut scratch = Scratch::default();
//! for (_, batch) in Walk::new(&bytes) {
//!     let batch = batch.expect("a whole batch");
//!     let values: Vec<_> = batch.records(&mut scratch).unwrap().map(|record| record.unwrap().value.map(<[u8]>::to_vec)).collect();
//!     assert_eq!(values, [Some(b"paid".to_vec())]);
//! }
//! store.close()?;
//! # Ok::<(), log_engine::Error>(())
//! ```
//!
//! What is used most is here; the rest is in the rooms: bytes and batches ([`batch`]), small files ([`checkpoint`]), leader epochs
//! ([`epoch`]), producers ([`producer`]), segments and their indexes ([`segment`]), one partition ([`log`](mod@log)), all of them ([`store`]), looking
//! without touching ([`inspect`]), faults in copies ([`damage`]), the disk ([`fs`]), and what can be wrong ([`error`](mod@error)).
//!
//! Words that are never mixed, and what survives what: [`what_is_durable_when`], [`system_assumptions_and_crash_points`].

// The disk has one door and time comes from outside; clippy.toml names what goes around them. Tests prepare folders.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]
#![cfg_attr(test, allow(clippy::disallowed_methods))]

pub mod batch;
pub mod checkpoint;
mod compress;
pub mod damage;
mod encoding;
pub mod epoch;
pub mod error;
pub mod fs;
pub mod inspect;
pub mod log;
pub mod mend;
#[cfg(feature = "plant")]
pub mod plant;
#[cfg(not(feature = "plant"))]
#[allow(unreachable_pub)]
mod plant;
pub mod producer;
mod random;
pub mod salvage;
pub mod segment;
pub mod store;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod units;

#[doc = include_str!("../docs/durability.md")]
pub mod what_is_durable_when {}
#[doc = include_str!("../docs/crash-safety.md")]
pub mod system_assumptions_and_crash_points {}

#[doc(inline)]
pub use batch::{Batch, BatchBuilder, Record, Scratch, Walk};
pub use compress::{Codec, Compression};
#[doc(inline)]
pub use error::{Error, Malformed, Refusal, Result, Rule};
#[doc(inline)]
pub use fs::{FileSlice, Fs, OsFs, WriteFs};
#[doc(inline)]
pub use log::{
    Accumulator, AccumulatorOptions, AppendAsLeader, Appended, Clock, Durability, Isolation, Log, LogConfig, LogReader,
    NewRecord, OpenOptions, Read, RecoveryMode, RecoveryReport, SystemClock, Ticket,
};
#[doc(inline)]
pub use store::{Store, StoreOptions, StoreReport};
pub use units::{
    FilePosition, LeaderEpoch, Offset, OffsetDelta, ProducerEpoch, ProducerId, Sequence, Timestamp, TopicPartition,
};
