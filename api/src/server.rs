//! The assembled server: what [`start`] builds from a [`Config`], and the [`Handle`] that its owner holds.
//!
//! Order of the start: keys and certificates are read (what is broken is found before anything is served), the policy is
//! loaded, missing system objects are written, and only then a socket is opened. Order of the end: readiness fails, the
//! delay passes, sockets close and connections are told to finish, watches end, what is still running gets its time.

pub mod checks;
pub mod dispatch;
pub mod local;

use crate::auth::authz::{Authorizer, feed};
use crate::auth::keys::{KeyError, SigningKey};
use crate::auth::objects::LiveObjects;
use crate::auth::tokens::Tokens;
use crate::auth::x509::{Verifier, X509Error};
use crate::bootstrap::hooks::{Hook, Hooks};
use crate::bootstrap::identity::Identity;
use crate::bootstrap::{self, Keeper};
use crate::config::Config;
use crate::discovery::Discovery;
use crate::filters::authenticate::Authenticator;
use crate::filters::in_flight::InFlight;
use crate::handlers::{Handlers, Kubelets};
use crate::health::{Health, Root};
use crate::http::accept::Acceptor;
use crate::http::tls::{self, ServingCertificate, TlsError, TlsMaterial};
use crate::openapi::OpenApi;
use crate::registry::{Registry, Settings};
use crate::resources;
use api_machinery::status::Status;
use daemon::{OnError, Supervisor, TaskKind};
use dispatch::App;
use local::LocalService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Requests that run when the sockets close get this long; then they are dropped.
pub const DRAIN_SECONDS_MAX: u64 = 60;

