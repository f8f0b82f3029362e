//! One member of the replicated state: what the client API, the wire and the peers call.

use bytes::Bytes;
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::raft::AppendEntriesResponse;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use store_client::{Code, Error};
use store_types::{CommandResponse, Operation};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::forward::{self, LeaseQuestion};
use super::leadership::Leadership;
use super::log_store::LogStore;
use super::network::{self, AppendAnswer, Network, TransferAnswer, TransferMessage, VoteAnswer, VoteMessage};
use super::proposal::{Answer, Proposal};
use super::proposer::{Proposer, QUEUE_COMMANDS_MAX};
use super::read_index::{Asker, WAITING_READS_MAX, Waiting};
use super::receiver::Receiver;
use super::state_machine::{Raft, StateMachine};
use super::types::Node;
use super::{codec, settings};
use crate::config::Config;
use crate::error::StartError;
use crate::identity::{Identity, member_id};
use crate::lease::Lessor;
use crate::metrics::{MeteredDisk, Metrics};
use crate::peer::{Handler, Method, Target, Transport};
use crate::state::State;

/// How long a request waits for its outcome: etcd's five seconds, and twice its election timeout of one.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(7);
/// How long a stopping leader waits for its successor.
const HAND_OVER_TIMEOUT: Duration = Duration::from_millis(500);
/// How long another member may take to tell where it serves clients.
const DESCRIBE_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a request without a leader waits before it looks again.
const LEADER_POLL: Duration = Duration::from_millis(20);

/// One member.
pub(crate) struct Replica {
    identity: Identity,
    raft: Raft,
    state: Arc<State>,
    lessor: Arc<Lessor>,
    log: LogStore,
    leadership: Leadership,
    transport: Arc<dyn Transport>,
    proposals: mpsc::Sender<Proposal>,
    reads: mpsc::Sender<Waiting>,
    receiver: Receiver,
    client_urls: Vec<String>,
    metrics: Metrics,
    /// What the other members said of themselves when they were last reached.
    known_client_urls: Mutex<HashMap<u64, Vec<String>>>,
}

/// A member put together but not yet running.
pub(crate) struct Start {
    /// The member.
    pub(crate) replica: Arc<Replica>,
    proposer: Proposer,
    reads: mpsc::Receiver<Waiting>,
    members: BTreeMap<u64, Node>,
}

