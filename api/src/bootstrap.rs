//! What every cluster has from its first moment: namespaces, default roles and bindings, priority classes, the
//! `kubernetes` service, and what the running server tells of itself.
//!
//! Written through the ordinary registry, by the server's own identity. Idempotent: what is there is left alone, except
//! that default roles and bindings get back what they have lost (unless their autoupdate annotation says `false`), as
//! upstream's reconciliation does. Several servers may run it at once.

mod client_ca;
pub mod hooks;
pub mod identity;
mod keeper;
mod namespaces;
mod policy;
mod priority_classes;
mod rbac;
mod service;
mod token_tracking;

use crate::auth::UserInfo;
use crate::auth::user::MASTERS;
use crate::registry::{Cx, Kind, Registry};
use api_machinery::meta;
use api_machinery::status::{Status, reason};
use api_storage::{ReadRevision, StorageError};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

pub use keeper::Keeper;

/// The server's own identity.
const SERVER: &str = "system:apiserver";

/// How long a store without a leader is waited for.
const STORE_TIMEOUT: Duration = Duration::from_secs(60);
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// Writes what is missing. `advertise` is where clients outside find this server. A store that cannot answer yet is
/// waited for, because the members of a cluster start one after the other.
///
/// # Errors
/// The first write that was refused; what was written before stays, and a later run goes on.
pub async fn run(registry: &Registry, advertise: Option<SocketAddr>) -> Result<(), Status> {
    let deadline = tokio::time::Instant::now() + STORE_TIMEOUT;
    loop {
        match run_once(registry, advertise).await {
            Err(status) if is_transient(&status) && tokio::time::Instant::now() < deadline => {
                tracing::info!(reason = %status, "waiting for the store");
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
            outcome => return outcome,
        }
    }
}

/// Whether another attempt can help. What the store says of itself, that it has no leader yet for one, has no reason.
fn is_transient(status: &Status) -> bool {
    let is_of_the_store = status.http_code() >= 500 && status.reason.is_empty();
    is_of_the_store || matches!(status.reason.as_str(), reason::TIMEOUT | reason::TOO_MANY_REQUESTS)
}

async fn run_once(registry: &Registry, advertise: Option<SocketAddr>) -> Result<(), Status> {
    let bootstrap = Bootstrap { registry, user: server() };
    namespaces::write(&bootstrap).await?;
    rbac::write(&bootstrap).await?;
    priority_classes::write(&bootstrap).await?;
    token_tracking::write(&bootstrap).await?;
    match service::write(&bootstrap, advertise).await {
        // Its address is claimed and the service not there: another server is about to write it, or died when it was.
        // Whoever keeps the system objects goes on with it, and gives such claims back.
        Err(status) if status.reason == reason::INVALID => {
            tracing::warn!(error = %status, "the kubernetes service is left for later");
            Ok(())
        }
        outcome => outcome,
    }
}

/// The server's identity, which may do everything.
fn server() -> UserInfo {
    UserInfo::new(SERVER, [MASTERS])
}

struct Bootstrap<'a> {
    registry: &'a Registry,
    user: UserInfo,
}

impl Bootstrap<'_> {
    fn kind(&self, group: &'static str, resource: &'static str) -> Result<&Kind, Status> {
        let found = self.registry.kinds().stored(group, resource);
        found.ok_or_else(|| Status::internal_error(format!("the table of kinds has no {resource}.{group}")))
    }

    fn cx<'a>(&'a self, namespace: &'a str) -> Cx<'a> {
        Cx { now: jiff::Timestamp::now(), user: &self.user, namespace, subresource: None, dry_run: false }
    }

    /// The stored object, if there is one.
    async fn find(&self, kind: &Kind, namespace: &str, name: &str) -> Result<Option<Value>, Status> {
        match kind.store()?.get(kind.scope(namespace), name, ReadRevision::Consistent).await {
            Ok(stored) => Ok(Some(stored.decode().map_err(|error| kind.status(&error, name))?)),
            Err(StorageError::NotFound { .. }) => Ok(None),
            Err(error) => Err(kind.status(&error, name)),
        }
    }

    /// Creates the object unless it is there.
    async fn ensure(&self, kind: &Kind, object: Value) -> Result<(), Status> {
        let (namespace, name) = (meta::namespace(&object).to_owned(), meta::name(&object).to_owned());
        if self.find(kind, &namespace, &name).await?.is_some() {
            return Ok(());
        }
        self.create(kind, object).await
    }

    /// Creates the object; that another server was faster is no failure.
    async fn create(&self, kind: &Kind, object: Value) -> Result<(), Status> {
        let namespace = meta::namespace(&object).to_owned();
        let name = meta::name(&object).to_owned();
        match self.registry.create(kind, &self.cx(&namespace), object).await {
            Ok(_) => Ok(()),
            Err(status) if status.reason == reason::ALREADY_EXISTS => Ok(()),
            // What the faster one has claimed for the object is refused to this one before the object is looked at.
            Err(status) => self.find(kind, &namespace, &name).await?.map(drop).ok_or(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api_machinery::gvk::GroupResource;

    #[test]
    fn a_store_that_cannot_answer_yet_is_waited_for_and_a_refusal_is_not() {
        let roles = GroupResource { group: "rbac.authorization.k8s.io", resource: "clusterroles" };
        for error in [store_client::Error::NO_LEADER, store_client::Error::TIMEOUT, store_client::Error::LEADER_CHANGED]
        {
            assert!(is_transient(&StorageError::Store(error).status(roles, "admin")));
        }
        assert!(!is_transient(&Status::forbidden(roles, "admin", "no")));
        assert!(!is_transient(&Status::internal_error("a bug")));
    }
}
