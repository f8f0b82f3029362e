//! What the state machine costs by itself: `cargo run --release -p store-mvcc --example throughput`.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;
use store_mvcc::{Mvcc, Record, Revision};
use store_types::command::{Command, Operation};
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::compare::TargetUnion;
use store_types::etcdserverpb::request_op::Request;

const KEYS: usize = 100_000;
const COMMANDS: usize = 400_000;
const VALUE_BYTES: usize = 1024;

fn key(number: usize) -> Bytes {
    // Spread over the key space like names, not in insertion order.
    format!("/registry/pods/default/pod-{:08x}", (number % KEYS).wrapping_mul(2_654_435_761) & 0xffff_ffff).into()
}

fn measure(what: &str, count: usize, mut run: impl FnMut(usize)) {
    let start = Instant::now();
    for number in 0..count {
        run(number);
    }
    let nanoseconds = start.elapsed().as_nanos() / count as u128;
    println!("{what:<44} {nanoseconds:>7} ns");
}

fn main() {
    let mut mvcc = Mvcc::new();
    mvcc.set_load_previous(false);
    let mut rows: BTreeMap<Revision, Record> = BTreeMap::new();
    let value = Bytes::from(vec![b'v'; VALUE_BYTES]);
    let put = |number| pb::PutRequest { key: key(number), value: value.clone(), ..Default::default() };
    let puts: Vec<Command> =
        (0..COMMANDS).map(|number| Command { time_unix_ms: 0, operation: Operation::Put(put(number)) }).collect();
    let mut row = Vec::new();
    measure("put (100,000 keys, versions 1 to 4)", COMMANDS, |number| {
        let applied = mvcc.apply(&rows, &puts[number]).expect("memory does not fail");
        black_box(applied.revision);
    });
    measure("put, with the row encoded", COMMANDS, |number| {
        let applied = mvcc.apply(&rows, &puts[number]).expect("memory does not fail");
        row.clear();
        applied.changes[0].encode_row(&mut row);
        black_box(&row);
    });
    let updates: Vec<Command> = (0..COMMANDS)
        .map(|number| {
            let current = mvcc.live(&key(number)).map_or(0, |mark| mark.revision.main);
            let compare = pb::Compare {
                target: pb::compare::CompareTarget::Mod as i32,
                key: key(number),
                target_union: Some(TargetUnion::ModRevision(current)),
                ..Default::default()
            };
            let success = vec![pb::RequestOp { request: Some(Request::RequestPut(put(number))) }];
            let txn = pb::TxnRequest { compare: vec![compare], success, failure: Vec::new() };
            Command { time_unix_ms: 0, operation: Operation::Txn(txn) }
        })
        .collect();
    measure("optimistic update (compare mod, then put)", KEYS, |number| {
        let applied = mvcc.apply(&rows, &updates[number]).expect("memory does not fail");
        for change in applied.changes {
            if let Some(kv) = change.event.kv {
                rows.insert(change.revision, Record::Put(kv));
            }
        }
    });
    let get = |number| pb::RangeRequest { key: key(number), ..Default::default() };
    let gets: Vec<pb::RangeRequest> = (0..KEYS).map(get).collect();
    let read = |request: &pb::RangeRequest| {
        let mut plan = mvcc.plan_range(request).expect("the newest revision can be read");
        while !plan.choose(&mvcc, usize::MAX).expect("nothing compacts") {}
        plan.fetch(&rows).expect("every row is there")
    };
    measure("get", KEYS, |number| {
        black_box(read(&gets[number]));
    });
    let list = pb::RangeRequest { key: "/registry/".into(), range_end: "/registry0".into(), ..Default::default() };
    measure("list of 100,000", 10, |_| {
        black_box(read(&list).kvs.len());
    });
    let page = pb::RangeRequest { limit: 500, ..list.clone() };
    measure("first 500 of 100,000, with the whole count", 10, |_| {
        black_box(read(&page).count);
    });
    let revision = mvcc.revision();
    let compact = pb::CompactionRequest { revision, physical: false };
    let compact = Command { time_unix_ms: 0, operation: Operation::Compact(compact) };
    mvcc.apply(&rows, &compact).expect("memory does not fail");
    let (start, mut forgotten) = (Instant::now(), 0);
    loop {
        let step = mvcc.sweep(1_000);
        forgotten += step.forgotten.len();
        if step.done {
            break;
        }
    }
    println!("compaction: {forgotten} rows of {} keys in {:?}", mvcc.key_count(), start.elapsed());
}
