//! Sockets: bound before anything else starts, served until the shutdown.

use daemon::{OnError, Supervisor, TaskKind};
use http::{Request, Response};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::Service as _;

use super::authority::Shimmed;
use super::connection::{self, BoxError, Protocols, Service};
use super::front::Front;
use super::tls::ServerTls;
use crate::client::LocalStore;
use crate::config::ListenUrl;
use crate::error::StartError;
use crate::identity::Identity;
use crate::peer::proto::peer_server::PeerServer;
use crate::peer::{Answers, PeerService};

/// How long a TLS handshake may take, and how many may be under way on one listener; further connections wait.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const HANDSHAKES_MAX: usize = 1_024;

/// After a failed accept (no file descriptors left) the loop waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

const CLIENTS: TaskKind = TaskKind { name: "store-clients", on_error: OnError::ShutDown };
const METRICS: TaskKind = TaskKind { name: "store-metrics", on_error: OnError::ShutDown };
const CONNECTION: TaskKind = TaskKind { name: "store-connection", on_error: OnError::Log };
const PEERS: TaskKind = TaskKind { name: "store-peers", on_error: OnError::ShutDown };

/// Binds every URL; all or none.
pub(crate) async fn bind(urls: &[String]) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners = Vec::with_capacity(urls.len());
    for url in urls {
        let parsed = ListenUrl::parse(url).map_err(StartError::Config)?;
        let bound = TcpListener::bind((parsed.host.as_str(), parsed.port)).await;
        listeners.push(bound.map_err(|error| StartError::Listen { url: url.clone(), error })?);
    }
    Ok(listeners)
}

/// Serves etcd's API and its pages.
pub(crate) fn serve_clients(
    listeners: Vec<TcpListener>,
    tls: Option<&Arc<ServerTls>>,
    store: &Arc<LocalStore>,
    supervisor: &Supervisor,
) {
    for listener in listeners {
        let front = Front::new(store);
        let listener = Listener { listener, tls: tls.cloned(), protocols: Protocols::Http1AndHttp2 };
        listener.serve(CLIENTS, supervisor, front);
    }
}

/// Serves the pages for monitoring alone: with TLS where the URL says so, whatever the other listeners do.
pub(crate) fn serve_metrics(
    urls: &[String],
    listeners: Vec<TcpListener>,
    tls: Option<&Arc<ServerTls>>,
    store: &Arc<LocalStore>,
    supervisor: &Supervisor,
) {
    for (url, listener) in urls.iter().zip(listeners) {
        let tls = tls.filter(|_| ListenUrl::parse(url).is_ok_and(|url| url.tls));
        let front = Front::pages(store);
        let listener = Listener { listener, tls: tls.cloned(), protocols: Protocols::Http1AndHttp2 };
        listener.serve(METRICS, supervisor, front);
    }
}

/// Serves the other members.
pub(crate) fn serve_peers(
    listeners: Vec<TcpListener>,
    tls: Option<&Arc<ServerTls>>,
    identity: Identity,
    answers: &Answers,
    supervisor: &Supervisor,
) {
    for listener in listeners {
        let service = PeerService::server(identity, Arc::clone(answers));
        let listener = Listener { listener, tls: tls.cloned(), protocols: Protocols::Http2 };
        listener.serve(PEERS, supervisor, Peers(service));
    }
}

/// What answers the other members.
#[derive(Clone)]
struct Peers(PeerServer<PeerService>);

impl Service for Peers {
    fn answer(&self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send + use<> {
        let answer = self.0.clone().call(request);
        async move {
            let Ok(answer) = answer.await;
            answer
        }
    }
}

/// Addresses that listeners got; interesting where the port was 0.
pub(crate) fn addresses(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
}

/// A bound socket and how it is spoken to.
struct Listener {
    listener: TcpListener,
    tls: Option<Arc<ServerTls>>,
    protocols: Protocols,
}

impl Listener {
    /// Starts to accept; each connection has a task.
    fn serve(self, kind: TaskKind, supervisor: &Supervisor, service: impl Service) {
        let owner = supervisor.clone();
        supervisor.spawn(kind, async move {
            let stop = owner.token().clone();
            stop.run_until_cancelled(self.accept(&owner, service)).await;
            Ok::<(), Infallible>(())
        });
    }

    async fn accept(self, owner: &Supervisor, service: impl Service) {
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        loop {
            let permit = Arc::clone(&handshakes).acquire_owned().await.expect("the semaphore is never closed");
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (tls, protocols) = (self.tls.clone(), self.protocols);
            let (service, stop) = (service.clone(), owner.token().clone());
            owner.spawn(CONNECTION, async move {
                if let Err(error) = begin(stream, tls, permit, protocols, service, stop).await {
                    tracing::debug!(%error, "a connection ended");
                }
                Ok::<(), Infallible>(())
            });
        }
    }
}

/// One connection from its handshake to its end.
async fn begin(
    stream: TcpStream,
    tls: Option<Arc<ServerTls>>,
    permit: OwnedSemaphorePermit,
    protocols: Protocols,
    service: impl Service,
    stop: CancellationToken,
) -> Result<(), BoxError> {
    stream.set_nodelay(true)?;
    let Some(tls) = tls else {
        drop(permit);
        return connection::serve(Shimmed::new(stream), protocols, service, stop).await;
    };
    let stream = match stop.run_until_cancelled(tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream))).await {
        None => return Ok(()),
        Some(shaken) => shaken??,
    };
    drop(permit);
    connection::serve(stream, protocols, service, stop).await
}
