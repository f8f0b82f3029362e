//! Step 9 of a write: committed entries are applied, in order, each in one batch with its position; then step 10: the
//! clients are answered and the changes announced.

use futures::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use std::io;
use std::sync::Arc;

use super::snapshot::SnapshotData;
use super::types::{LogId, Outcomes, Payload, SnapshotMeta, StoredMembership, TypeConfig};
use crate::lease::Lessor;
use crate::state::State;

/// openraft over this state machine.
pub(crate) type Raft = openraft::Raft<TypeConfig, StateMachine>;

type Snapshot = openraft::alias::SnapshotOf<TypeConfig, SnapshotData>;

/// openraft's hand on the [`State`].
pub(crate) struct StateMachine {
    state: Arc<State>,
    lessor: Arc<Lessor>,
}

/// Makes what openraft calls a snapshot: here, a flush. The state on disk is the snapshot, and a copy is made only when
/// one has to be sent.
pub(crate) struct Flush {
    state: Arc<State>,
}

impl StateMachine {
    pub(crate) fn new(state: Arc<State>, lessor: Arc<Lessor>) -> Self {
        Self { state, lessor }
    }

    fn apply_one(&self, entry: EntryResponder<TypeConfig>) -> io::Result<()> {
        let (entry, responder) = entry;
        let position = entry.log_id;
        let batch = match entry.payload {
            Payload::Normal(batch) => batch,
            Payload::Blank => {
                self.state.pass(position, None)?;
                return self.finish(responder, Vec::new());
            }
            Payload::Membership(membership) => {
                self.state.pass(position, Some(StoredMembership::new(Some(position), membership)))?;
                return self.finish(responder, Vec::new());
            }
        };
        let span = tracing::trace_span!("apply", index = position.index).entered();
        let applied = self.state.apply(position, batch.commands()?)?;
        drop(span);
        self.lessor.note(&applied.leases);
        self.finish(responder, applied.outcomes)?;
        self.state.hub().announce(applied.changes);
        Ok(())
    }

    fn finish(
        &self,
        responder: Option<openraft::storage::ApplyResponder<TypeConfig>>,
        outcomes: Vec<super::types::Outcome>,
    ) -> io::Result<()> {
        self.state.publish_applied();
        if let Some(responder) = responder {
            responder.send(Outcomes { outcomes });
        }
        Ok(())
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Flush;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let position = self.state.position();
        Ok((position.last, position.membership))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + Send,
    {
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            // An installed snapshot may be ahead of what openraft remembers of it.
            if self.state.applied().is_some_and(|applied| applied >= entry.0.log_id) {
                continue;
            }
            self.apply_one(entry)?;
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<Flush> {
        Some(Flush { state: Arc::clone(&self.state) })
    }

    async fn get_snapshot_builder(&mut self) -> Flush {
        Flush { state: Arc::clone(&self.state) }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotData) -> Result<(), io::Error> {
        let directory = snapshot.into_directory()?;
        let (state, meta) = (Arc::clone(&self.state), meta.clone());
        let installed = tokio::task::spawn_blocking(move || state.install(directory.path(), &meta));
        installed.await.map_err(io::Error::other)??;
        self.lessor.demote();
        Ok(())
    }

    /// A copy of the state as it is now. While openraft starts, nothing is to be sent, and what it needs to know of the
    /// flushed state comes from the builder.
    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        if !self.state.is_running() {
            return Ok(None);
        }
        let state = Arc::clone(&self.state);
        let copied = tokio::task::spawn_blocking(move || SnapshotData::copy(&state));
        let (meta, snapshot) = copied.await.map_err(io::Error::other)??;
        Ok(Some(Snapshot { meta, snapshot }))
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Flush {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let state = Arc::clone(&self.state);
        let flushed = tokio::task::spawn_blocking(move || {
            // Taken before the flush: what is applied meanwhile may or may not be in it.
            let position = state.position();
            state.generation().flush()?;
            Ok::<_, io::Error>(SnapshotMeta { last_log_id: position.last, last_membership: position.membership })
        });
        let meta = flushed.await.map_err(io::Error::other)??;
        Ok(Snapshot { meta, snapshot: SnapshotData::nothing() })
    }
}
