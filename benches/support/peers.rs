//! Other append-only logs of Rust, each opened as its authors advise, with nothing but this put in front: data goes in as slices.

use std::path::Path;

use commitlog::message::MessageBuf;
use commitlog::{CommitLog, LogOptions};
use okaywal::{Configuration, LogVoid, WriteAheadLog};
use protobuf::descriptor::UninterpretedOption;
use raft_engine::{Config, Engine, LogBatch, MessageExt, ReadableSize};

/// Bytes of a file of each peer; what they preallocate, if they do, follows from it.
const FILE_BYTES: u32 = 64 << 20;
/// Bytes that hold one message of 100 bytes with its head, and not two.
const ONE_MESSAGE: usize = 160;

/// `commitlog`: no sync at all, its own message format with CRC-32C.
pub struct Commitlog {
    log: CommitLog,
}

impl std::fmt::Debug for Commitlog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Commitlog")
    }
}

impl Commitlog {
    /// Opens, or makes, the log in `dir`.
    #[must_use]
    pub fn open(dir: &Path) -> Self {
        let mut options = LogOptions::new(dir);
        options.segment_max_bytes(FILE_BYTES as usize).index_max_items(2_000_000).message_max_bytes(8 << 20);
        Self { log: CommitLog::new(options).expect("a log") }
    }

    /// One append of one record.
    pub fn append(&mut self, value: &[u8]) {
        self.log.append_msg(value).expect("an append");
    }

    /// One append of many records.
    pub fn append_all<'v>(&mut self, values: impl Iterator<Item = &'v [u8]>) {
        let mut batch = MessageBuf::default();
        for value in values {
            batch.push(value).expect("a message");
        }
        self.log.append(&mut batch).expect("an append");
    }

    /// Bytes of the record at `offset`, which may have 100 or so.
    #[must_use]
    pub fn read(&self, offset: u64) -> usize {
        use commitlog::message::MessageSet;
        let found = self.log.read(offset, commitlog::ReadLimit::max_bytes(ONE_MESSAGE)).expect("a record");
        found.iter().next().expect("a record").payload().len()
    }
}

/// `raft-engine`: entries of one group, no compression.
pub struct Raft {
    engine: Engine,
    batch: LogBatch,
}

impl std::fmt::Debug for Raft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Raft")
    }
}

/// Entries have to be protobuf messages that know their index: this one of protobuf's own has a number and bytes.
struct Entries;

impl MessageExt for Entries {
    type Entry = UninterpretedOption;

    fn index(entry: &UninterpretedOption) -> u64 {
        entry.get_positive_int_value()
    }
}

const GROUP: u64 = 1;

fn entry(index: u64, value: &[u8]) -> UninterpretedOption {
    let mut entry = UninterpretedOption::new();
    entry.set_positive_int_value(index);
    entry.set_string_value(value.to_vec());
    entry
}

impl Raft {
    /// Opens, or makes, the engine in `dir`.
    #[must_use]
    pub fn open(dir: &Path) -> Self {
        let config = Config {
            dir: dir.to_string_lossy().into_owned(),
            target_file_size: ReadableSize::mb((FILE_BYTES >> 20).into()),
            batch_compression_threshold: ReadableSize::kb(0),
            purge_threshold: ReadableSize::gb(64),
            ..Config::default()
        };
        Self { engine: Engine::open(config).expect("an engine"), batch: LogBatch::with_capacity(1024) }
    }

    /// One write of records whose indexes begin at `first`.
    pub fn append<'v>(&mut self, first: u64, values: impl Iterator<Item = &'v [u8]>, sync: bool) {
        let entries: Vec<_> = (first..).zip(values).map(|(index, value)| entry(index, value)).collect();
        self.batch.add_entries::<Entries>(GROUP, &entries).expect("entries");
        self.engine.write(&mut self.batch, sync).expect("a write");
    }

    /// One durable write of one record of the group `group`, by any thread.
    pub fn append_shared(&self, group: u64, index: u64, value: &[u8]) {
        let mut batch = LogBatch::with_capacity(1);
        batch.add_entries::<Entries>(group, &[entry(index, value)]).expect("an entry");
        self.engine.write(&mut batch, true).expect("a write");
    }

    /// Bytes of the record at `index`.
    #[must_use]
    pub fn read(&self, index: u64) -> usize {
        let found = self.engine.get_entry::<Entries>(GROUP, index).expect("a read").expect("a record");
        found.get_string_value().len()
    }
}

/// `okaywal`: every commit is synced, threads share syncs.
#[derive(Debug)]
pub struct Okaywal {
    log: WriteAheadLog,
}

impl Okaywal {
    /// Opens, or makes, the log in `dir`.
    #[must_use]
    pub fn open(dir: &Path) -> Self {
        let config = Configuration::default_for(dir).preallocate_bytes(FILE_BYTES).checkpoint_after_bytes(1 << 40);
        Self { log: config.open(LogVoid).expect("a log") }
    }

    /// One durable append, by any thread.
    pub fn append(&self, value: &[u8]) {
        let mut entry = self.log.begin_entry().expect("an entry");
        entry.write_chunk(value).expect("a chunk");
        entry.commit().expect("a commit");
    }
}
