//! The replicated state of this member: index in memory, values in the backend, watchers.
//!
//! Writers: the state machine's task (entries, snapshots) and the background sweep of compacted rows, both under the write
//! lock. Readers choose rows under the read lock and fetch them without it. No lock is held across an await.

mod range;

use parking_lot::{RwLock, RwLockReadGuard};
use prometheus::Histogram;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use store_client::{Code, Error};
use store_mvcc::{Applied, Mvcc, Pending};
use store_types::etcdserverpb as pb;
use store_types::{Command, CommandResponse, Operation};
use tokio::sync::watch;

use crate::backend::{Backend, Generation};
use crate::raft::records::MembershipAtRecord;
use crate::raft::types::{LogId, Outcome, SnapshotMeta, StoredMembership};
use crate::watch::Hub;

/// Keys that one step of a compaction looks at before others get the lock.
const SWEEP_KEYS_MAX: usize = 1_000;
/// What a row takes in a write beside key and value, generously.
const ROW_BYTES: usize = 96;

/// The state of this member.
pub(crate) struct State {
    backend: Backend,
    mvcc: RwLock<Mvcc>,
    hub: Hub,
    position: RwLock<Position>,
    applied: watch::Sender<Option<LogId>>,
    /// Counts compactions, so that the sweep wakes.
    compactions: watch::Sender<u64>,
    /// The count up to which all rows are swept.
    swept: watch::Sender<u64>,
    watch_progress_notify_interval: Duration,
    running: AtomicBool,
    commit_seconds: Histogram,
    /// Bytes on disk when they were last counted, and what was written since.
    size_bytes: AtomicU64,
}

/// Where in the log the state stands.
#[derive(Clone, Default)]
pub(crate) struct Position {
    pub(crate) last: Option<LogId>,
    pub(crate) membership: StoredMembership,
}

/// What the state machine has to know about applied leases.
pub(crate) enum LeaseChange {
    Granted { id: i64, ttl_seconds: i64 },
    Revoked { id: i64 },
}

/// What applying one entry came to.
pub(crate) struct AppliedEntry {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) changes: Vec<store_mvcc::Change>,
    pub(crate) leases: Vec<LeaseChange>,
}

impl State {
    /// Rebuilds the state from what the last flush left below `root`.
    pub(crate) fn open(
        root: &Path,
        watch_progress_notify_interval: Duration,
        commit_seconds: Histogram,
    ) -> io::Result<Self> {
        let backend = Backend::open(root)?;
        let recovered = backend.generation().recover()?;
        let mut mvcc = recovered.mvcc;
        mvcc.set_load_previous(false);
        Ok(Self {
            size_bytes: AtomicU64::new(backend.generation().disk_bytes()),
            hub: Hub::new(mvcc.revision()),
            mvcc: RwLock::new(mvcc),
            backend,
            applied: watch::Sender::new(recovered.last),
            position: RwLock::new(Position { last: recovered.last, membership: recovered.membership }),
            // The recovered state may hold a compaction that was cut short.
            compactions: watch::Sender::new(1),
            swept: watch::Sender::new(0),
            watch_progress_notify_interval,
            running: AtomicBool::new(false),
            commit_seconds,
        })
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.backend
    }

    pub(crate) fn generation(&self) -> Arc<Generation> {
        self.backend.generation()
    }

