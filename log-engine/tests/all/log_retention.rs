//! What retention deletes, and what stays.

use log_engine::log::RunTasks;
use log_engine::{Isolation, LogConfig, Offset};

use crate::partition::{DIR, LEN, NOW, Partition, full_with};

/// So many batches, five a segment, that were appended a second ago.
fn a_second_old(batches: i64) -> Partition {
    let log = Partition::new(LogConfig { retention_ms: Some(999), ..full_with(5) });
    log.fill(batches);
    log.wait(1000);
    log
}

// conformance: ULG-091
#[test]
fn expired_segments_go_below_the_high_watermark_and_their_epochs_with_them() {
    let log = a_second_old(100);
    for (epoch, start) in [(0, 40), (1, 90)] {
        log.assign_epoch(log_engine::LeaderEpoch::new(epoch), Offset::new(start)).unwrap();
    }
    assert_eq!((log.delete_old_segments().unwrap(), log.segments().len(), log.start().get()), (0, 20, 0));
    for (high_watermark, start) in [(25, 25), (26, 25), (29, 25), (30, 30)] {
        log.set_high_watermark(Offset::new(high_watermark)).unwrap();
        log.delete_old_segments().unwrap();
        assert_eq!((log.start().get(), log.segments()[0]), (start, start), "{high_watermark}");
    }
    log.replicate();
    log.delete_old_segments().unwrap();
    assert_eq!((log.segments(), log.size(), log.epochs()), (vec![100], 0, vec![(1, 100)]));
}

// conformance: ULG-121 ULG-122
#[test]
fn nothing_at_or_above_the_high_watermark_goes() {
    for high_watermark in 0..=100 {
        let log = a_second_old(100);
        log.set_high_watermark(Offset::new(high_watermark)).unwrap();
        let deleted = log.delete_old_segments().unwrap() as i64;
        assert_eq!(deleted, high_watermark / 5);
        assert_eq!(log.start().get(), 5 * deleted);
        let segments = log.segments();
        assert!(segments[0] <= high_watermark && segments[1..].iter().all(|base| *base > high_watermark));
        if high_watermark == 100 {
            assert_eq!((segments, log.size()), (vec![100], 0));
        }
    }
}

// conformance: ULG-057
#[test]
fn a_log_that_lost_all_segments_goes_on_where_it_was() {
    for batches in [0, 1, 25] {
        let log = Partition::new(LogConfig { retention_ms: Some(0), ..full_with(1) });
        log.fill(batches);
        log.replicate();
        log.wait(1);
        log.delete_old_segments().unwrap();
        assert_eq!((log.end().get(), log.segments().len()), (batches, 1));
        assert_eq!((log.delete_old_segments().unwrap(), log.append(1)), (0, batches));
    }
}

/// Fifteen batches of the time 10, five a segment, under a policy.
fn fifteen(delete: bool, compact: bool, config: LogConfig) -> Partition {
    let log = Partition::new(LogConfig { segment_bytes: 5 * LEN, delete, ..config });
    (0..15).for_each(|_| log.append_at(&[10]));
    log.update_config(LogConfig { compact, ..log.config() });
    log.replicate();
    assert_eq!(log.segments(), [0, 5, 10]);
    log
}

// conformance: ULG-095 ULG-096 ULG-098 ULG-099
#[test]
fn size_and_age_delete_under_a_policy_that_says_so() {
    let by_size = |bytes| LogConfig { retention_ms: None, retention_bytes: Some(bytes), ..LogConfig::default() };
    let by_age = || LogConfig { retention_ms: Some(10_000), ..LogConfig::default() };
    for (delete, compact, config, left) in [
        (true, false, by_size(15 * LEN), vec![0, 5, 10]),
        (true, false, by_size(15 * LEN - 1), vec![0, 5, 10]),
        (true, false, by_size(10 * LEN), vec![5, 10]),
        (true, false, by_age(), vec![15]),
        (false, true, by_age(), vec![0, 5, 10]),
        (true, true, by_age(), vec![15]),
    ] {
        let log = fifteen(delete, compact, config.clone());
        log.delete_old_segments().unwrap();
        assert_eq!(log.segments(), left, "{delete} {compact} {config:?}");
    }
    // What lies below the log's start goes whatever the policy is.
    for (delete, compact) in [(true, false), (false, true), (true, true), (false, false)] {
        let log = fifteen(delete, compact, LogConfig { retention_ms: None, ..LogConfig::default() });
        log.delete_records_to(Offset::new(7)).unwrap();
        assert_eq!((log.delete_old_segments().unwrap(), log.segments()), (1, vec![5, 10]), "{delete} {compact}");
    }
}

// conformance: ULG-127
#[test]
fn the_log_start_moves_up_to_the_high_watermark() {
    let log = Partition::new(full_with(5));
    log.fill(100);
    log.set_high_watermark(Offset::new(90)).unwrap();
    assert!(log.delete_records_to(Offset::new(20)).unwrap());
    assert_eq!(log.start().get(), 20);
    assert!(!log.delete_records_to(Offset::new(20)).unwrap());
    assert!(log.delete_records_to(Offset::new(91)).is_err());
}

// conformance: ULG-028
#[test]
fn a_young_segment_keeps_older_ones_behind_it_until_it_goes_for_another_reason() {
    let log = Partition::new(LogConfig { retention_ms: Some(900), ..full_with(1) });
    [NOW + 100, NOW, NOW + 100].iter().for_each(|time| log.append_at(&[*time]));
    log.replicate();
    log.wait(901);
    assert_eq!(log.delete_old_segments().unwrap(), 0);
    log.delete_records_to(Offset::new(1)).unwrap();
    assert_eq!((log.delete_old_segments().unwrap(), log.delete_old_segments().unwrap()), (2, 0));
    assert_eq!(log.segments(), [2]);
}

// conformance: LLG-015 LLG-017 ULG-075
#[test]
fn deleted_files_have_another_name_at_once_and_are_gone_when_their_time_has_come() {
    let log = Partition::new(LogConfig { retention_ms: Some(0), file_delete_delay_ms: 1000, ..full_with(1) });
    log.fill(10);
    log.replicate();
    log.wait(1);
    let mut before = log.names();
    before.retain(|name| name.contains(".log") || name.contains("index"));
    assert_eq!(log.delete_old_segments().unwrap(), 10);
    assert_eq!((log.segments(), log.start().get()), (vec![10], 10), "no reader sees them any more");
    let held = log.read(Offset::new(10), 1000, Isolation::LogEnd, true).unwrap();
    assert!(held.is_empty());
    let names = log.names();
    for name in &before {
        assert!(!names.contains(name) && names.contains(&format!("{name}.deleted")), "{name} in {names:?}");
    }
    let deleted = |log: &Partition| log.names().iter().filter(|name| name.ends_with(".deleted")).count();
    log.wait(999);
    log.run_tasks(RunTasks::Due).unwrap();
    assert!(deleted(&log) >= before.len());
    log.wait(1);
    log.run_tasks(RunTasks::Due).unwrap();
    assert_eq!(deleted(&log), 0, "{DIR}");
}