impl Start {
    /// Opens log and state and recovers what they hold.
    pub(crate) async fn new(
        config: &Config,
        identity: Identity,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, StartError> {
        let metrics = Metrics::new();
        let (log, state) = open(config, &metrics).await?;
        let state = Arc::new(state);
        let lessor = Arc::new(Lessor::new(Arc::clone(&state)));
        let network = Network { member_id: identity.member_id, transport: Arc::clone(&transport) };
        let machine = StateMachine::new(Arc::clone(&state), Arc::clone(&lessor));
        let settings = settings::settings(config, identity.cluster_id)?;
        let raft = Raft::build(identity.member_id, settings, network, log.clone(), machine)
            .await
            .map_err(|error| StartError::Raft(error.to_string()))?;
        let leadership = Leadership::new(&raft, Arc::clone(&state), config.election_timeout);
        let (proposals, queue) = mpsc::channel(QUEUE_COMMANDS_MAX);
        let (read_queue, reads) = mpsc::channel(WAITING_READS_MAX);
        let proposer = Proposer {
            raft: raft.clone(),
            state: Arc::clone(&state),
            leadership: leadership.clone(),
            transport: Arc::clone(&transport),
            queue,
            forward_timeout: REQUEST_TIMEOUT,
        };
        let members = config.members().into_iter().map(|(name, peer_urls)| {
            let id = member_id(&name, &peer_urls, &config.initial_cluster_token);
            (id, Node { name, peer_urls })
        });
        let replica = Replica {
            identity,
            raft,
            state,
            lessor,
            log,
            leadership,
            transport,
            proposals,
            reads: read_queue,
            receiver: Receiver::default(),
            client_urls: match config.advertise_client_urls.is_empty() {
                true => config.listen_client_urls.clone(),
                false => config.advertise_client_urls.clone(),
            },
            metrics,
            known_client_urls: Mutex::default(),
        };
        let replica = Arc::new(replica);
        replica.metrics.observe(Arc::downgrade(&replica));
        Ok(Self { replica, proposer, reads, members: members.collect() })
    }

    /// Starts consensus and the member's tasks; founds the cluster at the very first start.
    pub(crate) async fn run(self, supervisor: &daemon::Supervisor) -> Result<Arc<Replica>, StartError> {
        let replica = self.replica;
        let failed = |error: &dyn std::error::Error| StartError::Raft(error.to_string());
        replica.state.mark_running();
        replica.raft.run();
        let stop = || supervisor.token().clone();
        supervisor.spawn(PROPOSER, self.proposer.run(stop()));
        let asker = Asker {
            raft: replica.raft.clone(),
            leadership: replica.leadership.clone(),
            transport: Arc::clone(&replica.transport),
        };
        supervisor.spawn(READ_INDEX, asker.run(self.reads, stop()));
        supervisor.spawn(LEASES, crate::lease::run(Arc::clone(&replica), stop()));
        supervisor.spawn(CONSENSUS, watch_consensus(Arc::clone(&replica), stop()));
        supervisor.spawn(LEADER_LOSS, replica.leadership().watch_loss(stop()));
        if !replica.raft.is_initialized().await.map_err(|error| failed(&error))? {
            let alone = self.members.len() == 1;
            match replica.raft.initialize(self.members).await {
                Ok(()) => {}
                // A leader among the others was faster.
                Err(error) if !alone => tracing::debug!(%error, "the cluster is already founded"),
                Err(error) => return Err(failed(&error)),
            }
        } else if self.members.len() == 1 && !replica.leadership.is_leader() {
            // Nobody else can lead: there is nothing to wait for.
            replica.raft.trigger().elect(false).await.map_err(|error| failed(&error))?;
        }
        Ok(replica)
    }
}

const PROPOSER: daemon::TaskKind = daemon::TaskKind { name: "store-proposer", on_error: daemon::OnError::ShutDown };
const READ_INDEX: daemon::TaskKind = daemon::TaskKind { name: "store-read-index", on_error: daemon::OnError::ShutDown };
const LEASES: daemon::TaskKind = daemon::TaskKind { name: "store-leases", on_error: daemon::OnError::ShutDown };
const CONSENSUS: daemon::TaskKind = daemon::TaskKind { name: "store-consensus", on_error: daemon::OnError::ShutDown };
const LEADER_LOSS: daemon::TaskKind =
    daemon::TaskKind { name: "store-leader-loss", on_error: daemon::OnError::ShutDown };

impl Replica {
    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    pub(crate) fn state(&self) -> &Arc<State> {
        &self.state
    }

    pub(crate) fn lessor(&self) -> &Arc<Lessor> {
        &self.lessor
    }