    /// Bytes that the state takes on disk, at most.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes.load(Ordering::Relaxed)
    }

    /// Counts the bytes on disk anew.
    pub(crate) fn measure(&self) {
        self.size_bytes.store(self.generation().disk_bytes(), Ordering::Relaxed);
    }

    /// The index; hold it shortly.
    pub(crate) fn mvcc(&self) -> RwLockReadGuard<'_, Mvcc> {
        self.mvcc.read()
    }

    pub(crate) fn revision(&self) -> i64 {
        self.mvcc.read().revision()
    }

    pub(crate) fn compacted_revision(&self) -> i64 {
        self.mvcc.read().compacted_revision()
    }

    pub(crate) fn watch_progress_notify_interval(&self) -> Duration {
        self.watch_progress_notify_interval
    }

    pub(crate) fn position(&self) -> Position {
        self.position.read().clone()
    }

    /// Index of the last applied entry, 0 before any.
    pub(crate) fn applied_index(&self) -> u64 {
        self.applied.borrow().map_or(0, |id| id.index)
    }

    /// The last applied entry.
    pub(crate) fn applied(&self) -> Option<LogId> {
        *self.applied.borrow()
    }

    /// Waits until the entry of `index` has been applied.
    pub(crate) async fn wait_applied(&self, index: u64) {
        let mut applied = self.applied.subscribe();
        // The sender lives in self: the wait cannot fail.
        let _ = applied.wait_for(|applied| applied.is_some_and(|id| id.index >= index)).await;
    }

    /// Follows what is applied.
    pub(crate) fn subscribe_applied(&self) -> watch::Receiver<Option<LogId>> {
        self.applied.subscribe()
    }

    /// Whether the member runs, as opposed to being put together.
    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    /// From now on, openraft asks for snapshots in order to send them.
    pub(crate) fn mark_running(&self) {
        self.running.store(true, Ordering::Release);
    }

    /// Tells of compactions that leave rows to sweep.
    pub(crate) fn compactions(&self) -> watch::Receiver<u64> {
        self.compactions.subscribe()
    }

    /// Applies the commands of one entry: index, data and position move together, in one batch.
    pub(crate) fn apply(&self, position: LogId, commands: &[Command]) -> io::Result<AppliedEntry> {
        let generation = self.backend.generation();
        let bytes = ROW_BYTES + commands.iter().map(row_bytes).sum::<usize>();
        let mut batch = generation.batch(bytes)?;
        self.size_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let mut entry =
            AppliedEntry { outcomes: Vec::with_capacity(commands.len()), changes: Vec::new(), leases: Vec::new() };
        let mut compacted = false;
        {
            let mut mvcc = self.mvcc.write();
            let mut pending = Pending::new(&*generation);
            for command in commands {
                let applied = mvcc.apply(&pending, command).map_err(io::Error::other)?;
                let Applied { response, changes, leases, alarms, compacted: now, .. } = applied;
                compacted |= now.is_some();
                for lease in &leases {
                    batch.lease(lease);
                }
                if let Some(alarms) = &alarms {
                    batch.alarms(alarms);
                }
                entry.leases.extend(leases.into_iter().filter_map(|lease| lease_change(&command.operation, lease)));
                for change in &changes {
                    batch.change(change);
                }
                pending.extend(changes);
                entry.outcomes.push(response.map_err(refusal));
            }
            batch.applied(position.into(), mvcc.meta());
            self.commit_seconds.observe_closure_duration(|| batch.commit())?;
            entry.changes = pending.into_changes();
        }
        self.position.write().last = Some(position);
        if compacted {
            self.compactions.send_modify(|count| *count += 1);
        }
        Ok(entry)
    }

    /// Moves the position past an entry that carries no commands, and notes the members if it carries those.
    pub(crate) fn pass(&self, position: LogId, membership: Option<StoredMembership>) -> io::Result<()> {
        let generation = self.backend.generation();
        let mut batch = generation.batch(ROW_BYTES)?;
        if let Some(membership) = &membership {
            batch.membership(&MembershipAtRecord::from(membership));
        }
        {
            let mvcc = self.mvcc.write();
            batch.applied(position.into(), mvcc.meta());
            batch.commit()?;
        }
        let mut current = self.position.write();
        current.last = Some(position);
        if let Some(membership) = membership {
            current.membership = membership;
        }
        Ok(())
    }

    /// Lets those continue who wait for an applied index.
    pub(crate) fn publish_applied(&self) {
        let last = self.position.read().last;
        self.applied.send_replace(last);
    }

    /// Replaces everything by the database in `directory`. Watchers keep their places: they read on in the new history,
    /// or are cancelled where it was compacted.
    pub(crate) fn install(&self, directory: &Path, meta: &SnapshotMeta) -> io::Result<()> {
        {
            let mut mvcc = self.mvcc.write();
            let generation = self.backend.replace(directory)?;
            let recovered = generation.recover()?;
            if recovered.last != meta.last_log_id {
                let reason = format!("the snapshot stands at {:?}, not at {:?}", recovered.last, meta.last_log_id);
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
            *mvcc = recovered.mvcc;
            mvcc.set_load_previous(false);
            *self.position.write() = Position { last: recovered.last, membership: recovered.membership };
        }
        self.hub.jump(self.revision());
        self.compactions.send_modify(|count| *count += 1);
        self.publish_applied();
        Ok(())
    }

    /// Waits until the rows of all compactions so far are deleted.
    pub(crate) async fn wait_swept(&self) {
        let wanted = *self.compactions.borrow();
        // The sender lives in self: the wait cannot fail.
        let _ = self.swept.subscribe().wait_for(|swept| *swept >= wanted).await;
    }

    /// Notes that the sweep has caught up with this count of compactions.
    pub(crate) fn publish_swept(&self, count: u64) {
        self.swept.send_replace(count);
    }

    /// A transaction that only reads.
    pub(crate) fn read_txn(&self, request: &pb::TxnRequest) -> Result<pb::TxnResponse, Error> {
        let command = Command { time_unix_ms: 0, operation: Operation::Txn(request.clone()) };
        // In this order: a snapshot replaces index and database together, under the lock.
        let mut mvcc = self.mvcc.write();
        let generation = self.backend.generation();
        let applied = mvcc.apply(&*generation, &command).map_err(|error| broken(&error))?;
        match applied.response.map_err(refusal)? {
            CommandResponse::Txn(response) => Ok(response),
            _ => Err(Error::new(Code::Internal, "etcdserver: the answer does not fit the request")),
        }
    }

    /// Deletes some rows that compaction made unreachable; true when none are left.
    pub(crate) fn sweep(&self) -> io::Result<bool> {
        let mut mvcc = self.mvcc.write();
        let generation = self.backend.generation();
        let step = mvcc.sweep(SWEEP_KEYS_MAX);
        if !step.forgotten.is_empty() {
            let mut batch = generation.batch(step.forgotten.len() * ROW_BYTES)?;
            for revision in &step.forgotten {
                batch.forget(*revision);
            }
            batch.commit()?;
        }
        Ok(step.done)
    }
}

