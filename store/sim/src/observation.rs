//! What an outsider sees of all members at one moment.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use store::Status;
use store_types::etcdserverpb as pb;
use store_wal::disk::MemoryDisk;
use store_wal::{Environment, Log, Writing};

use crate::cluster::{Cluster, Running, SEGMENT_BYTES};
use crate::disk::LogDisk;

/// One member.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Which.
    pub member: usize,
    /// Which life of it.
    pub life: u64,
    /// What it says.
    pub status: Status,
    /// What its log would hold if the power went now: (term, hash of the payload) by index.
    pub durable: BTreeMap<u64, (u64, u64)>,
    /// Last purged index of that log.
    pub purged: Option<u64>,
    /// Hash of the whole state as of `status.applied_index`, if it stood still long enough to be read.
    pub state: Option<u64>,
}

/// All running members.
pub type Observation = Vec<Seen>;

/// Looks at every running member.
pub async fn observe(cluster: &Cluster) -> Result<Observation, String> {
    let mut observation = Vec::new();
    for member in 0..cluster.len() {
        if cluster.log_failed(member) {
            continue;
        }
        if let Some(failure) = cluster.own_failure(member) {
            return Err(failure);
        }
        if let Some(running) = cluster.running(member) {
            observation.push(look_at(member, &running, &cluster.disk(member)).await?);
        }
    }
    Ok(observation)
}

async fn look_at(member: usize, running: &Arc<Running>, disk: &MemoryDisk) -> Result<Seen, String> {
    let before = running.member.status();
    let state = state_hash(running).await;
    let status = running.member.status();
    let state = state.filter(|_| before.applied_index == status.applied_index);
    let (durable, purged) = durable_log(disk).map_err(|error| format!("the log of member {member}: {error}"))?;
    Ok(Seen { member, life: running.life, status, durable, purged, state })
}

async fn state_hash(running: &Running) -> Option<u64> {
    let everything = pb::RangeRequest {
        key: Bytes::from_static(&[0]),
        range_end: Bytes::from_static(&[0]),
        serializable: true,
        ..Default::default()
    };
    let response = running.store.range(everything).await.ok()?;
    let mut hasher = DefaultHasher::new();
    response.header.map_or(0, |header| header.revision).hash(&mut hasher);
    for kv in response.kvs {
        (kv.key, kv.value, kv.create_revision, kv.mod_revision, kv.version, kv.lease).hash(&mut hasher);
    }
    Some(hasher.finish())
}

type DurableLog = (BTreeMap<u64, (u64, u64)>, Option<u64>);

/// The log as a reboot would find it.
pub fn durable_log(disk: &MemoryDisk) -> Result<DurableLog, String> {
    let environment =
        Environment { disk: Arc::new(LogDisk(disk.image(0))), failure: Arc::new(|_| ()), writing: Writing::Manual };
    let (log, recovered) =
        Log::open_with(LogDisk::options(SEGMENT_BYTES), environment).map_err(|error| error.to_string())?;
    let entries = log.read(.., usize::MAX).map_err(|error| error.to_string())?;
    let hashed = entries.into_iter().map(|(index, term, payload)| {
        let mut hasher = DefaultHasher::new();
        payload.hash(&mut hasher);
        (index, (term, hasher.finish()))
    });
    Ok((hashed.collect(), recovered.purged.map(|(upto, _)| upto)))
}
