//! Who leads, as this member sees it.

use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver as _;
use std::sync::Arc;
use tokio::sync::watch;

use super::types::{LogId, TypeConfig};
use crate::peer::Target;
use crate::state::State;

type Metrics = openraft::alias::WatchReceiverOf<TypeConfig, openraft::metrics::RaftServerMetrics<TypeConfig>>;

/// A view of the leadership; cheap to clone and to ask.
#[derive(Clone)]
pub(crate) struct Leadership {
    metrics: Metrics,
    state: Arc<State>,
    applied: watch::Receiver<Option<LogId>>,
}

impl Leadership {
    pub(crate) fn new(metrics: Metrics, state: Arc<State>) -> Self {
        let applied = state.subscribe_applied();
        Self { metrics, state, applied }
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.metrics.borrow_watched().state == ServerState::Leader
    }

    /// Id of the leader, if one is known.
    pub(crate) fn leader_id(&self) -> Option<u64> {
        self.metrics.borrow_watched().current_leader
    }

    /// The leader, if it is another member and known.
    pub(crate) fn leader(&self) -> Option<Target> {
        let metrics = self.metrics.borrow_watched();
        let id = metrics.current_leader.filter(|id| *id != metrics.id)?;
        let node = metrics.membership_config.get_node(&id)?;
        Some(Target { id, urls: node.peer_urls.clone() })
    }

    pub(crate) fn term(&self) -> u64 {
        self.metrics.borrow_watched().vote.leader_id().term
    }

    /// The term in which this member leads and has applied everything committed before.
    pub(crate) fn ready_term(&self) -> Option<u64> {
        let term = {
            let metrics = self.metrics.borrow_watched();
            (metrics.state == ServerState::Leader).then(|| metrics.vote.leader_id().term)?
        };
        (self.state.applied()?.leader_id.term == term).then_some(term)
    }

    /// Whether this member can answer linearizable reads by itself: it is the only voter, leads, and has applied what it
    /// committed before it led.
    pub(crate) fn is_alone_and_ready(&self) -> bool {
        let term = {
            let metrics = self.metrics.borrow_watched();
            let voters = metrics.membership_config.membership().get_joint_config();
            if metrics.state != ServerState::Leader || voters.len() != 1 || voters[0].len() != 1 {
                return false;
            }
            metrics.vote.leader_id().term
        };
        self.state.applied().is_some_and(|applied| applied.leader_id.term == term)
    }

    /// Waits for a change of leader, or, while leading without being ready, of what is applied.
    pub(crate) async fn changed(&mut self) {
        let waits_for_apply = self.is_leader() && self.ready_term().is_none();
        tokio::select! {
            result = self.metrics.changed() => if result.is_err() {
                // Consensus has stopped; nothing will change any more.
                std::future::pending::<()>().await;
            },
            result = self.applied.changed(), if waits_for_apply => if result.is_err() {
                std::future::pending::<()>().await;
            },
        }
    }
}
