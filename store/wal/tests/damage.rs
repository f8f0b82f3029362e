//! Every row of the recovery table, each with a real file that was damaged that way.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use store_wal::format::{BATCH_HEADER_BYTES, BLOCK_BYTES, SegmentHeader};
use store_wal::recovery::table::{Decision, ROWS};
use store_wal::{Bytes, Damage, Log, OpenError, Options, Record, Recovered};

/// Eight blocks: header, six small batches, seal.
const SEGMENT_BYTES: u64 = 8 * BLOCK_BYTES as u64;

struct Case {
    name: &'static str,
    /// Small appends before the damage. Six fill a segment.
    appends: u64,
    damage: fn(&Path),
    expected: Decision,
    /// Where a refusal points: segment and block.
    at: (u64, u64),
    /// How many entries are there afterwards.
    entries: u64,
}

const REFUSED: u64 = 0;

#[rustfmt::skip]
const CASES: &[Case] = &[
    // Eight appends: segment 1 holds batches 1 to 6 and the seal, segment 2 holds two batches in blocks 1 and 2.
    Case { name: "whole log", appends: 8, damage: |_| (), expected: Decision::Next, at: (0, 0), entries: 8 },
    Case { name: "zero tail", appends: 3, damage: |_| (), expected: Decision::End, at: (0, 0), entries: 3 },
    Case { name: "segment header changed", appends: 8, damage: |dir| flip(dir, 1, 20),
        expected: Decision::Refuse(Damage::SegmentHeader), at: (1, 0), entries: REFUSED },
    Case { name: "last segment header changed", appends: 8, damage: |dir| flip(dir, 2, 70),
        expected: Decision::Refuse(Damage::SegmentHeader), at: (2, 0), entries: REFUSED },
    Case { name: "empty file", appends: 8, damage: |dir| shorten(dir, 2, 0),
        expected: Decision::Refuse(Damage::SegmentHeader), at: (2, 0), entries: REFUSED },
    Case { name: "other version", appends: 8, damage: |dir| set_version(dir, 1, 7),
        expected: Decision::Refuse(Damage::Version), at: (1, 0), entries: REFUSED },
    Case { name: "segment of another log", appends: 8, damage: replace_by_another_log,
        expected: Decision::Refuse(Damage::ForeignSegment), at: (2, 0), entries: REFUSED },
    Case { name: "segment under another name", appends: 8, damage: |dir| rename(dir, 2, 3),
        expected: Decision::Refuse(Damage::ForeignSegment), at: (3, 0), entries: REFUSED },
    Case { name: "short file", appends: 8, damage: |dir| shorten(dir, 1, SEGMENT_BYTES - 1),
        expected: Decision::Refuse(Damage::ShortFile), at: (1, 0), entries: REFUSED },
    Case { name: "short last file", appends: 8, damage: |dir| shorten(dir, 2, 3 * BLOCK_BYTES as u64),
        expected: Decision::Refuse(Damage::ShortFile), at: (2, 0), entries: REFUSED },
    Case { name: "segment missing between", appends: 14, damage: |dir| remove(dir, 2),
        expected: Decision::Refuse(Damage::MissingSegment), at: (3, 0), entries: REFUSED },
    Case { name: "first segment missing, nothing purged", appends: 8, damage: |dir| remove(dir, 1),
        expected: Decision::Refuse(Damage::MissingSegment), at: (2, 0), entries: REFUSED },
    Case { name: "last segment missing", appends: 8, damage: |dir| remove(dir, 2),
        expected: Decision::Refuse(Damage::MissingNextSegment), at: (1, 8), entries: REFUSED },
    Case { name: "a batch twice", appends: 8, damage: |dir| copy_block(dir, 2, 1, 2),
        expected: Decision::Refuse(Damage::BatchSequence), at: (2, 2), entries: REFUSED },
    Case { name: "a batch behind the seal", appends: 3, damage: |dir| { seal_early(dir); copy_block(dir, 1, 1, 6) },
        expected: Decision::Refuse(Damage::AfterSeal), at: (1, 6), entries: REFUSED },
    Case { name: "record changed, later batches whole", appends: 8, damage: |dir| flip(dir, 1, 2 * BLOCK_BYTES as u64 + 70),
        expected: Decision::Refuse(Damage::MiddleBatch), at: (1, 2), entries: REFUSED },
    Case { name: "record header changed, later batches whole", appends: 8, damage: |dir| flip(dir, 2, BLOCK_BYTES as u64 + 40),
        expected: Decision::Refuse(Damage::MiddleBatch), at: (2, 1), entries: REFUSED },
    Case { name: "batch header changed, later batches whole", appends: 8, damage: |dir| flip(dir, 2, BLOCK_BYTES as u64 + 9),
        expected: Decision::Refuse(Damage::MiddleBatch), at: (2, 1), entries: REFUSED },
    Case { name: "batch never reached the disk, later ones did", appends: 8, damage: |dir| zero_block(dir, 2, 1),
        expected: Decision::Refuse(Damage::MiddleBatch), at: (2, 1), entries: REFUSED },
    Case { name: "seal gone, later segment has batches", appends: 8, damage: |dir| zero_block(dir, 1, 7),
        expected: Decision::Refuse(Damage::LostTail), at: (1, 7), entries: REFUSED },
    Case { name: "seal torn, later segment has batches", appends: 8, damage: |dir| flip(dir, 1, 7 * BLOCK_BYTES as u64 + 40),
        expected: Decision::Refuse(Damage::LostTail), at: (1, 7), entries: REFUSED },
    Case { name: "torn record", appends: 8, damage: |dir| { strip_mark(dir, 2, 3); flip(dir, 2, 2 * BLOCK_BYTES as u64 + 70) },
        expected: Decision::Cut, at: (2, 2), entries: 7 },
    Case { name: "torn batch header", appends: 8, damage: |dir| { strip_mark(dir, 2, 3); flip(dir, 2, 2 * BLOCK_BYTES as u64 + 9) },
        expected: Decision::Cut, at: (2, 2), entries: 7 },
    Case { name: "batch header lost, rest of the batch there", appends: 8,
        damage: |dir| { strip_mark(dir, 2, 3); overwrite(dir, 2, 2 * BLOCK_BYTES as u64, &[0; 512]); overwrite(dir, 2, 2 * BLOCK_BYTES as u64 + 600, &[9; 50]) },
        expected: Decision::Cut, at: (2, 2), entries: 7 },
    Case { name: "header of one write over the records of another", appends: 8,
        damage: |dir| { strip_mark(dir, 2, 3); copy_records(dir, 2, 1, 2) },
        expected: Decision::Cut, at: (2, 2), entries: 7 },
    Case { name: "rotation cut short before the seal", appends: 3, damage: |dir| { strip_mark(dir, 1, 4); begin_next(dir, 4) },
        expected: Decision::EndAndUnrotate, at: (0, 0), entries: 3 },
    Case { name: "rotation cut short in the seal", appends: 3, damage: |dir| { begin_next(dir, 4); flip(dir, 1, 4 * BLOCK_BYTES as u64 + 9) },
        expected: Decision::CutAndUnrotate, at: (1, 4), entries: 3 },
];

