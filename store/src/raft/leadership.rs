//! Who leads, as this member sees it.
//!
//! Consensus names a leader until it hears of another one. Clients are told of a leader only while there is contact: a
//! follower hears the leader, a leader hears a quorum. Without, they are told that there is none, as by etcd, whose
//! leader steps down and whose followers forget it within two election timeouts.

use openraft::Instant as _;
use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver as _;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::state_machine::Raft;
use super::types::{LogId, TypeConfig};
use crate::peer::Target;
use crate::state::State;

type Metrics = openraft::alias::WatchReceiverOf<TypeConfig, openraft::metrics::RaftServerMetrics<TypeConfig>>;
type DataMetrics = openraft::alias::WatchReceiverOf<TypeConfig, openraft::metrics::RaftDataMetrics<TypeConfig>>;

/// Election timeouts in a row that end without a leader before streams that require one are cut off, as in etcd.
const TIMEOUTS_WITHOUT_LEADER_MAX: u32 = 3;

/// A view of the leadership; cheap to clone and to ask.
#[derive(Clone)]
pub(crate) struct Leadership {
    metrics: Metrics,
    data_metrics: DataMetrics,
    state: Arc<State>,
    applied: watch::Receiver<Option<LogId>>,
    contact: Contact,
    election_timeout: Duration,
    lost: watch::Sender<bool>,
}

/// When this member last heard that there is a leader: from the leader itself, or by becoming it.
#[derive(Clone, Default)]
pub(super) struct Contact(Arc<Mutex<Option<Instant>>>);

impl Contact {
    pub(super) fn renew(&self) {
        *self.0.lock() = Some(Instant::now());
    }

    fn last(&self) -> Option<Instant> {
        *self.0.lock()
    }
}

impl Leadership {
    pub(crate) fn new(raft: &Raft, state: Arc<State>, election_timeout: Duration) -> Self {
        let applied = state.subscribe_applied();
        Self {
            metrics: raft.server_metrics(),
            data_metrics: raft.data_metrics(),
            state,
            applied,
            contact: Contact::default(),
            election_timeout,
            lost: watch::Sender::new(false),
        }
    }

    pub(super) fn contact(&self) -> &Contact {
        &self.contact
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.metrics.borrow_watched().state == ServerState::Leader
    }

    /// Id of the leader, if one is known and there is contact.
    pub(crate) fn leader_id(&self) -> Option<u64> {
        let (leader, leads, alone) = {
            let metrics = self.metrics.borrow_watched();
            (metrics.current_leader?, metrics.state == ServerState::Leader, is_only_voter(&metrics))
        };
        if leads && alone {
            return Some(leader);
        }
        let acknowledged = match leads {
            true => self.data_metrics.borrow_watched().last_quorum_acked.map(|at| at.elapsed()),
            false => None,
        };
        let heard = self.contact.last().map(|at| at.elapsed());
        let silence = acknowledged.into_iter().chain(heard).min()?;
        // Between one and two election timeouts, like the time that members of etcd take to notice.
        (silence < self.election_timeout * 3 / 2).then_some(leader)
    }

    /// The leader, if it is another member, known, and there is contact.
    pub(crate) fn leader(&self) -> Option<Target> {
        let id = self.leader_id()?;
        let metrics = self.metrics.borrow_watched();
        if id == metrics.id {
            return None;
        }
        let node = metrics.membership_config.get_node(&id)?;
        Some(Target { id, urls: node.peer_urls.clone() })
    }

    /// Waits until there has been no leader for so long that streams that require one must end.
    pub(crate) fn lost(&self) -> impl Future<Output = ()> + use<> {
        let mut lost = self.lost.subscribe();
        // An error means that the member is gone, and with it its streams.
        async move { drop(lost.wait_for(|lost| *lost).await) }
    }

    /// The task behind [`Self::lost`]. Runs until `stop`.
    pub(super) async fn watch_loss(self, stop: CancellationToken) -> Result<(), std::convert::Infallible> {
        let mut ticks = interval(self.election_timeout);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut without_leader = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = ticks.tick() => {}
            }
            without_leader = if self.leader_id().is_some() { 0 } else { without_leader + 1 };
            let lost = without_leader >= TIMEOUTS_WITHOUT_LEADER_MAX;
            self.lost.send_if_modified(|known| std::mem::replace(known, lost) != lost);
        }
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
            if metrics.state != ServerState::Leader || !is_only_voter(&metrics) {
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

/// Whether the cluster has one voter, which then needs nobody's consent.
fn is_only_voter(metrics: &openraft::metrics::RaftServerMetrics<TypeConfig>) -> bool {
    let voters = metrics.membership_config.membership().get_joint_config();
    voters.len() == 1 && voters[0].len() == 1
}
