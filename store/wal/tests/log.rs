//! Appending, reading, rotating and reopening on the real file system.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ops::RangeBounds;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use store_wal::{Bytes, Log, OpenError, Options, Record, Recovered};

const PATIENCE: Duration = Duration::from_secs(20);

fn options(dir: &Path) -> Options {
    Options { segment_bytes: 64 * 1024, ..Options::new(dir) }
}

fn open(dir: &Path) -> (Log, Recovered) {
    Log::open(options(dir)).expect("the log opens")
}

fn entry(index: u64, term: u64, bytes: usize) -> Record {
    Record::Entry { index, term, payload: Bytes::from(vec![index as u8; bytes]) }
}

fn payload(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// Appends and waits until it is durable.
fn append(log: &Log, records: Vec<Record>) -> std::io::Result<()> {
    let (sender, receiver) = sync_channel(1);
    log.append(records, move |result| sender.send(result).expect("the test waits"));
    receiver.recv_timeout(PATIENCE).expect("the writer answers")
}

fn indexes(log: &Log, range: impl RangeBounds<u64>) -> Vec<u64> {
    log.read(range, usize::MAX).expect("the log reads").into_iter().map(|(index, _, _)| index).collect()
}

// proves: ST-02
#[test]
fn what_was_acknowledged_is_there_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let (log, recovered) = open(dir.path());
    assert_eq!((recovered.first_index, recovered.last, recovered.vote), (None, None, None));
    append(&log, vec![Record::Vote { payload: payload("v1") }, entry(0, 1, 10), entry(1, 1, 5000)]).unwrap();
    append(&log, vec![Record::Committed { index: 0, payload: payload("c0") }]).unwrap();
    append(&log, vec![entry(2, 2, 0)]).unwrap();
    log.close();

    let (log, recovered) = open(dir.path());
    assert_eq!(recovered.first_index, Some(0));
    assert_eq!(recovered.last, Some((2, 2)));
    assert_eq!(recovered.vote, Some(payload("v1")));
    assert_eq!(recovered.committed, Some((0, payload("c0"))));
    assert_eq!(recovered.purged, None);
    assert_eq!(recovered.statistics.torn_tail, None);
    let entries = log.read(.., usize::MAX).unwrap();
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[1], (1, 1, Bytes::from(vec![1; 5000])));
}

#[test]
fn entries_are_readable_before_they_are_durable_and_answers_come_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    let (sender, receiver) = sync_channel(1000);
    for index in 0..500 {
        let sender: SyncSender<u64> = sender.clone();
        log.append(vec![entry(index, 1, 100)], move |result| {
            result.expect("the append is durable");
            sender.send(index).expect("the test waits");
        });
        assert_eq!(log.first_last(), Some((0, index)));
        assert_eq!(indexes(&log, index..), [index]);
    }
    let order: Vec<u64> = (0..500).map(|_| receiver.recv_timeout(PATIENCE).unwrap()).collect();
    assert!(order.is_sorted());
    log.close();
    let (_, recovered) = open(dir.path());
    assert!(recovered.statistics.batches < 400, "500 appends took {} batches", recovered.statistics.batches);
}

#[test]
fn old_entries_are_read_from_disk_within_the_byte_limit() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    for index in 0..300 {
        log.append(vec![entry(index, 1, 1000)], |result| result.expect("the append is durable"));
    }
    log.close();
    let (log, recovered) = open(dir.path());
    assert!(recovered.statistics.segments > 3);
    append(&log, vec![entry(300, 2, 1000)]).unwrap();
    assert_eq!(indexes(&log, ..), (0..=300).collect::<Vec<_>>());
    assert_eq!(indexes(&log, 290..=300), (290..=300).collect::<Vec<_>>());
    assert_eq!(log.read(7.., 0).unwrap(), [(7, 1, Bytes::from(vec![7; 1000]))], "never empty");
    assert_eq!(log.read(7.., 2500).unwrap().len(), 2);
    assert_eq!(log.read(7..8, 1 << 20).unwrap().len(), 1);
    assert_eq!(log.read(301.., 1 << 20).unwrap(), []);
    assert_eq!(log.read(5..5, 1 << 20).unwrap(), []);
}

#[test]
fn truncation_replaces_entries_in_memory_and_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    append(&log, (0..10).map(|index| entry(index, 1, 10)).collect()).unwrap();
    append(&log, vec![Record::Truncate { after: Some(4) }, entry(5, 2, 10), entry(6, 2, 10)]).unwrap();
    assert_eq!(log.first_last(), Some((0, 6)));
    log.close();
    let (log, recovered) = open(dir.path());
    assert_eq!(recovered.last, Some((6, 2)));
    let terms: Vec<u64> = log.read(.., usize::MAX).unwrap().into_iter().map(|(_, term, _)| term).collect();
    assert_eq!(terms, [1, 1, 1, 1, 1, 2, 2]);
    append(&log, vec![Record::Truncate { after: None }]).unwrap();
    assert_eq!(log.first_last(), None);
    log.close();
    assert_eq!(open(dir.path()).1.last, None);
}

