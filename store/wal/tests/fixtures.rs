//! The committed logs of each format version: today's code reads them, and writes the bytes of the current one.
//!
//! `UPDATE_FIXTURES=1 cargo test -p store-wal --test fixtures` writes the current version's files anew; a difference in
//! them is a change of the format and needs a new version and a new directory.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use store_wal::disk::MemoryDisk;
use store_wal::format::{BATCH_HEADER_BYTES, BLOCK_BYTES, BatchHeader, RECORD_HEADER_BYTES, SegmentHeader};
use store_wal::{Bytes, Environment, Log, Options, Record, Recovered, Writing};

const SEGMENTS: [&str; 2] = ["0000000000000001.wal", "0000000000000002.wal"];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1")
}

fn open(disk: &MemoryDisk) -> (Log, Recovered) {
    let environment = Environment { disk: Arc::new(disk.clone()), writing: Writing::Manual, ..Environment::default() };
    let options = Options { segment_bytes: 4 * BLOCK_BYTES as u64, ..Options::new("/wal") };
    Log::open_with(options, environment).expect("the log opens")
}

fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn entry(index: u64, term: u64, payload: &'static str) -> Record {
    Record::Entry { index, term, payload: text(payload) }
}

/// A log with every kind of record, in two segments.
fn write() -> MemoryDisk {
    let disk = MemoryDisk::new(0x5eed);
    let (log, _) = open(&disk);
    let batches = [
        vec![Record::Vote { payload: text("vote 1") }, entry(0, 1, "zero"), entry(1, 1, "one"), entry(2, 1, "two")],
        vec![
            Record::Truncate { after: Some(1) },
            entry(2, 2, "two again"),
            entry(3, 2, ""),
            Record::Committed { index: 2, payload: text("committed 2") },
            Record::Purge { upto: 0, payload: text("purged 0") },
        ],
        vec![entry(4, 3, "four"), Record::Vote { payload: text("vote 3") }],
    ];
    for records in batches {
        log.append(records, |result| result.expect("the disk works"));
        assert!(log.write_queued());
    }
    log.close();
    disk
}

fn read_fixtures() -> Vec<Vec<u8>> {
    let files = SEGMENTS.iter().map(|name| fixtures().join(name));
    files.map(|path| fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).collect()
}

#[test]
fn current_code_writes_the_bytes_of_the_committed_log() {
    let disk = write();
    let written = SEGMENTS.map(|name| disk.contents(&Path::new("/wal").join(name)).expect("the segment is there"));
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        fs::create_dir_all(fixtures()).unwrap();
        for (name, bytes) in SEGMENTS.iter().zip(&written) {
            fs::write(fixtures().join(name), bytes).unwrap();
        }
    }
    for (number, committed) in read_fixtures().iter().enumerate() {
        assert!(&written[number] == committed, "{} differs from what this code writes", SEGMENTS[number]);
    }
}

#[test]
fn the_committed_log_of_version_1_opens() {
    let disk = MemoryDisk::new(1);
    for (name, bytes) in SEGMENTS.iter().zip(read_fixtures()) {
        disk.put(&Path::new("/wal").join(name), bytes);
    }
    let (log, recovered) = open(&disk);
    assert_eq!(recovered.first_index, Some(1));
    assert_eq!(recovered.last, Some((4, 3)));
    assert_eq!(recovered.vote, Some(text("vote 3")));
    assert_eq!(recovered.committed, Some((2, text("committed 2"))));
    assert_eq!(recovered.purged, Some((0, text("purged 0"))));
    assert_eq!(recovered.statistics.torn_tail, None);
    let entries = log.read(.., usize::MAX).unwrap();
    assert_eq!(entries, [(1, 1, text("one")), (2, 2, text("two again")), (3, 2, text("")), (4, 3, text("four"))]);
}

/// The offsets and values that FORMAT.md tells, checked against the committed bytes without the code that wrote them.
#[test]
fn the_committed_log_is_what_the_description_says() {
    let segments = read_fixtures();
    let u32_at = |segment: usize, at: usize| u32::from_le_bytes(segments[segment][at..at + 4].try_into().unwrap());
    let u64_at = |segment: usize, at: usize| u64::from_le_bytes(segments[segment][at..at + 8].try_into().unwrap());

    assert_eq!(&segments[0][..8], b"RFTSMWAL");
    assert_eq!(u32_at(0, 8), 1, "version");
    assert_eq!(u32_at(0, 12), crc32c::crc32c_append(crc32c::crc32c(&segments[0][..12]), &segments[0][16..72]));
    assert_eq!(u64_at(0, 16), u64_at(1, 16), "log id");
    assert_eq!((u64_at(0, 24), u64_at(1, 24)), (1, 2), "segment sequence");
    assert_eq!((u64_at(0, 32), u64_at(1, 32)), (16384, 16384), "segment length");
    assert_eq!((u64_at(0, 40), u64_at(1, 40)), (1, 4), "first batch: two batches and the seal are in segment 1");
    assert_eq!((u64_at(0, 48), u64_at(1, 48)), (0, 4), "next index");
    assert_eq!((u64_at(0, 56), u64_at(1, 56)), (0, 0), "not recycled");

    let header = SegmentHeader::decode(&segments[0][..BLOCK_BYTES]).unwrap();
    let seed = crc32c::crc32c(&header.salt().to_le_bytes());
    assert_eq!(&segments[0][4096..4100], b"RBAT");
    assert_eq!(u32_at(0, 4100), crc32c::crc32c_append(seed, &segments[0][4104..4128]), "batch header checksum");
    assert_eq!(u64_at(0, 4104), 1, "batch sequence");
    assert_eq!(u32_at(0, 4112), 4 * 32 + 6 + 4 + 3 + 3, "body length");
    assert_eq!(u32_at(0, 4116), 4, "records");
    let first = 4096 + BATCH_HEADER_BYTES;
    let second = first + RECORD_HEADER_BYTES + 6;
    assert_eq!(u32_at(0, first), crc32c::crc32c_append(seed, &segments[0][first + 4..second]), "record checksum");
    assert_eq!((u32_at(0, first + 4), segments[0][first + 8]), (6, 2), "a vote of six bytes");
    assert_eq!(&segments[0][first + 32..second], b"vote 1");
    assert_eq!((u32_at(0, second + 4), segments[0][second + 8]), (4, 1), "an entry of four bytes");
    assert_eq!((u64_at(0, second + 16), u64_at(0, second + 24)), (0, 1), "index and term");

    let seal = 3 * 4096;
    assert_eq!(BatchHeader::decode(header.salt(), &segments[0][seal..]).unwrap().sequence, 3);
    assert_eq!((segments[0][seal + 32 + 8], u64_at(0, seal + 32 + 16)), (6, 2), "the seal names the next segment");
    assert!(segments[1][3 * 4096..].iter().all(|byte| *byte == 0), "preallocated bytes are zero");
}
