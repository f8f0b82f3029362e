//! The log against a model, with the power cut at every operation of the disk and with disks that fail.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use proptest::prelude::*;
use store_wal::disk::{Fault, MemoryDisk};
use store_wal::{Bytes, Environment, Log, OpenError, Options, QUEUE_BYTES_MAX, Record, Recovered, Writing};

const SEGMENT_BYTES: u64 = 32 * 1024;

/// What a log holds, as simply as it can be said.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    entries: BTreeMap<u64, (u64, Bytes)>,
    vote: Option<Bytes>,
    committed: Option<(u64, Bytes)>,
    purged: Option<(u64, Bytes)>,
}

impl Model {
    fn apply(&mut self, records: &[Record]) {
        for record in records {
            match record.clone() {
                Record::Entry { index, term, payload } => {
                    self.entries.insert(index, (term, payload));
                }
                Record::Vote { payload } => self.vote = Some(payload),
                Record::Committed { index, payload } => self.committed = Some((index, payload)),
                Record::Truncate { after } => {
                    self.entries.retain(|index, _| after.is_some_and(|after| *index <= after))
                }
                Record::Purge { upto, payload } => {
                    self.entries.retain(|index, _| *index > upto);
                    self.purged = Some((upto, payload));
                }
            }
        }
    }

    fn next(&self) -> u64 {
        let after_purged = self.purged.as_ref().map_or(0, |(upto, _)| upto + 1);
        self.entries.keys().next_back().map_or(after_purged, |last| last + 1)
    }

    fn of(log: &Log, recovered: &Recovered) -> Model {
        let entries = log.read(.., usize::MAX).expect("a recovered log reads");
        let model = Model {
            entries: entries.into_iter().map(|(index, term, payload)| (index, (term, payload))).collect(),
            vote: recovered.vote.clone(),
            committed: recovered.committed.clone(),
            purged: recovered.purged.clone(),
        };
        assert_eq!(recovered.first_index, model.entries.keys().next().copied());
        assert_eq!(recovered.last, model.entries.iter().next_back().map(|(index, (term, _))| (*index, *term)));
        model
    }
}

/// One step of a workload, made concrete against the model when it runs.
#[derive(Debug, Clone)]
enum Step {
    Entries {
        count: u64,
        bytes: usize,
    },
    Vote,
    Committed,
    /// Takes back this many entries and appends one of a higher term.
    Truncate {
        entries: u64,
    },
    Purge {
        keep: u64,
    },
    PurgeBeyond {
        gap: u64,
    },
    Write,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..4_u64, prop_oneof![Just(0_usize), 1..200_usize, 3000..9000_usize])
            .prop_map(|(count, bytes)| Step::Entries { count, bytes }),
        1 => Just(Step::Vote),
        1 => Just(Step::Committed),
        1 => (0..6_u64).prop_map(|entries| Step::Truncate { entries }),
        2 => (0..6_u64).prop_map(|keep| Step::Purge { keep }),
        1 => (0..5_u64).prop_map(|gap| Step::PurgeBeyond { gap }),
        4 => Just(Step::Write),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..60)
}

/// A workload under way: the model after each append, and which of them were acknowledged.
struct Run {
    disk: MemoryDisk,
    log: Option<Log>,
    states: Vec<Model>,
    acknowledged: Arc<AtomicUsize>,
    counter: u64,
}

impl Run {
    fn new(disk: MemoryDisk) -> Run {
        let log = open(&disk).ok().map(|(log, _)| log);
        Run { disk, log, states: vec![Model::default()], acknowledged: Arc::default(), counter: 0 }
    }

    fn model(&self) -> &Model {
        self.states.last().expect("there is the empty state")
    }

    fn step(&mut self, step: &Step) {
        self.counter += 1;
        let stamp = Bytes::from(format!("stamp {}", self.counter));
        let next = self.model().next();
        let term = self.counter;
        match step {
            Step::Entries { count, bytes } => {
                let payload = Bytes::from(vec![self.counter as u8; *bytes]);
                self.append(
                    (next..next + count).map(|index| Record::Entry { index, term, payload: payload.clone() }).collect(),
                );
            }
            Step::Vote => self.append(vec![Record::Vote { payload: stamp }]),
            Step::Committed => self.append(vec![Record::Committed { index: next, payload: stamp }]),
            Step::Truncate { entries } => {
                let first = self.model().entries.keys().next().copied().unwrap_or(next);
                let keep = next.saturating_sub(*entries).max(first);
                let truncate = Record::Truncate { after: keep.checked_sub(1) };
                self.append(vec![truncate, Record::Entry { index: keep, term, payload: stamp }]);
            }
            Step::Purge { keep } => {
                if let Some(upto) = next.checked_sub(keep + 1).filter(|upto| Some(*upto) >= self.purged_upto()) {
                    self.append(vec![Record::Purge { upto, payload: stamp }]);
                }
            }
            Step::PurgeBeyond { gap } => self.append(vec![Record::Purge { upto: next + gap, payload: stamp }]),
            Step::Write => {
                if let Some(log) = &self.log {
                    log.write_queued();
                }
            }
            Step::Reopen => self.reopen(),
        }
    }

