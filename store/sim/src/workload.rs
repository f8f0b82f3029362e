//! Clients: each does one operation after another on a few keys, at whichever member runs, and writes down what it saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rand::Rng;
use rand::rngs::StdRng;
use store_client::{Error, Store};
use store_types::etcdserverpb as pb;
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
use crate::history::{Action, History, Operation};

/// Longer than the store's own deadline: a request that takes longer hangs.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Keys that the clients fight over.
pub const KEYS: usize = 6;

/// What all clients share.
pub struct Workload {
    /// The members.
    pub cluster: Arc<Cluster>,
    /// What was seen.
    pub history: Arc<History>,
    values: AtomicU64,
}

/// Outcome of one request.
struct Seen {
    action: Action,
    revision: i64,
    wrote: bool,
}

impl Workload {
    /// A workload that has not begun.
    pub fn new(cluster: Arc<Cluster>) -> Workload {
        Workload { cluster, history: Arc::default(), values: AtomicU64::new(1) }
    }

    /// Runs one client until it is told to stop.
    pub async fn client(self: Arc<Self>, number: usize, mut random: StdRng, stop: CancellationToken) {
        let mut last_seen = [0; KEYS];
        while !stop.is_cancelled() {
            let pause = random.random_range(Duration::ZERO..Duration::from_millis(40));
            tokio::time::sleep(pause).await;
            let member = random.random_range(0..self.cluster.len());
            let key = random.random_range(0..KEYS);
            let action = self.choose(last_seen[key], &mut random);
            let Some(running) = self.cluster.running(member) else { continue };
            let call = self.history.now();
            let outcome = tokio::select! {
                biased;
                () = running.died.cancelled() => Err(Error::TIMEOUT),
                outcome = tokio::time::timeout(ANSWER_LIMIT, perform(&*running.store, key, action, &mut random)) =>
                    outcome.unwrap_or(Err(Error::TIMEOUT)),
            };
            let answer = self.history.now();
            let operation = |action, answer, revision, wrote| {
                self.history.push(Operation { client: number, key, action, call, answer, revision, wrote });
            };
            match outcome {
                Ok(seen) => {
                    last_seen[key] = match seen.action {
                        Action::Read { found } => found,
                        Action::Write { value } | Action::Swap { value, swapped: Some(true), .. } => value,
                        Action::Swap { .. } => 0,
                    };
                    operation(seen.action, Some(answer), seen.revision, seen.wrote);
                }
                Err(error) if error.outcome_unknown() && !matches!(action, Action::Read { .. }) => {
                    operation(action, None, 0, false);
                }
                // A read without an answer and a write that was refused leave nothing to explain.
                Err(_) => {}
            }
        }
    }

    fn choose(&self, last_seen: u64, random: &mut StdRng) -> Action {
        match random.random_range(0..10) {
            0..4 => Action::Read { found: 0 },
            4..7 => Action::Write { value: self.value() },
            7 => Action::Write { value: 0 },
            _ => Action::Swap { expected: last_seen, value: self.value(), swapped: None },
        }
    }

    fn value(&self) -> u64 {
        self.values.fetch_add(1, Ordering::SeqCst)
    }
}

/// The key of a number.
pub fn key_name(key: usize) -> Bytes {
    Bytes::from(format!("/registry/pods/key-{key}"))
}

/// A value as stored: the number, and ballast so that the log grows.
pub fn value_bytes(value: u64) -> Bytes {
    Bytes::from(format!("{value} {:0>200}", ""))
}

/// The number in a stored value.
pub fn value_number(value: &[u8]) -> u64 {
    let digits: Vec<u8> = value.iter().copied().take_while(u8::is_ascii_digit).collect();
    String::from_utf8_lossy(&digits).parse().unwrap_or(u64::MAX)
}

async fn perform(store: &dyn Store, key: usize, action: Action, random: &mut StdRng) -> Result<Seen, Error> {
    let key = key_name(key);
    match action {
        Action::Read { .. } => {
            let response = store.range(pb::RangeRequest { key, ..Default::default() }).await?;
            let found = response.kvs.first().map_or(0, |kv| value_number(&kv.value));
            Ok(Seen { action: Action::Read { found }, revision: revision(response.header), wrote: false })
        }
        Action::Write { value: 0 } => {
            let response = store.delete_range(pb::DeleteRangeRequest { key, ..Default::default() }).await?;
            Ok(Seen { action, revision: revision(response.header), wrote: response.deleted > 0 })
        }
        Action::Write { value } => {
            let request = pb::PutRequest { key, value: value_bytes(value), ..Default::default() };
            let response = store.put(request).await?;
            Ok(Seen { action, revision: revision(response.header), wrote: true })
        }
        Action::Swap { expected, value, .. } => {
            let target = match expected {
                0 => pb::compare::TargetUnion::Version(0),
                expected => pb::compare::TargetUnion::Value(value_bytes(expected)),
            };
            let of = match expected {
                0 => pb::compare::CompareTarget::Version,
                _ => pb::compare::CompareTarget::Value,
            };
            let compare = pb::Compare {
                result: pb::compare::CompareResult::Equal as i32,
                target: of as i32,
                key: key.clone(),
                target_union: Some(target),
                ..Default::default()
            };
            let put = pb::PutRequest { key, value: value_bytes(value), ..Default::default() };
            let mut success = vec![pb::RequestOp { request: Some(pb::request_op::Request::RequestPut(put.clone())) }];
            if random.random_bool(0.3) {
                // A second key in the same revision.
                let also = pb::PutRequest { key: Bytes::from_static(b"/registry/also"), ..put };
                success.push(pb::RequestOp { request: Some(pb::request_op::Request::RequestPut(also)) });
            }
            let request = pb::TxnRequest { compare: vec![compare], success, failure: Vec::new() };
            let response = store.txn(request).await?;
            let swapped = response.succeeded;
            let action = Action::Swap { expected, value, swapped: Some(swapped) };
            Ok(Seen { action, revision: revision(response.header), wrote: swapped })
        }
    }
}

fn revision(header: Option<pb::ResponseHeader>) -> i64 {
    header.map_or(0, |header| header.revision)
}