// proves: ST-02
#[test]
fn every_damage_is_recognised_and_only_unacknowledged_bytes_are_dropped() {
    for case in CASES {
        let dir = tempfile::tempdir().unwrap();
        write_log(dir.path(), case.appends);
        (case.damage)(dir.path());
        let before = contents(dir.path());
        let opened = Log::open(options(dir.path()));
        match case.expected {
            Decision::Refuse(damage) => {
                let error = opened.err().unwrap_or_else(|| panic!("{}: opened", case.name));
                assert_refusal(case, &error, damage);
                assert_eq!(contents(dir.path()), before, "{}: a refusal changes nothing", case.name);
            }
            decision => {
                let (log, recovered) = opened.unwrap_or_else(|error| panic!("{}: {error}", case.name));
                assert_recovery(case, decision, &recovered);
                append(&log, case.entries, 9);
                log.close();
                let (_, recovered) = Log::open(options(dir.path())).unwrap();
                assert_eq!(recovered.last, Some((case.entries, 9)), "{}: the log goes on", case.name);
                assert_eq!(recovered.statistics.torn_tail, None, "{}", case.name);
            }
        }
    }
}

#[test]
fn every_row_of_the_table_has_a_damaged_file() {
    let cases: Vec<_> = CASES.iter().map(|case| case.expected).collect();
    for row in ROWS {
        assert!(cases.contains(&row.decision), "no damaged file for {row:?}");
    }
}

