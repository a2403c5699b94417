//! Writes a log directory of many kinds of partitions, and says on stdout what a consumer has to find in it.
//!
//!     write_directory DIR CLUSTER_ID NODE_ID DIRECTORY_ID [TOPIC=TOPIC_ID]...
//!
//! DIR is made; `meta.properties` in it gets the three ids, and each topic's partitions get the topic's. `tests/broker/` starts a
//! real broker on such a directory and compares what a consumer finds with what was printed here.

mod partition;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use log_engine::batch::TimestampType;
use log_engine::checkpoint::Uuid;
use log_engine::log::ManualClock;
use log_engine::store::Identity;
use log_engine::{
    Codec, Compression, LeaderEpoch, LogConfig, OsFs, ProducerEpoch, Sequence, Store, StoreOptions, Timestamp,
    TopicPartition,
};
use partition::{Made, Partition, Session};

/// What is written begins here.
const BEGIN: i64 = 1_700_000_000_000;
/// Small, so that every partition has several segments and indexes with entries.
const SEGMENT_BYTES: u64 = 16 << 10;
const INDEX_INTERVAL: u64 = 512;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().ok_or_else(|| format!("{what} is missing"));
    let directory = PathBuf::from(next("DIR")?);
    let identity = Identity {
        cluster_id: next("CLUSTER_ID")?,
        node_id: next("NODE_ID")?.parse()?,
        directory_id: uuid(&next("DIRECTORY_ID")?)?,
    };
    let mut ids = Vec::new();
    for argument in arguments {
        let (topic, id) = argument.split_once('=').ok_or("TOPIC=TOPIC_ID")?;
        ids.push((topic.to_owned(), uuid(id)?));
    }

    let clock = Arc::new(ManualClock::at(Timestamp::new(BEGIN)));
    let config =
        LogConfig { segment_bytes: SEGMENT_BYTES, index_interval_bytes: INDEX_INTERVAL, ..LogConfig::default() };
    let codec = |codec| LogConfig { compression: Compression::Codec(codec, None), ..config.clone() };
    let by_append_time = LogConfig { message_timestamp_type: TimestampType::LogAppendTime, ..config.clone() };
    let topics = [
        ("plain", config.clone()),
        ("gzip", codec(Codec::Gzip)),
        ("snappy", codec(Codec::Snappy)),
        ("lz4", codec(Codec::Lz4)),
        ("zstd", codec(Codec::Zstd)),
        ("append-time", by_append_time),
    ];
    let options = StoreOptions {
        topics: topics.iter().map(|(topic, config)| ((*topic).to_owned(), config.clone())).collect(),
        config,
        identity: Some(identity),
        clock: Arc::clone(&clock) as _,
        ..StoreOptions::default()
    };
    let (store, _) = Store::open(Arc::new(OsFs), &[directory], options)?;
    let open = |topic: &str, partition| -> Result<Partition, Box<dyn Error>> {
        let id = ids.iter().find(|(name, _)| name == topic).map(|(_, id)| *id);
        let name = TopicPartition { topic: topic.to_owned(), partition };
        Ok(Partition::new(name.to_string(), store.create(&name, id)?, Arc::clone(&clock)))
    };

    let mut partitions = Vec::new();
    for (topic, config) in &topics {
        let mut partition = open(topic, 0)?;
        partition.is_append_time = config.message_timestamp_type == TimestampType::LogAppendTime;
        batches_of_many_sizes(&mut partition)?;
        partitions.push(partition);
    }
    let mut beside = open("plain", 1)?;
    batches_of_many_sizes(&mut beside)?;
    beside.delete_records_to(100)?;
    partitions.push(beside);
    let mut counted = open("idempotent", 0)?;
    idempotent(&mut counted)?;
    partitions.push(counted);
    for number in 0..2 {
        let mut partition = open("transactions", number)?;
        transactions(&mut partition)?;
        if number == 1 {
            ends_in_a_transaction(&mut partition)?;
        }
        partitions.push(partition);
    }
    partitions.sort_by(|one, other| one.name.cmp(&other.name));
    for partition in &partitions {
        partition.settle()?;
        partition.print();
    }
    store.close()?;
    Ok(())
}

fn uuid(text: &str) -> Result<Uuid, String> {
    Uuid::parse(text).ok_or_else(|| format!("{text} is no id"))
}

/// Batches of one to nine records by two leaders, one after the other.
fn batches_of_many_sizes(partition: &mut Partition) -> Made {
    for number in 0..120 {
        partition.leader = LeaderEpoch::new(i32::from(number >= 70));
        partition.append(number % 9 + 1, None)?;
    }
    Ok(())
}

/// Two producers that count, one of which begins anew with a higher epoch; each sends one batch twice.
fn idempotent(partition: &mut Partition) -> Made {
    let mut first = Session::new(100, 0, false);
    let mut second = Session::new(200, 3, false);
    for number in 0..60 {
        if number == 30 {
            first = Session::new(100, 1, false);
        }
        partition.append(number % 4 + 1, Some(&mut first))?;
        partition.append(2, Some(&mut second))?;
        if number % 10 == 5 {
            partition.append_again(2, &second)?;
        }
    }
    Ok(())
}

/// Two producers' transactions across each other and across segments, a third of them aborted, with records of neither between
/// them. One producer's epoch rises with every transaction, as version 2 of the protocol wants it.
fn transactions(partition: &mut Partition) -> Made {
    let mut steady = Session::new(300, 0, true);
    let mut rising = Session::new(400, 0, true);
    for number in 0..40 {
        partition.append(3, Some(&mut steady))?;
        partition.append(number % 5 + 1, Some(&mut rising))?;
        partition.append(1, None)?;
        partition.end_transaction(&steady, number % 3 != 0, 1)?;
        partition.append(2, Some(&mut rising))?;
        rising.epoch = ProducerEpoch::new(rising.epoch.get() + 1);
        partition.end_transaction(&rising, number % 3 != 1, 2)?;
        rising.sequence = Sequence::new(0);
    }
    Ok(())
}

/// Behind the first record of a transaction that stays open nothing is committed for a reader, whatever comes.
fn ends_in_a_transaction(partition: &mut Partition) -> Made {
    let mut open = Session::new(500, 0, true);
    let mut ended = Session::new(600, 0, true);
    partition.append(2, Some(&mut open))?;
    partition.append(2, Some(&mut ended))?;
    partition.end_transaction(&ended, true, 1)?;
    partition.append(4, None)
}