#[test]
fn an_append_that_does_not_fit_is_refused_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    append(&log, vec![entry(0, 1, 1), entry(1, 1, 1)]).unwrap();
    let gap = append(&log, vec![entry(2, 1, 1), entry(4, 1, 1)]).unwrap_err();
    assert_eq!(gap.to_string(), "entry 4 does not follow the log, whose next index is 3");
    assert_eq!(log.first_last(), Some((0, 1)));
    append(&log, vec![Record::Purge { upto: 0, payload: payload("p") }]).unwrap();
    append(&log, vec![Record::Purge { upto: 1, payload: payload("p") }, entry(2, 1, 1)]).unwrap();
    let purged = append(&log, vec![Record::Truncate { after: Some(0) }]).unwrap_err();
    assert_eq!(purged.kind(), std::io::ErrorKind::InvalidInput);
}

// proves: ST-03
#[test]
fn purge_drops_whole_segments_and_reuses_their_files() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    append(&log, vec![Record::Vote { payload: payload("vote") }]).unwrap();
    append(&log, vec![Record::Committed { index: 0, payload: payload("c") }]).unwrap();
    let mut index = 0;
    for round in 0..10_u64 {
        for _ in 0..40 {
            append(&log, vec![entry(index, round, 2000)]).unwrap();
            index += 1;
        }
        append(&log, vec![Record::Purge { upto: index - 5, payload: payload("purged") }]).unwrap();
        assert!(log.segments() <= 4, "{} segments after a purge", log.segments());
        assert_eq!(log.first_last(), Some((index - 4, index - 1)));
    }
    log.close();
    let files = std::fs::read_dir(dir.path()).unwrap().count();
    assert!(files <= 8, "{files} files are left of 400 entries in 64 KiB segments");
    let (log, recovered) = open(dir.path());
    assert_eq!(recovered.first_index, Some(396));
    assert_eq!(recovered.last, Some((399, 9)));
    assert_eq!(recovered.purged, Some((395, payload("purged"))));
    assert_eq!(recovered.vote, Some(payload("vote")), "the vote outlives the segment it was written to");
    assert_eq!(recovered.committed, Some((0, payload("c"))));
    assert_eq!(indexes(&log, ..), [396, 397, 398, 399]);
}

#[test]
fn a_purge_beyond_the_end_lets_the_log_go_on_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    append(&log, vec![entry(0, 1, 1), entry(1, 1, 1)]).unwrap();
    append(&log, vec![Record::Purge { upto: 1000, payload: payload("snapshot") }]).unwrap();
    assert_eq!(log.first_last(), None);
    append(&log, vec![entry(1001, 3, 1)]).unwrap();
    log.close();
    let (log, recovered) = open(dir.path());
    assert_eq!(recovered.purged, Some((1000, payload("snapshot"))));
    assert_eq!(indexes(&log, ..), [1001]);
}

#[test]
fn an_append_larger_than_a_segment_gets_a_segment_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    append(&log, vec![entry(0, 1, 10), entry(1, 1, 300_000)]).unwrap();
    append(&log, vec![entry(2, 1, 10)]).unwrap();
    log.close();
    let (log, _) = open(dir.path());
    assert_eq!(log.read(1..2, 0).unwrap()[0].2.len(), 300_000);
    assert_eq!(indexes(&log, ..), [0, 1, 2]);
}

#[test]
fn a_second_process_cannot_open_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    let refused = Log::open(options(dir.path())).err().expect("the directory is locked");
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
    log.close();
    open(dir.path());
}

#[test]
fn a_closed_log_answers_with_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    let other = log.clone();
    log.close();
    assert_eq!(append(&other, vec![entry(0, 1, 1)]).unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
}

#[test]
fn readers_follow_while_the_log_is_written_and_purged() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let entries = log.read(.., 20_000).expect("no read fails");
                    assert!(entries.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0));
                    assert!(entries.iter().all(|(index, _, bytes)| bytes.iter().all(|byte| *byte == *index as u8)));
                    if entries.last().is_some_and(|entry| entry.0 == 1999) {
                        return;
                    }
                }
            });
        }
        for index in 0..2000 {
            log.append(vec![entry(index, 1, 500)], |result| result.expect("the append is durable"));
            if index % 100 == 99 {
                append(&log, vec![Record::Purge { upto: index - 10, payload: payload("p") }]).unwrap();
            }
        }
    });
}
