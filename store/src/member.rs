//! A running member, and how it is started.

use daemon::{OnError, Supervisor, TaskKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store_client::Store;
use tokio::sync::Mutex;

use crate::client::LocalStore;
use crate::config::Config;
use crate::data_dir::{self, DirectoryLock};
use crate::error::StartError;
use crate::identity::{self, Identity};
use crate::peer::{Answers, GrpcTransport, Handler, Transport};
use crate::raft::{Replica, Start};
use crate::{rpc, upkeep};

/// Ends with the member; fails when one of its vital tasks did, so that the process hears of it.
const MEMBER: TaskKind = TaskKind { name: "store", on_error: OnError::ShutDown };
const FLUSH: TaskKind = TaskKind { name: "store-flush", on_error: OnError::Log };
const SWEEP: TaskKind = TaskKind { name: "store-sweep", on_error: OnError::ShutDown };
const COMPACTION: TaskKind = TaskKind { name: "store-compaction", on_error: OnError::Log };

/// How long a lone member may take to lead itself; the log it has to replay is bounded by `flush_log_bytes`.
const ALONE_READY_TIMEOUT: Duration = Duration::from_secs(60);

/// A running member of the store.
pub struct Member {
    replica: Arc<Replica>,
    store: Arc<LocalStore>,
    supervisor: Supervisor,
    client_addresses: Vec<SocketAddr>,
    metrics_addresses: Vec<SocketAddr>,
    peer_addresses: Vec<SocketAddr>,
    lock: Mutex<Option<DirectoryLock>>,
}

/// What a member says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// This cluster and member.
    pub identity: Identity,
    /// Current Raft term.
    pub term: u64,
    /// Member id of the leader; 0 if none is known.
    pub leader: u64,
    /// Whether this member leads.
    pub is_leader: bool,
    /// Index of the last entry of the log.
    pub last_index: u64,
    /// Index of the last applied entry.
    pub applied_index: u64,
    /// Current revision of the store.
    pub revision: i64,
    /// Revision of the last compaction, 0 if there was none.
    pub compacted_revision: i64,
    /// Bytes of the state on disk.
    pub state_bytes: u64,
}

/// Starts a member. When this returns, a lone member answers; one of several answers as soon as a quorum is there.
///
/// # Errors
/// One line for the operator, see [`StartError`]. Nothing is left running.
pub async fn start(config: Config, supervisor: &Supervisor) -> Result<Member, StartError> {
    config.validate().map_err(StartError::Config)?;
    let identity = identity::derive(&config);
    let lock = data_dir::claim(&config.data_dir, identity)?;
    let client_tls = config.client_tls.as_ref().map(rpc::ServerTls::new).transpose()?;
    let peer_tls = config.peer_tls.as_ref().map(rpc::ServerTls::new).transpose()?;
    let client_listeners = rpc::bind(&config.listen_client_urls).await?;
    let peer_listeners = rpc::bind(&config.listen_peer_urls).await?;
    let metrics_listeners = rpc::bind(&config.listen_metrics_urls).await?;
    let metrics_addresses = rpc::addresses(&metrics_listeners);
    let (client_addresses, peer_addresses) = (rpc::addresses(&client_listeners), rpc::addresses(&peer_listeners));
    let transport: Arc<dyn Transport> = match &config.transport {
        Some(transport) => Arc::clone(transport),
        None => Arc::new(GrpcTransport::new(identity, config.peer_tls.clone())),
    };
    let prepared = Start::new(&config, identity, Arc::clone(&transport)).await?;
    // A stage of its own: the member can be stopped without the process.
    let (process, supervisor) = (supervisor, supervisor.child());
    let handler: Answers = Arc::clone(&prepared.replica) as Arc<dyn Handler>;
    transport.serve(identity.member_id, Arc::downgrade(&handler));
    rpc::serve_peers(peer_listeners, peer_tls.as_ref(), identity, &handler, &supervisor);
    let replica = prepared.run(&supervisor).await?;
    if config.members().len() == 1 {
        let ready = tokio::time::timeout(ALONE_READY_TIMEOUT, replica.linearize()).await;
        ready
            .map_err(|_| StartError::Raft("the member did not become ready".into()))?
            .map_err(|error| StartError::Raft(format!("the member did not become ready: {error}")))?;
    }
    let stop = || supervisor.token().clone();
    supervisor.spawn(FLUSH, upkeep::flush(Arc::clone(&replica), config.flush_log_bytes, stop()));
    supervisor.spawn(SWEEP, upkeep::sweep(Arc::clone(&replica), stop()));
    if !config.auto_compaction_retention.is_zero() {
        let task = upkeep::compact(Arc::clone(&replica), config.auto_compaction_retention, stop());
        supervisor.spawn(COMPACTION, task);
    }
    if config.auto_compaction_revisions > 0 {
        let (keep, every) = (config.auto_compaction_revisions, config.auto_compaction_revisions_interval);
        supervisor.spawn(COMPACTION, upkeep::compact_by_count(Arc::clone(&replica), keep, every, stop()));
    }
    let store = Arc::new(LocalStore::new(Arc::clone(&replica), config.quota_bytes));
    rpc::serve_clients(client_listeners, client_tls.as_ref(), &store, &supervisor);
    rpc::serve_metrics(&config.listen_metrics_urls, metrics_listeners, client_tls.as_ref(), &store, &supervisor);
    let stage = supervisor.clone();
    process.spawn(MEMBER, async move {
        stage.token().cancelled().await;
        stage.failure().map_or(Ok(()), Err)
    });
    Ok(Member {
        replica,
        store,
        supervisor,
        client_addresses,
        metrics_addresses,
        peer_addresses,
        lock: Mutex::new(Some(lock)),
    })
}

impl Member {
    /// The store in this process, without a socket.
    pub fn client(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }

    /// What the member says about itself.
    pub fn status(&self) -> Status {
        let (term, leader) = self.replica.term_and_leader();
        let identity = self.replica.identity();
        let state = self.replica.state();
        Status {
            identity,
            term,
            leader,
            is_leader: leader == identity.member_id,
            last_index: self.replica.log().last().map_or(0, |id| id.index),
            applied_index: state.applied_index(),
            revision: state.revision(),
            compacted_revision: state.compacted_revision(),
            state_bytes: state.generation().disk_bytes(),
        }
    }

    /// Where etcd's API is served; interesting where a port was 0.
    pub fn client_addresses(&self) -> &[SocketAddr] {
        &self.client_addresses
    }

    /// Where metrics are served besides.
    pub fn metrics_addresses(&self) -> &[SocketAddr] {
        &self.metrics_addresses
    }

    /// Where the other members are served.
    pub fn peer_addresses(&self) -> &[SocketAddr] {
        &self.peer_addresses
    }

    /// Makes the state durable as it is and purges the log that it covers; also done in the background.
    ///
    /// # Errors
    /// Consensus has stopped.
    pub async fn flush(&self) -> Result<(), String> {
        self.replica.flush().await
    }

    /// Stops serving, flushes the state, closes the log and lets the data directory go. Requests under way get an error.
    pub async fn shut_down(&self) {
        let mut lock = self.lock.lock().await;
        if lock.is_none() {
            return;
        }
        self.supervisor.shut_down();
        self.replica.shut_down().await;
        self.replica.metrics().withdraw();
        *lock = None;
    }
}
