//! Sockets: bound before anything else starts, served until the shutdown.

use daemon::{OnError, Supervisor, TaskKind};
use futures::{Stream, StreamExt};
use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use super::authority::Shimmed;
use super::front::FrontLayer;
use super::proto::cluster_server::ClusterServer;
use super::proto::kv_server::KvServer;
use super::proto::lease_server::LeaseServer;
use super::proto::maintenance_server::MaintenanceServer;
use super::proto::watch_server::WatchServer;
use super::services::Services;
use super::tls::ServerTls;
use crate::client::{LocalStore, REQUEST_BYTES_MAX};
use crate::config::ListenUrl;
use crate::error::StartError;
use crate::identity::Identity;
use crate::peer::{Answers, PeerService};

/// gRPC's own limit for a request: etcd's request limit and 512 KiB of overhead. Larger ones are refused by gRPC with
/// RESOURCE_EXHAUSTED (see `front.rs`), smaller ones above the request limit by the store with its own text.
pub(super) const MESSAGE_BYTES_MAX: usize = REQUEST_BYTES_MAX + (512 << 10);
/// Streams of one client connection; a further one waits. etcd's default is the largest number there is.
const STREAMS_PER_CONNECTION_MAX: u32 = u32::MAX;
/// HTTP/2 flow-control window of one connection: what a client may have sent before it was read.
const WINDOW_BYTES: u32 = 1 << 20;
/// How often an idle connection is asked whether it is still there, and how long it may take to answer; etcd's values.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2 * 3600);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a TLS handshake may take, and how many may be under way on one listener; further connections wait.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const HANDSHAKES_MAX: usize = 1_024;

const CLIENTS: TaskKind = TaskKind { name: "store-clients", on_error: OnError::ShutDown };
const METRICS: TaskKind = TaskKind { name: "store-metrics", on_error: OnError::ShutDown };
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

/// Serves etcd's API.
pub(crate) fn serve_clients(
    listeners: Vec<TcpListener>,
    tls: Option<&Arc<ServerTls>>,
    store: &Arc<LocalStore>,
    supervisor: &Supervisor,
) {
    for listener in listeners {
        let services = Services { store: Arc::clone(store) };
        macro_rules! limited {
            ($server:ident) => {
                $server::new(services.clone())
                    .max_decoding_message_size(MESSAGE_BYTES_MAX)
                    .max_encoding_message_size(usize::MAX)
            };
        }
        let router = server()
            .accept_http1(true)
            .layer(FrontLayer::new(store))
            .add_service(limited!(KvServer))
            .add_service(limited!(WatchServer))
            .add_service(limited!(LeaseServer))
            .add_service(limited!(ClusterServer))
            .add_service(limited!(MaintenanceServer));
        let stop = supervisor.token().clone().cancelled_owned();
        match tls {
            None => {
                let connections = incoming(listener).map(|connection| connection.map(Shimmed::new));
                supervisor.spawn(CLIENTS, router.serve_with_incoming_shutdown(connections, stop));
            }
            Some(tls) => {
                supervisor.spawn(CLIENTS, router.serve_with_incoming_shutdown(handshakes(listener, tls), stop));
            }
        }
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
        let router = server().accept_http1(true).layer(FrontLayer::new(store)).add_routes(Routes::default());
        let stop = supervisor.token().clone().cancelled_owned();
        match tls {
            None => {
                supervisor.spawn(METRICS, router.serve_with_incoming_shutdown(incoming(listener), stop));
            }
            Some(tls) => {
                supervisor.spawn(METRICS, router.serve_with_incoming_shutdown(handshakes(listener, tls), stop));
            }
        }
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
        let router = server().add_service(PeerService::server(identity, Arc::clone(answers)));
        let stop = supervisor.token().clone().cancelled_owned();
        match tls {
            None => {
                supervisor.spawn(PEERS, router.serve_with_incoming_shutdown(incoming(listener), stop));
            }
            Some(tls) => {
                supervisor.spawn(PEERS, router.serve_with_incoming_shutdown(handshakes(listener, tls), stop));
            }
        }
    }
}

/// Addresses that listeners got; interesting where the port was 0.
pub(crate) fn addresses(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
}

fn incoming(listener: TcpListener) -> TcpIncoming {
    TcpIncoming::from(listener).with_nodelay(Some(true))
}

/// Connections that have shaken hands, in the order in which they are done: a slow one holds up nobody.
fn handshakes(
    listener: TcpListener,
    tls: &Arc<ServerTls>,
) -> impl Stream<Item = io::Result<TlsStream<TcpStream>>> + Send + use<> {
    let tls = Arc::clone(tls);
    let shake = move |connection: io::Result<TcpStream>| {
        let tls = Arc::clone(&tls);
        async move {
            let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(connection?)).await;
            shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        }
    };
    let shaken = incoming(listener).map(shake).buffer_unordered(HANDSHAKES_MAX);
    shaken.filter_map(|shaken| {
        if let Err(error) = &shaken {
            tracing::debug!(%error, "a connection without a handshake");
        }
        ready(shaken.ok().map(Ok))
    })
}

fn server() -> Server {
    Server::builder()
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
        .initial_connection_window_size(WINDOW_BYTES)
        .initial_stream_window_size(WINDOW_BYTES)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
}