/// Bytes that a command is likely to write.
fn row_bytes(command: &Command) -> usize {
    match &command.operation {
        Operation::Put(request) => ROW_BYTES + request.key.len() + request.value.len(),
        Operation::Txn(request) => ROW_BYTES + prost::Message::encoded_len(request),
        _ => ROW_BYTES,
    }
}

/// A refusal of the state as clients see it.
pub(crate) fn refusal(refusal: store_mvcc::Error) -> Error {
    use store_mvcc::Error as Refusal;
    match refusal {
        Refusal::Compacted => Error::COMPACTED,
        Refusal::FutureRevision => Error::FUTURE_REVISION,
        Refusal::KeyNotFound => Error::KEY_NOT_FOUND,
        Refusal::EmptyKey => Error::EMPTY_KEY,
        Refusal::ValueProvided => Error::VALUE_PROVIDED,
        Refusal::LeaseProvided => Error::LEASE_PROVIDED,
        Refusal::TooManyOps => Error::TOO_MANY_OPS,
        Refusal::DuplicateKey => Error::DUPLICATE_KEY,
        Refusal::InvalidSortOption => Error::INVALID_SORT_OPTION,
        Refusal::LeaseNotFound => Error::LEASE_NOT_FOUND,
        Refusal::LeaseExists => Error::LEASE_EXISTS,
        Refusal::LeaseTtlTooLarge => Error::LEASE_TTL_TOO_LARGE,
        Refusal::NoSpace => Error::NO_SPACE,
        Refusal::Corrupt => Error::CORRUPT,
    }
}

/// A failure of the backend as clients see it; the member itself is about to stop.
pub(crate) fn broken(error: &(dyn std::error::Error + 'static)) -> Error {
    let mut source = Some(error);
    while let Some(error) = source {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return Error::STOPPED;
        }
        source = error.source();
    }
    tracing::error!(%error, "the state could not be read");
    Error::new(Code::Internal, format!("etcdserver: {error}"))
}

fn lease_change(operation: &store_types::Operation, write: store_mvcc::LeaseWrite) -> Option<LeaseChange> {
    match (operation, write) {
        // A checkpoint writes leases too, but moves no deadline of the leader that proposed it.
        (store_types::Operation::LeaseGrant(_), store_mvcc::LeaseWrite::Put(lease)) => {
            Some(LeaseChange::Granted { id: lease.id, ttl_seconds: lease.ttl_seconds })
        }
        (_, store_mvcc::LeaseWrite::Delete(id)) => Some(LeaseChange::Revoked { id }),
        _ => None,
    }
}