#[test]
fn bytes_of_an_earlier_use_of_a_file_are_not_taken_for_the_log() {
    let dir = tempfile::tempdir().unwrap();
    write_log(dir.path(), 24);
    let (log, _) = Log::open(options(dir.path())).unwrap();
    purge(&log, 22);
    for index in 24..31 {
        append(&log, index, 2);
    }
    log.close();
    let mut names: Vec<_> =
        contents(dir.path()).into_keys().filter(|path| path.extension() == Some("wal".as_ref())).collect();
    names.sort();
    let last = fs::read(names.last().unwrap()).unwrap();
    let header = SegmentHeader::decode(&last[..BLOCK_BYTES]).unwrap();
    assert!(header.recycled);
    assert!(last[5 * BLOCK_BYTES..].iter().any(|byte| *byte != 0), "the file still holds its earlier bytes");
    let (log, recovered) = Log::open(options(dir.path())).unwrap();
    assert_eq!(recovered.last, Some((30, 2)));
    assert_eq!(recovered.statistics.torn_tail, None);
    assert_eq!(log.first_last(), Some((23, 30)));
}

fn assert_refusal(case: &Case, error: &OpenError, damage: Damage) {
    let OpenError::Damaged { segment, offset, damage: found } = error else { panic!("{}: {error}", case.name) };
    let (at_segment, at_block) = case.at;
    let expected_offset = if at_block == 8 { SEGMENT_BYTES } else { at_block * BLOCK_BYTES as u64 };
    assert_eq!((*found, *offset), (damage, expected_offset), "{}: {error}", case.name);
    assert!(segment.ends_with(name(at_segment)), "{}: {error}", case.name);
    let text = error.to_string();
    assert!(text.contains(&format!("{} is damaged at offset {offset}: ", name(at_segment))), "{text}");
    assert!(text.ends_with(damage.advice()), "{text}");
}

fn assert_recovery(case: &Case, decision: Decision, recovered: &Recovered) {
    let torn = recovered.statistics.torn_tail.as_ref();
    let taken_back = recovered.statistics.rotation_taken_back;
    assert_eq!(recovered.last, Some((case.entries - 1, 1)), "{}", case.name);
    let expect_torn = matches!(decision, Decision::Cut | Decision::CutAndUnrotate);
    assert_eq!(torn.is_some(), expect_torn, "{}: {torn:?}", case.name);
    if let Some(torn) = torn {
        assert!(torn.segment.ends_with(name(case.at.0)), "{}: {torn:?}", case.name);
        assert_eq!(torn.offset, case.at.1 * BLOCK_BYTES as u64, "{}: {torn:?}", case.name);
    }
    let expect_back = matches!(decision, Decision::EndAndUnrotate | Decision::CutAndUnrotate);
    assert_eq!(taken_back, expect_back, "{}", case.name);
}

fn options(dir: &Path) -> Options {
    Options { segment_bytes: SEGMENT_BYTES, ..Options::new(dir) }
}

fn write_log(dir: &Path, appends: u64) {
    let (log, _) = Log::open(options(dir)).unwrap();
    for index in 0..appends {
        append(&log, index, 1);
    }
    log.close();
}

fn append(log: &Log, index: u64, term: u64) {
    wait(log, vec![Record::Entry { index, term, payload: Bytes::from(vec![7; 1000]) }]);
}

fn purge(log: &Log, upto: u64) {
    wait(log, vec![Record::Purge { upto, payload: Bytes::from_static(b"p") }]);
}

