//! Takes away token Secrets that nobody uses (upstream: `legacy-serviceaccount-token-cleaner-controller`).

use super::plan::ACCOUNT_NAME;
use super::unused::{self, INVALID_SINCE, Step};
use crate::objects::{annotation, ignore_moved_on, name};
use crate::{Context, Informers};
use controllers_runtime::worker::{self, Next};
use controllers_runtime::{Key, Queue};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client, Error};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const NAME: &str = "legacy-service-account-token-cleaner";
/// The only key there is.
const ALL: Key = Key { namespace: String::new(), name: String::new() };
/// The ConfigMap that says since when the server has told which tokens are used.
const TRACKING_NAMESPACE: &str = "kube-system";
const TRACKING_NAME: &str = "kube-apiserver-legacy-service-account-token-tracking";
/// Between two looks (upstream: one day).
const LOOK_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Starts the controller: one key, which comes back every day.
pub(super) fn start(context: &Context) {
    let queue: Queue<Key> = Queue::new(NAME);
    queue.add(ALL);
    // Pods are read by the controller manager itself: the cleaner's role is for Secrets alone.
    let (client, manager) = ((context.client_for)(NAME), context.client.clone());
    let informers = Arc::clone(&context.informers);
    worker::start(&queue, 1, &context.supervisor, move |_| {
        let (client, manager, informers) = (client.clone(), manager.clone(), Arc::clone(&informers));
        async move {
            let maps: Api<ConfigMap> = Api::namespaced(client.clone(), TRACKING_NAMESPACE);
            let tracking = maps.get(TRACKING_NAME).await?;
            let since = tracking.data.as_ref().and_then(|data| data.get("since")?.parse().ok());
            let now = Timestamp::now();
            if since.is_some_and(|since| unused::can_tell(since, now)) {
                clean_up(&client, &manager, &informers, now).await;
            }
            Ok::<_, Error>(Next::After(LOOK_INTERVAL))
        }
    });
}

async fn clean_up(client: &Client, manager: &Client, informers: &Informers, now: Timestamp) {
    for secret in informers.token_secrets.index().list() {
        // One that fails is looked at again tomorrow; the others do not wait for it.
        if let Err(error) = look_at(client, manager, informers, &secret, now).await {
            let meta = &secret.metadata;
            tracing::warn!(namespace = meta.namespace, secret = meta.name, %error, "a token could not be cleaned up");
        }
    }
}

async fn look_at(
    client: &Client,
    manager: &Client,
    informers: &Informers,
    secret: &Secret,
    now: Timestamp,
) -> Result<(), Error> {
    let namespace = secret.metadata.namespace.as_deref().unwrap_or_default();
    let account = annotation(&secret.metadata, ACCOUNT_NAME).unwrap_or_default();
    let account = informers.service_accounts.index().get(&Key::new(namespace, account));
    if unused::step(secret, account.as_deref(), &[], now) == Step::Keep {
        return Ok(());
    }
    // The informer's pods are trimmed and do not say which Secrets they use.
    let pods: Api<Pod> = Api::namespaced(manager.clone(), namespace);
    let pods = pods.list(&ListParams::default()).await?;
    let step = unused::step(secret, account.as_deref(), &pods.items, now);
    carry_out(&Api::namespaced(client.clone(), namespace), secret, step).await
}

async fn carry_out(secrets: &Api<Secret>, secret: &Secret, step: Step) -> Result<(), Error> {
    let own = name(&secret.metadata);
    let outcome = match step {
        Step::Keep => return Ok(()),
        Step::Invalidate(day) => {
            let labels = json!({ INVALID_SINCE: day.to_string() });
            let patch = json!({ "metadata": { "uid": secret.metadata.uid, "labels": labels } });
            secrets.patch(own, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
        }
        Step::Delete => {
            let resource_version = secret.metadata.resource_version.clone();
            let preconditions = Some(Preconditions { uid: None, resource_version });
            let parameters = DeleteParams { preconditions, ..DeleteParams::default() };
            secrets.delete(own, &parameters).await.map(drop)
        }
    };
    ignore_moved_on(outcome)
}