const ACCEPT: TaskKind = TaskKind { name: "api-accept", on_error: OnError::ShutDown };
const SYSTEM_OBJECTS: TaskKind = TaskKind { name: "api-system-objects", on_error: OnError::Log };
const POLICY: TaskKind = TaskKind { name: "api-policy", on_error: OnError::ShutDown };
const DRAIN: TaskKind = TaskKind { name: "api-drain", on_error: OnError::Log };

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Serving certificate, or a PEM that cannot be read.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The client CA.
    #[error("client CA: {0}")]
    ClientCa(#[from] X509Error),
    /// The service-account key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The address is taken or not ours.
    #[error("listening on {address}: {source}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// Reading the policy.
    #[error("reading the RBAC policy: {0}")]
    Policy(#[from] feed::FeedError),
    /// Writing what every cluster has.
    #[error("writing the system objects: {0}")]
    Bootstrap(#[from] Status),
    /// The client for the nodes.
    #[error("client for the nodes: {0}")]
    NodeClient(String),
}

/// A running server.
#[derive(Clone)]
pub struct Handle {
    app: Arc<App>,
    serving: Arc<ServingCertificate>,
    addresses: Arc<[SocketAddr]>,
    connections: TaskTracker,
    delay: Duration,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// Starts a server; returns when it answers. Its tasks run under `supervisor`, whose token also begins the drain.
///
/// # Errors
/// See [`StartError`]; nothing is left running.
pub async fn start(config: Config, supervisor: &Supervisor) -> Result<Handle, StartError> {
    let client_ca = tls::certificates(&config.client_ca_pem, "the client CA")?;
    let serving = Arc::new(ServingCertificate::new(&config.tls)?);
    let tls_config = tls::server_config(Arc::clone(&serving), &client_ca)?;
    let key = SigningKey::from_pem(&config.service_account_signing_key_pem)?;
    let kubelets = Kubelets::new(&config.kubelet_client).map_err(StartError::NodeClient)?;
    let storage = &config.storage;
    let authorizer = Arc::new(Authorizer::default());
    let settings = Settings { service_cidr: config.service_cidr, node_ports: config.node_port_range.clone() };
    let registry = Arc::new(Registry::new(resources::TABLE, storage, Arc::clone(&authorizer), &settings));
    let tokens = Arc::new(Tokens::new(
        config.service_account_issuer.clone(),
        config.service_account_audiences.clone(),
        key,
        Arc::new(LiveObjects::new(registry.kinds())?),
    ));

    let mut listeners = Vec::new();
    for address in &config.listen {
        let failed = |source| StartError::Listen { address: *address, source };
        listeners.push(TcpListener::bind(address).await.map_err(failed)?);
    }
    let addresses: Arc<[SocketAddr]> = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();

    let advertise = config.advertise.or_else(|| addresses.iter().find(|address| is_reachable(address)).copied());
    bootstrap::run(&registry, advertise).await?;
    let hooks = Hooks::default();
    hooks.finish(Hook::Roles);
    hooks.finish(Hook::PriorityClasses);
    let mut policy = feed::Feed::new(storage, Arc::clone(&authorizer));
    policy.load().await?;

    let shutdown = checks::Shutdown::default();
    let streams = CancellationToken::new();
    let health = Health::new(checks::all(storage, &hooks, &shutdown));
    let app = Arc::new(App {
        authenticator: Authenticator { certificates: Verifier::new(&client_ca)?, tokens: Arc::clone(&tokens) },
        authorizer,
        in_flight: InFlight::default(),
        discovery: Discovery::new(registry.kinds(), &health.paths(), advertise),
        openapi: OpenApi::new(registry.kinds()),
        handlers: Handlers::new(Arc::clone(&registry), Arc::clone(&tokens), Some(kubelets), streams.clone()),
        registry,
        tokens,
        served_at: advertise.or_else(|| addresses.first().copied()).filter(|address| !address.ip().is_unspecified()),
        health,
        shutdown,
        streams,
        stop: CancellationToken::new(),
        writes: TaskTracker::new(),
    });

    let handle = Handle { app, serving, addresses, connections: TaskTracker::new(), delay: config.shutdown_delay };
    let stop = handle.app.stop.clone();
    supervisor.spawn(POLICY, async move { policy.run(stop).await });
    let keeper = Keeper {
        registry: Arc::clone(&handle.app.registry),
        advertise,
        client_ca,
        identity: Identity::new(&config.hostname, advertise),
        hooks,
    };
    supervisor.spawn(SYSTEM_OBJECTS, keeper.run(supervisor.token().clone()));
    let tls = tokio_rustls::TlsAcceptor::from(Arc::new(tls_config));
    for listener in listeners {
        let acceptor = Acceptor {
            listener,
            tls: tls.clone(),
            service: Arc::clone(&handle.app),
            stop: handle.app.stop.clone(),
            connections: handle.connections.clone(),
        };
        supervisor.spawn(ACCEPT, acceptor.run());
    }
    let (drained, token) = (handle.clone(), supervisor.token().clone());
    supervisor.spawn(DRAIN, async move {
        token.cancelled().await;
        drained.drain().await;
        Ok::<(), std::convert::Infallible>(())
    });
    Ok(handle)
}

impl Handle {
    /// The server as a tower service of this process. All filters apply, except that the user is given.
    pub fn local_service(&self, user: crate::auth::UserInfo) -> LocalService {
        LocalService::new(Arc::clone(&self.app), user)
    }

    /// Where it listens; ports that were 0 are the real ones.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The first of [`Self::local_addrs`].
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.addresses.first().copied()
    }

    /// Shows another serving certificate to new connections.
    ///
    /// # Errors
    /// The material is unusable; the old certificate stays.
    pub fn replace_certificate(&self, material: &TlsMaterial) -> Result<(), TlsError> {
        self.serving.replace(material)
    }

    /// Whether `/readyz` says yes.
    pub async fn is_ready(&self) -> bool {
        self.app.health.passes(Root::Readyz).await
    }

    /// Waits until [`Self::is_ready`].
    pub async fn ready(&self) {
        while !self.is_ready().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends the server in order: readiness fails, the delay passes, sockets close, watches end, requests finish (at most
    /// [`DRAIN_SECONDS_MAX`]). Later calls wait for the first.
    pub async fn drain(&self) {
        if self.app.shutdown.begin() {
            tracing::info!(delay_seconds = self.delay.as_secs(), "not ready any more: draining");
        }
        tokio::time::sleep(self.delay).await;
        self.app.stop.cancel();
        self.app.streams.cancel();
        self.connections.close();
        self.app.writes.close();
        let finished = async {
            self.connections.wait().await;
            self.app.writes.wait().await;
        };
        if tokio::time::timeout(Duration::from_secs(DRAIN_SECONDS_MAX), finished).await.is_err() {
            tracing::warn!(connections = self.connections.len(), "requests were still running and are dropped");
        }
    }
}

/// Whether others can reach the address, so that endpoints may name it.
fn is_reachable(address: &SocketAddr) -> bool {
    !address.ip().is_loopback() && !address.ip().is_unspecified()
}
