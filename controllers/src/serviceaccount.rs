//! ServiceAccount `default` in every namespace that lives (upstream: `pkg/controller/serviceaccount`).

use crate::Context;
use crate::objects::{is_terminating, name};
use controllers_runtime::worker::{self, Next};
use controllers_runtime::{Delta, Key, Queue};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::PostParams;

const NAME: &str = "service-account-controller";
const ACCOUNT: &str = "default";
/// Namespaces reconciled at a time.
const WORKERS: usize = 2;

/// Starts the controller.
pub fn start(context: &Context) {
    let queue = Queue::new("serviceaccount");
    let keys = queue.clone();
    context.informers.namespaces.on_change(move |delta| keys.add(Key::of(delta.object().as_ref())));
    let keys = queue.clone();
    context.informers.service_accounts.on_change(move |delta| {
        if let Delta::Deleted(account) = delta
            && name(&account.metadata) == ACCOUNT
        {
            keys.add(Key::new("", account.metadata.namespace.clone().unwrap_or_default()));
        }
    });
    let (context, client) = (context.clone(), (context.client_for)(NAME));
    let informers = context.informers.clone();
    worker::start(&queue, WORKERS, &context.supervisor, move |key| {
        let (client, informers) = (client.clone(), informers.clone());
        async move {
            let namespace = informers.namespaces.index().get(&key);
            let exists = informers.service_accounts.index().get(&Key::new(key.name.as_str(), ACCOUNT)).is_some();
            if !is_missing(namespace.as_deref(), exists) {
                return Ok(Next::Wait);
            }
            let account = ServiceAccount {
                metadata: ObjectMeta { name: Some(ACCOUNT.to_owned()), ..ObjectMeta::default() },
                ..ServiceAccount::default()
            };
            let accounts: Api<ServiceAccount> = Api::namespaced(client, &key.name);
            match accounts.create(&PostParams::default(), &account).await {
                Ok(_) => Ok(Next::Wait),
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(Next::Wait),
                Err(error) => Err(error),
            }
        }
    });
}

/// Whether the account has to be made.
fn is_missing(namespace: Option<&Namespace>, exists: bool) -> bool {
    let lives = |namespace: &Namespace| {
        let phase = namespace.status.as_ref().and_then(|status| status.phase.as_deref());
        !is_terminating(&namespace.metadata) && phase != Some("Terminating")
    };
    !exists && namespace.is_some_and(lives)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_living_namespace_gets_the_account() {
        let namespace = |value| serde_json::from_value::<Namespace>(value).unwrap();
        let living = namespace(json!({"metadata": {"name": "a"}, "status": {"phase": "Active"}}));
        let dying = namespace(json!({"metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}}));
        assert!(is_missing(Some(&living), false));
        assert!(!is_missing(Some(&living), true));
        assert!(!is_missing(Some(&dying), false));
        assert!(!is_missing(None, false));
    }
}
