//! What every controller is given.

use crate::{Informers, tokens};
use controllers_runtime::Recorder;
use daemon::Supervisor;
use kube::Client;
use std::sync::Arc;

/// A client that acts as the service account of this name in `kube-system`.
pub type ClientFor = Arc<dyn Fn(&str) -> Client + Send + Sync>;

/// Signs the token of a service account, or says why it cannot.
pub type SignToken = Arc<dyn Fn(&tokens::Claims) -> Result<String, String> + Send + Sync>;

/// Settings of the controllers.
#[derive(Clone)]
pub struct Options {
    /// The cluster CA, PEM; published in every namespace.
    pub root_ca_pem: String,
    /// Holds the key of service-account tokens.
    pub sign_token: SignToken,
    /// A node that has not renewed for this long is unreachable (upstream: 50 s).
    pub node_monitor_grace_period: std::time::Duration,
}

/// What a controller may use: clients, informers, events, tasks, settings.
#[derive(Clone)]
pub struct Context {
    /// A client under the controller manager's own name.
    pub client: Client,
    /// Clients by controller name.
    pub client_for: ClientFor,
    /// One watch a kind, shared by all.
    pub informers: Arc<Informers>,
    /// For events; each controller takes its own name.
    pub recorder: Recorder,
    /// For tasks; its token ends with the term of leadership.
    pub supervisor: Supervisor,
    /// Settings.
    pub options: Arc<Options>,
}