    fn purged_upto(&self) -> Option<u64> {
        self.model().purged.as_ref().map(|(upto, _)| *upto)
    }

    fn append(&mut self, records: Vec<Record>) {
        let Some(log) = &self.log else { return };
        let mut model = self.model().clone();
        model.apply(&records);
        self.states.push(model);
        let number = self.states.len() - 1;
        let acknowledged = self.acknowledged.clone();
        log.append(records, move |result| {
            if result.is_ok() {
                let before = acknowledged.swap(number, Ordering::SeqCst);
                assert!(before < number, "answers come in order");
            }
        });
    }

    fn reopen(&mut self) {
        if let Some(log) = self.log.take() {
            log.close();
            self.log = open(&self.disk).ok().map(|(log, recovered)| {
                assert_eq!(&Model::of(&log, &recovered), self.model(), "a clean close loses nothing");
                log
            });
        }
    }

    /// What was appended is readable, durable or not, while nothing has failed.
    fn check_reads(&self) {
        let Some(log) = self.log.as_ref().filter(|_| self.disk_works()) else { return };
        let entries = log.read(.., usize::MAX).expect("a working disk reads");
        let expected: Vec<_> =
            self.model().entries.iter().map(|(index, (term, bytes))| (*index, *term, bytes.clone())).collect();
        assert_eq!(entries, expected);
    }

    fn disk_works(&self) -> bool {
        use store_wal::disk::Disk;
        self.disk.list(std::path::Path::new("/wal")).is_ok()
    }
}

fn options() -> Options {
    Options { segment_bytes: SEGMENT_BYTES, ..Options::new("/wal") }
}

fn open(disk: &MemoryDisk) -> Result<(Log, Recovered), OpenError> {
    open_noting(disk, Arc::default())
}

fn open_noting(disk: &MemoryDisk, failures: Arc<Mutex<Vec<String>>>) -> Result<(Log, Recovered), OpenError> {
    let environment = Environment {
        disk: Arc::new(disk.clone()),
        failure: Arc::new(move |failure| failures.lock().push(failure.source.to_string())),
        writing: Writing::Manual,
    };
    Log::open_with(options(), environment)
}

/// Runs the workload with the power cut at operation `at`, reboots, and checks what is left.
fn crash_at(workload: &[Step], at: u64, seed: u64) {
    let disk = MemoryDisk::new(seed);
    disk.inject(at, Fault::Crash);
    let mut run = Run::new(disk.clone());
    for step in workload {
        run.step(step);
        run.check_reads();
    }
    let acknowledged = run.acknowledged.load(Ordering::SeqCst);
    let states = run.states.clone();
    drop(run);

    let rebooted = disk.reboot(seed);
    let (log, recovered) = open(&rebooted).unwrap_or_else(|error| panic!("crash at {at}, seed {seed}: {error}"));
    let found = Model::of(&log, &recovered);
    let position = states[acknowledged..].iter().position(|state| *state == found);
    assert!(
        position.is_some(),
        "crash at {at}, seed {seed}: {found:?} is no state from the acknowledged one on: {:?}",
        states[acknowledged]
    );

    // It goes on: whatever was cut does not come back.
    let next = found.next();
    let record = Record::Entry { index: next, term: 9999, payload: Bytes::from_static(b"after") };
    let mut expected = found;
    expected.apply(std::slice::from_ref(&record));
    log.append(vec![record], |result| result.expect("the rebooted disk works"));
    log.write_queued();
    drop(log);
    let (log, recovered) = open(&rebooted).expect("a log opens twice");
    assert_eq!(Model::of(&log, &recovered), expected);
}