fn wait(log: &Log, records: Vec<Record>) {
    let (sender, receiver) = sync_channel(1);
    log.append(records, move |result| sender.send(result).unwrap());
    receiver.recv().unwrap().unwrap();
}

fn name(sequence: u64) -> String {
    format!("{sequence:016x}.wal")
}

fn path(dir: &Path, sequence: u64) -> PathBuf {
    dir.join(name(sequence))
}

fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

fn edit(dir: &Path, sequence: u64, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path(dir, sequence)).unwrap();
    change(&mut bytes);
    fs::write(path(dir, sequence), bytes).unwrap();
}

fn flip(dir: &Path, sequence: u64, offset: u64) {
    edit(dir, sequence, |bytes| bytes[offset as usize] ^= 0x40);
}

fn overwrite(dir: &Path, sequence: u64, offset: u64, with: &[u8]) {
    edit(dir, sequence, |bytes| bytes[offset as usize..][..with.len()].copy_from_slice(with));
}

fn zero_block(dir: &Path, sequence: u64, block: usize) {
    overwrite(dir, sequence, (block * BLOCK_BYTES) as u64, &[0; BLOCK_BYTES]);
}

/// Takes away the empty batch that a clean close leaves, as if the process had been killed.
fn strip_mark(dir: &Path, sequence: u64, block: usize) {
    let bytes = fs::read(path(dir, sequence)).unwrap();
    assert_eq!(&bytes[block * BLOCK_BYTES..][..4], b"RBAT", "the mark is in block {block}");
    zero_block(dir, sequence, block);
}

fn copy_block(dir: &Path, sequence: u64, from: usize, to: usize) {
    edit(dir, sequence, |bytes| bytes.copy_within(from * BLOCK_BYTES..(from + 1) * BLOCK_BYTES, to * BLOCK_BYTES));
}

/// Copies what follows the batch header.
fn copy_records(dir: &Path, sequence: u64, from: usize, to: usize) {
    edit(dir, sequence, |bytes| {
        bytes.copy_within(
            from * BLOCK_BYTES + BATCH_HEADER_BYTES..(from + 1) * BLOCK_BYTES,
            to * BLOCK_BYTES + BATCH_HEADER_BYTES,
        );
    });
}

fn shorten(dir: &Path, sequence: u64, bytes: u64) {
    fs::OpenOptions::new().write(true).open(path(dir, sequence)).unwrap().set_len(bytes).unwrap();
}

fn remove(dir: &Path, sequence: u64) {
    fs::remove_file(path(dir, sequence)).unwrap();
}

fn rename(dir: &Path, from: u64, to: u64) {
    fs::rename(path(dir, from), path(dir, to)).unwrap();
}

fn set_version(dir: &Path, sequence: u64, version: u32) {
    edit(dir, sequence, |bytes| {
        bytes[8..12].copy_from_slice(&version.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..72]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    });
}

fn replace_by_another_log(dir: &Path) {
    let other = tempfile::tempdir().unwrap();
    write_log(other.path(), 8);
    fs::copy(path(other.path(), 2), path(dir, 2)).unwrap();
}

/// An append that does not fit the rest of the segment: seals it with two blocks unused. The mark of the close before is
/// batch 4, the seal batch 5 in block 5.
fn seal_early(dir: &Path) {
    let (log, _) = Log::open(options(dir)).unwrap();
    wait(&log, vec![Record::Entry { index: 3, term: 1, payload: Bytes::from(vec![7; 4 * BLOCK_BYTES]) }]);
    log.close();
}

/// The next segment as a rotation leaves it before the seal of segment 1 is written behind batch `last`.
fn begin_next(dir: &Path, last: u64) {
    let header = SegmentHeader::decode(&fs::read(path(dir, 1)).unwrap()[..BLOCK_BYTES]).unwrap();
    let next = SegmentHeader { sequence: 2, first_batch: last + 1, next_index: 3, ..header };
    let mut bytes = next.encode().to_vec();
    bytes.resize(SEGMENT_BYTES as usize, 0);
    fs::write(path(dir, 2), bytes).unwrap();
}
