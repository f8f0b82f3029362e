//! Keeps up what [`super::run`] has written, as long as the server lives: what somebody deletes comes back.

use super::hooks::{Hook, Hooks};
use super::identity::{self, Identity};
use super::{Bootstrap, client_ca, is_transient, namespaces, server, service, token_tracking};
use crate::registry::Registry;
use crate::registry::alloc::repair::Repair;
use api_machinery::status::Status;
use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two looks at the `kubernetes` service, the system namespaces and the Lease of this server; upstream's interval.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// Between two looks as long as something has not been done once: readiness waits for it.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// Looks between two repairs of what services have allocated: three minutes, as upstream.
const LOOKS_PER_REPAIR: u32 = 18;
/// Looks between two at the tracking of tokens: half an hour, as upstream.
const LOOKS_PER_TRACKING: u32 = 180;
/// Looks between two searches for Leases of servers that are gone: an hour, as upstream.
const LOOKS_PER_COLLECTION: u32 = 360;
/// For the last write of a server that ends.
const WITHDRAW_TIMEOUT: Duration = Duration::from_secs(2);

/// What it takes to keep the system objects.
pub struct Keeper {
    /// Where they are written.
    pub registry: Arc<Registry>,
    /// Where clients outside find this server.
    pub advertise: Option<SocketAddr>,
    /// Who signs client certificates.
    pub client_ca: Vec<CertificateDer<'static>>,
    /// Who this server is.
    pub identity: Identity,
    /// Told what has been done.
    pub hooks: Hooks,
}

impl Keeper {
    /// Runs until `stop` is cancelled; then takes the server's address out of the endpoints.
    ///
    /// # Errors
    /// None: what fails is logged and tried again at the next look.
    pub async fn run(self, stop: CancellationToken) -> Result<(), std::convert::Infallible> {
        let bootstrap = Bootstrap { registry: &self.registry, user: server() };
        let mut repair = Repair::default();
        for look in 0u32.. {
            self.look(&bootstrap, &mut repair, look).await;
            let pause = if self.hooks.are_finished() { LOOK_INTERVAL } else { RETRY_INTERVAL };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        if let Some(address) = self.advertise.filter(|address| service::is_advertisable(*address)) {
            let withdrawn = tokio::time::timeout(WITHDRAW_TIMEOUT, service::withdraw(&bootstrap, address)).await;
            if !matches!(withdrawn, Ok(Ok(()))) {
                tracing::warn!(%address, "the address stays in the endpoints of the kubernetes service");
            }
        }
        Ok(())
    }

    async fn look(&self, bootstrap: &Bootstrap<'_>, repair: &mut Repair, look: u32) {
        let is_due = |hook, looks: u32| look.is_multiple_of(looks) || !self.hooks.has_finished(hook);
        self.note(Hook::SystemNamespaces, namespaces::write(bootstrap).await);
        self.note(Hook::KubernetesService, service::write(bootstrap, self.advertise).await);
        self.note(Hook::ClientCa, client_ca::write(bootstrap, &self.client_ca).await);
        self.note(Hook::Identity, identity::renew(bootstrap, &self.identity).await);
        if is_due(Hook::IdentityCollector, LOOKS_PER_COLLECTION) {
            self.note(Hook::IdentityCollector, identity::collect(bootstrap).await);
        }
        if is_due(Hook::TokenTracking, LOOKS_PER_TRACKING) {
            self.note(Hook::TokenTracking, token_tracking::write(bootstrap).await);
        }
        if is_due(Hook::ServiceRepair, LOOKS_PER_REPAIR) {
            let repaired = repair.run(&self.registry).await.map(|dropped| {
                if dropped > 0 {
                    tracing::info!(dropped, "gave back addresses and ports that no service has");
                }
            });
            self.note(Hook::ServiceRepair, repaired);
        }
    }

    /// A refusal would be the same at the next look, and the server serves all the same: only a store that does not answer
    /// keeps it from being ready.
    fn note(&self, hook: Hook, outcome: Result<(), Status>) {
        let is_over = outcome.as_ref().err().is_none_or(|status| !is_transient(status));
        if let Err(status) = outcome {
            tracing::warn!(error = %status, hook = hook.name(), "keeping the system objects");
        }
        if is_over {
            self.hooks.finish(hook);
        }
    }
}