    pub(crate) fn log(&self) -> &LogStore {
        &self.log
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Index of the last committed entry that this member knows of.
    pub(crate) fn committed_index(&self) -> u64 {
        self.raft.metrics().borrow_watched().local_committed.map_or(0, |id| id.index)
    }

    pub(crate) fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// The term as this member sees it.
    pub(crate) fn term(&self) -> u64 {
        self.leadership.term()
    }

    /// Term and leader as this member sees them; leader 0 for none.
    pub(crate) fn term_and_leader(&self) -> (u64, u64) {
        (self.leadership.term(), self.leadership.leader_id().unwrap_or(0))
    }

    /// The members of the cluster, by id.
    pub(crate) fn members(&self) -> Vec<(u64, Node, bool)> {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let voters: Vec<u64> = membership.voter_ids().collect();
        membership.nodes().map(|(id, node)| (*id, node.clone(), !voters.contains(id))).collect()
    }

    /// Where a member serves clients, asked of itself; empty if it was never reached, which clients take for "not started".
    pub(crate) async fn client_urls_of(&self, id: u64, node: &Node) -> Vec<String> {
        if id == self.identity.member_id {
            return self.client_urls.clone();
        }
        let target = Target { id, urls: node.peer_urls.clone() };
        let answer = self.transport.call(&target, Method::Describe, Bytes::new(), DESCRIBE_TIMEOUT).await;
        let urls: Option<Vec<String>> = answer.ok().and_then(|answer| codec::decode(&answer).ok());
        let mut known = self.known_client_urls.lock();
        match urls {
            Some(urls) => {
                known.insert(id, urls.clone());
                urls
            }
            None => known.get(&id).cloned().unwrap_or_default(),
        }
    }

    /// Makes the state durable as it is and lets the log go that it covers.
    pub(crate) async fn flush(&self) -> Result<(), String> {
        self.raft.trigger().snapshot().await.map_err(|error| error.to_string())
    }

    /// Proposes a command, here or at the leader, and waits for its outcome.
    ///
    /// # Errors
    /// The state's refusal; "too many requests" if the queue is full; "no leader" if none turned up in time, in which case
    /// nothing happened; else the outcome is unknown.
    pub(crate) async fn propose(&self, operation: Operation) -> Result<CommandResponse, Error> {
        let _pending = self.metrics.proposal();
        let outcome = self.propose_until_taken(operation).await;
        if let Err(error) = &outcome
            && error.outcome_unknown() | [Error::NO_LEADER, Error::STOPPED].contains(error)
        {
            self.metrics.proposal_failed();
        }
        outcome
    }

    async fn propose_until_taken(&self, operation: Operation) -> Result<CommandResponse, Error> {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let mut operation = operation;
        loop {
            match tokio::time::timeout_at(deadline, self.submit(operation, false)).await {
                Ok(Answer::Outcome(outcome, _)) => return outcome,
                Ok(Answer::Returned(returned)) => operation = *returned,
                Err(_) => return Err(Error::TIMEOUT),
            }
            if Instant::now() + LEADER_POLL >= deadline {
                return Err(Error::NO_LEADER);
            }
            tokio::time::sleep(LEADER_POLL).await;
        }
    }

    /// Proposes a command only if this member leads.
    pub(crate) async fn propose_as_leader(&self, operation: Operation) -> Result<CommandResponse, Error> {
        match tokio::time::timeout(REQUEST_TIMEOUT, self.submit(operation, true)).await {
            Ok(Answer::Outcome(outcome, _)) => outcome,
            Ok(Answer::Returned(_)) => Err(Error::NOT_LEADER),
            Err(_) => Err(Error::TIMEOUT),
        }
    }

    /// Queues a command and waits for its answer, for as long as that takes.
    pub(super) async fn submit(&self, operation: Operation, as_leader: bool) -> Answer {
        let (answer, outcome) = oneshot::channel();
        let failed = |error| Answer::Outcome(Err(error), 0);
        match self.proposals.try_send(Proposal { operation, answer, as_leader }) {
            Ok(()) => outcome.await.unwrap_or_else(|_| failed(Error::LEADER_CHANGED)),
            Err(mpsc::error::TrySendError::Full(_)) => failed(Error::TOO_MANY_REQUESTS),
            Err(mpsc::error::TrySendError::Closed(_)) => failed(Error::STOPPED),
        }
    }

    /// Waits until this member shows everything that was committed when the call was made.
    ///
    /// # Errors
    /// "request timed out" if no leader confirmed in time, as in etcd, or if this member shuts down that it does.
    pub(crate) async fn linearize(&self) -> Result<(), Error> {
        if self.leadership.is_alone_and_ready() {
            return Ok(());
        }
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        loop {
            match self.read_index().await {
                Ok(index) => {
                    let applied = tokio::time::timeout_at(deadline, self.state.wait_applied(index)).await;
                    return applied.map_err(|_| Error::TIMEOUT);
                }
                Err(error) if error == Error::STOPPED => return Err(error),
                Err(_) if Instant::now() >= deadline => return Err(Error::TIMEOUT),
                Err(_) => tokio::time::sleep(LEADER_POLL).await,
            }
        }
    }

    /// An index that covers everything that is committed now.
    pub(super) async fn read_index(&self) -> Result<u64, Error> {
        let (waiting, answer) = oneshot::channel();
        self.reads.send(waiting).await.map_err(|_| Error::STOPPED)?;
        answer.await.map_err(|_| Error::STOPPED)?
    }

    /// Renews a lease; 0 if there is no such lease.
    pub(crate) async fn lease_keep_alive(&self, id: i64) -> Result<i64, Error> {
        self.lease(|| LeaseQuestion::KeepAlive(id)).await.map(|ttl| ttl.unwrap_or(0))
    }

    /// Seconds that a lease has left; `None` if there is no such lease.
    pub(crate) async fn lease_remaining(&self, id: i64) -> Result<Option<i64>, Error> {
        self.lease(|| LeaseQuestion::Remaining(id)).await
    }

    async fn lease(&self, question: impl Fn() -> LeaseQuestion) -> Result<Option<i64>, Error> {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        loop {
            let answer = match self.leadership.leader() {
                Some(leader) => forward::ask_lease(&*self.transport, &leader, &question(), REQUEST_TIMEOUT).await,
                None => self.lease_here(question()).await,
            };
            match answer {
                Err(error) if error == Error::NOT_LEADER && Instant::now() < deadline => {
                    tokio::time::sleep(LEADER_POLL).await;
                }
                Err(error) if error == Error::NOT_LEADER => return Err(Error::NO_LEADER),
                answer => return answer,
            }
        }
    }

    /// The leader's answer about a lease, given after it made sure that it still leads.
    pub(super) async fn lease_here(&self, question: LeaseQuestion) -> Result<Option<i64>, Error> {
        if !self.leadership.is_leader() {
            return Err(Error::NOT_LEADER);
        }
        // Whom no quorum confirms does not lead.
        self.linearize().await.map_err(|error| if error == Error::TIMEOUT { Error::NOT_LEADER } else { error })?;
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        loop {
            match question {
                LeaseQuestion::KeepAlive(id) => {
                    if let Some(ttl) = self.lessor.keep_alive(id) {
                        return Ok(Some(ttl));
                    }
                }
                LeaseQuestion::Remaining(id) if self.lessor.keeps_the_book() => {
                    return Ok(self.lessor.remaining_seconds(id));
                }
                LeaseQuestion::Remaining(_) => {}
            }
            // Leading, but the book is not open yet.
            if !self.leadership.is_leader() || Instant::now() >= deadline {
                return Err(Error::NOT_LEADER);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Lets the most up-to-date follower lead, so that the others need not notice first that nobody does.
    async fn hand_over(&self) {
        let own = self.identity.member_id;
        let successor = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            let voters: Vec<u64> = metrics.membership_config.voter_ids().collect();
            let followers = metrics.replication.iter().flatten();
            let candidates = followers.filter(|(id, matched)| **id != own && matched.is_some() && voters.contains(id));
            candidates.max_by_key(|(_, matched)| **matched).map(|(id, _)| *id)
        };
        let Some(successor) = successor else { return };
        if self.raft.trigger().transfer_leader(successor).await.is_err() {
            return;
        }
        let mut leadership = self.leadership();
        let handed_over = async {
            while leadership.is_leader() {
                leadership.changed().await;
            }
        };
        if tokio::time::timeout(HAND_OVER_TIMEOUT, handed_over).await.is_err() {
            tracing::info!("no other member took over the leadership in time");
        }
    }

    /// Hands the leadership over, stops consensus, makes the state durable and closes the log.
    pub(crate) async fn shut_down(&self) {
        self.hand_over().await;
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "consensus did not end cleanly");
        }
        let (state, log) = (Arc::clone(&self.state), self.log.clone());
        let closed = tokio::task::spawn_blocking(move || {
            if let Err(error) = state.generation().flush() {
                tracing::warn!(%error, "the state was not flushed; the next start replays the log");
            }
            state.backend().close();
            log.close();
        });
        if closed.await.is_err() {
            tracing::warn!("closing the log was cut short");
        }
    }
}

#[async_trait::async_trait]
impl Handler for Replica {
    async fn answer(&self, _from: u64, method: Method, request: Bytes) -> Result<Bytes, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        match method {
            Method::Append => {
                let request = network::decode_append(&request).map_err(|error| text(&error))?;
                let response = self.raft.append_entries(request).await.map_err(|error| text(&error))?;
                if !matches!(response, AppendEntriesResponse::HigherVote(_)) {
                    self.leadership.contact().renew();
                }
                Ok(codec::encode(&AppendAnswer::from(response)))
            }
            Method::Vote => {
                let request: VoteMessage = codec::decode(&request).map_err(|error| text(&error))?;
                let response = self.raft.vote(request.into()).await.map_err(|error| text(&error))?;
                Ok(codec::encode(&VoteAnswer::from(&response)))
            }
            Method::PreVote => {
                let request: VoteMessage = codec::decode(&request).map_err(|error| text(&error))?;
                let response = self.raft.pre_vote(request.into()).await.map_err(|error| text(&error))?;
                Ok(codec::encode(&VoteAnswer::from(&response)))
            }
            Method::TransferLeader => {
                let request: TransferMessage = codec::decode(&request).map_err(|error| text(&error))?;
                let response = self.raft.handle_transfer_leader(request.into()).await.map_err(|error| text(&error))?;
                Ok(codec::encode(&TransferAnswer::from(response)))
            }
            Method::Snapshot => {
                let answer = self.receiver.receive(&self.state, &self.raft, &request).await;
                if answer.is_ok() {
                    self.leadership.contact().renew();
                }
                answer
            }
            Method::Propose => self.answer_forwarded(&request).await.map_err(|error| text(&error)),
            Method::ReadIndex => self.answer_read_index().await,
            Method::Lease => self.answer_lease(&request).await,
            Method::Describe => Ok(codec::encode(&self.client_urls)),
        }
    }
}

/// Opens log and state side by side; both may have a lot to read.
async fn open(config: &Config, metrics: &Metrics) -> Result<(LogStore, State), StartError> {
    let mut options = store_wal::Options::new(config.data_dir.join("wal"));
    options.segment_bytes = config.segment_bytes;
    let mut environment = config.log_environment.clone().unwrap_or_default();
    environment.disk = Arc::new(MeteredDisk::new(environment.disk, metrics.fsync_seconds()));
    let log = tokio::task::spawn_blocking(move || {
        let (log, recovered) =
            store_wal::Log::open_with(options, environment).map_err(|error| StartError::Log(describe(&error)))?;
        if let Some(torn) = &recovered.statistics.torn_tail {
            tracing::info!(?torn, "the last write before the crash was never acknowledged and is gone");
        }
        LogStore::new(log, &recovered).map_err(|error| StartError::Log(describe(&error)))
    });
    let (root, interval) = (config.data_dir.join("state"), config.watch_progress_notify_interval);
    let commit_seconds = metrics.commit_seconds().clone();
    let state = tokio::task::spawn_blocking(move || {
        State::open(&root, interval, commit_seconds).map_err(|error| StartError::State(describe(&error)))
    });
    let cut_short = |_| StartError::State("opening was cut short".into());
    Ok((log.await.map_err(cut_short)??, state.await.map_err(cut_short)??))
}

/// Fails when consensus does: the process must not go on without it.
async fn watch_consensus(replica: Arc<Replica>, stop: tokio_util::sync::CancellationToken) -> Result<(), Error> {
    // Not the metrics of everything, which change with every entry: these change with the leader, and end with consensus.
    let mut metrics = replica.raft.server_metrics();
    let mut leader = None;
    loop {
        let now = metrics.borrow_watched().current_leader;
        if now.is_some() && now != leader {
            leader = now;
            if replica.leadership.is_leader() {
                // Whoever is elected has heard a quorum.
                replica.leadership.contact().renew();
            }
            replica.metrics.leader_changed();
        }
        let ended = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            changed = metrics.changed() => changed.is_err(),
        };
        if ended && !stop.is_cancelled() {
            let state = replica.raft.metrics().borrow_watched().running_state.clone();
            let reason = state.err().map_or_else(|| "consensus has ended".to_owned(), |fatal| fatal.to_string());
            return Err(Error::new(Code::Internal, reason));
        }
        if ended {
            return Ok(());
        }
    }
}

fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
