//! The agent's HTTPS server: logs and pods of this node, for the API server.
//!
//! Callers introduce themselves with a certificate of the cluster's CA. Only administrators (`system:masters`, the API
//! server's own client among them) are let in: there is no delegated authorization here.

pub mod container_logs;
pub mod tls;

use crate::options::ServerOptions;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use daemon::{OnError, Supervisor, TaskKind};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client};
use node_cri::Runtime;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tls::Acceptor;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const SERVER: TaskKind = TaskKind { name: "node server", on_error: OnError::ShutDown };
/// Connections at the same time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 256;
/// A caller that does not finish its handshake is dropped.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be had.
    #[error("cannot listen: {0}")]
    Listen(#[from] std::io::Error),
    /// Certificate, key or CA are wrong.
    #[error("certificates: {0}")]
    Tls(#[from] tls::TlsError),
}

/// What the server reads from.
pub struct Backend {
    /// Client of the API server.
    pub client: Client,
    /// Where the containers run.
    pub runtime: Arc<dyn Runtime>,
    /// Scheme of the containers' ids.
    pub runtime_name: String,
    /// This node.
    pub node_name: String,
}

/// Starts the server; returns the address it has.
///
/// # Errors
/// The address or the certificates.
pub async fn start(
    options: &ServerOptions,
    backend: Backend,
    supervisor: &Supervisor,
) -> Result<SocketAddr, ServeError> {
    let acceptor = tls::acceptor(options)?;
    let listener = TcpListener::bind(options.listen).await?;
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/pods", get(pods))
        .route("/pods/", get(pods))
        .route("/containerLogs/{namespace}/{pod}/{container}", get(container_logs::answer))
        .with_state(Arc::new(backend));
    let token = supervisor.token().clone();
    supervisor.spawn(SERVER, async move {
        accept(listener, acceptor, router, token).await;
        Ok::<(), Infallible>(())
    });
    Ok(address)
}

async fn accept(listener: TcpListener, acceptor: Acceptor, router: Router, token: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        tokio::select! {
            () = token.cancelled() => return,
            _ = connections.join_next(), if connections.len() >= CONNECTIONS_MAX => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve(stream, acceptor.clone(), router.clone()))),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}

async fn serve(stream: TcpStream, acceptor: Acceptor, router: Router) {
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else { return };
    let is_allowed = acceptor.is_administrator(stream.get_ref().1);
    let router = match is_allowed {
        Ok(true) => router,
        Ok(false) => Router::new().fallback(async || (StatusCode::FORBIDDEN, "Forbidden")),
        Err(tls::Nobody) => Router::new().fallback(async || (StatusCode::UNAUTHORIZED, "Unauthorized")),
    };
    let service = TowerToHyperService::new(router);
    if let Err(error) = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn pods(State(backend): State<Arc<Backend>>) -> Response {
    let fields = format!("spec.nodeName={}", backend.node_name);
    match Api::<Pod>::all(backend.client.clone()).list(&ListParams::default().fields(&fields)).await {
        Ok(list) => axum::response::Response::builder()
            .header("Content-Type", "application/json")
            .body(serde_json::to_vec(&list).unwrap_or_default().into())
            .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response()),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