fn operations(workload: &[Step], seed: u64) -> u64 {
    let disk = MemoryDisk::new(seed);
    let mut run = Run::new(disk.clone());
    for step in workload {
        run.step(step);
        run.check_reads();
    }
    drop(run);
    disk.operations()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    // proves: ST-02, ST-03
    #[test]
    fn no_crash_loses_what_was_acknowledged_or_leaves_half_an_append(workload in steps(), seed in any::<u64>()) {
        for at in 1..=operations(&workload, seed) {
            crash_at(&workload, at, seed.wrapping_add(at));
        }
    }

    #[test]
    fn a_failed_write_is_reported_once_and_nothing_is_acknowledged_after_it(
        workload in steps(), at in 6..40_u64, seed in any::<u64>(),
    ) {
        let disk = MemoryDisk::new(seed);
        let failures = Arc::new(Mutex::new(Vec::new()));
        let (log, _) = open_noting(&disk, failures.clone()).expect("opening takes fewer operations");
        disk.inject(at, Fault::Error);
        let mut run = Run { log: Some(log), ..Run::new(disk.clone()) };
        let mut acknowledged_at_failure = None;
        for step in workload.iter().filter(|step| !matches!(step, Step::Reopen)) {
            run.step(step);
            let acknowledged = run.acknowledged.load(Ordering::SeqCst);
            if !failures.lock().is_empty() {
                prop_assert_eq!(*acknowledged_at_failure.get_or_insert(acknowledged), acknowledged);
            }
        }
        prop_assert!(failures.lock().len() <= 1);
    }
}

#[test]
fn a_full_disk_is_a_failed_write_and_the_log_opens_when_there_is_room() {
    let disk = MemoryDisk::new(1);
    let failures = Arc::new(Mutex::new(Vec::new()));
    let (log, _) = open_noting(&disk, failures.clone()).unwrap();
    disk.limit(2 * SEGMENT_BYTES);
    let acknowledged = Arc::new(AtomicUsize::new(0));
    for index in 0..40 {
        let acknowledged = acknowledged.clone();
        let payload = Bytes::from(vec![1; 1000]);
        log.append(vec![Record::Entry { index, term: 1, payload }], move |result| match result {
            Ok(()) => {
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::Other),
        });
        log.write_queued();
    }
    assert_eq!(failures.lock().len(), 1);
    let acknowledged = acknowledged.load(Ordering::SeqCst) as u64;
    assert_eq!(acknowledged, 12, "two segments of six batches");
    drop(log);
    disk.limit(u64::MAX);
    let (log, _) = open(&disk).unwrap();
    assert_eq!(log.first_last(), Some((0, acknowledged - 1)));
}

#[test]
fn a_group_of_appends_takes_one_write() {
    let disk = MemoryDisk::new(1);
    let (log, _) = open(&disk).unwrap();
    let before = disk.operations();
    for index in 0..50 {
        log.append(vec![Record::Entry { index, term: 1, payload: Bytes::new() }], |result| result.unwrap());
    }
    assert!(log.write_queued());
    assert_eq!(disk.operations() - before, 1);
    assert!(!log.write_queued());
}

#[test]
fn a_torn_tail_is_reported_once() {
    for seed in 0..64 {
        let disk = MemoryDisk::new(seed);
        let (log, _) = open(&disk).unwrap();
        for index in 0..3 {
            let payload = Bytes::from(vec![7; 8000]);
            if index == 2 {
                disk.inject(disk.operations() + 1, Fault::Crash);
            }
            log.append(vec![Record::Entry { index, term: 1, payload }], |_| ());
            log.write_queued();
        }
        let rebooted = disk.reboot(seed);
        let (_running, recovered) = open(&rebooted).unwrap();
        if recovered.statistics.torn_tail.is_some() {
            assert_eq!(recovered.last, Some((1, 1)));
            let (_, again) = open(&rebooted.image(0)).unwrap();
            assert_eq!(again.statistics.torn_tail, None, "seed {seed}");
            return;
        }
    }
    panic!("no seed tore the last write");
}

#[test]
fn more_than_the_queue_holds_passes_through_it() {
    let environment = Environment { disk: Arc::new(MemoryDisk::new(1)), ..Environment::default() };
    let options = Options { segment_bytes: 1 << 20, ..Options::new("/wal") };
    let (log, _) = Log::open_with(options, environment).unwrap();
    let (sender, receiver) = std::sync::mpsc::sync_channel(100);
    let payload = Bytes::from(vec![7; QUEUE_BYTES_MAX / 4]);
    for index in 0..9 {
        let (sender, payload) = (sender.clone(), payload.clone());
        let log = log.clone();
        // On a thread of its own: a queue that never empties must fail the test, not hang it.
        let append = std::thread::spawn(move || {
            log.append(vec![Record::Entry { index, term: 1, payload }], move |result| sender.send(result).unwrap());
        });
        let begun = std::time::Instant::now();
        while !append.is_finished() {
            assert!(begun.elapsed() < std::time::Duration::from_secs(60), "append {index} blocks for ever");
            std::thread::yield_now();
        }
    }
    for _ in 0..9 {
        receiver.recv_timeout(std::time::Duration::from_secs(60)).unwrap().unwrap();
    }
}
