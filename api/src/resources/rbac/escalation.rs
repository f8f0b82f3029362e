//! Nobody hands out what he does not hold: the same hook for roles and bindings of both scopes.

use crate::auth::UserInfo;
use crate::auth::authz::Authorizer;
use crate::registry::Registry;
use crate::registry::strategy::{Cx, Hooks, Reservation};
use crate::resources::value::{keep, same};
use api_machinery::status::Status;
use async_trait::async_trait;
use serde_json::Value;

/// The check of a role or binding before it is written.
pub(super) struct NoEscalation {
    /// Plural of the kind.
    pub(super) resource: &'static str,
    /// Whether the user may write it; of `auth::authz::escalation`.
    pub(super) check: fn(&Authorizer, &UserInfo, &str, &str, &Value) -> Result<(), Status>,
}

impl NoEscalation {
    fn check(&self, cx: &Cx<'_>, registry: &Registry, object: &Value) -> Result<Reservation, Status> {
        (self.check)(registry.authorizer(), cx.user, cx.namespace, self.resource, object)?;
        Ok(Reservation::new())
    }
}

#[async_trait]
impl Hooks for NoEscalation {
    async fn begin_create(&self, cx: &Cx<'_>, registry: &Registry, new: &mut Value) -> Result<Reservation, Status> {
        self.check(cx, registry, new)
    }

    async fn begin_update(
        &self,
        cx: &Cx<'_>,
        registry: &Registry,
        new: &mut Value,
        old: &Value,
    ) -> Result<Reservation, Status> {
        match only_for_collection(new, old) {
            true => Ok(Reservation::new()),
            false => self.check(cx, registry, new),
        }
    }
}

/// Whether an update only lets the garbage collector finish: nobody needs rights for that.
pub(super) fn only_for_collection(new: &Value, old: &Value) -> bool {
    let mut rest = new.clone();
    if let Some(metadata) = rest.get_mut("metadata") {
        for key in ["ownerReferences", "finalizers", "managedFields", "resourceVersion", "generation"] {
            keep(metadata, &old["metadata"], key);
        }
    }
    same(&rest, old)
}
