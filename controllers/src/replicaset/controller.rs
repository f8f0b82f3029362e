//! Observes ReplicaSets and their pods, and carries the plan out.

use super::plan::{self, Action};
use crate::objects::{controller_of, controller_reference, explain, is_terminating, name, selects, uid};
use crate::{Context, ownership};
use controllers_runtime::events::Level;
use controllers_runtime::worker::{self, Next};
use controllers_runtime::{Delta, Expectations, Key, Queue, Recorder};
use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Client};
use std::sync::Arc;
use std::time::Duration;

/// ReplicaSets reconciled at a time (upstream: `--concurrent-replicaset-syncs`).
const WORKERS: usize = 5;
const NAME: &str = "replicaset-controller";

/// Starts the controller.
pub fn start(context: &Context) {
    let controller = Arc::new(Controller {
        client: (context.client_for)(NAME),
        context: context.clone(),
        recorder: context.recorder.named(NAME),
        expectations: Expectations::default(),
        queue: Queue::new("replicaset"),
    });
    controller.watch();
    let queue = controller.queue.clone();
    worker::start(&queue, WORKERS, &context.supervisor, move |key| {
        let controller = Arc::clone(&controller);
        async move { controller.reconcile(key).await }
    });
}

struct Controller {
    client: Client,
    context: Context,
    recorder: Recorder,
    expectations: Expectations,
    queue: Queue<Key>,
}

impl Controller {
    fn watch(self: &Arc<Self>) {
        let queue = self.queue.clone();
        self.context.informers.replica_sets.on_change(move |delta| queue.add(Key::of(delta.object().as_ref())));
        let controller = Arc::clone(self);
        self.context.informers.pods.on_change(move |delta| controller.pod_changed(delta));
    }

    fn pod_changed(&self, delta: &Delta<Pod>) {
        let pod = delta.object();
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let owner = controller_of(&pod.metadata).filter(|owner| owner.kind == "ReplicaSet");
        // A set that lost a pod has to make another.
        if let Delta::Applied { old: Some(old), .. } = delta
            && let Some(lost) = controller_of(&old.metadata)
            && lost.kind == "ReplicaSet"
            && owner.is_none_or(|owner| owner.uid != lost.uid)
        {
            self.queue.add(Key::new(namespace, lost.name.as_str()));
        }
        let Some(owner) = owner.map(|owner| Key::new(namespace, owner.name.as_str())) else {
            return self.orphan_changed(pod);
        };
        match delta {
            Delta::Applied { new, .. } if is_terminating(&new.metadata) => {
                self.expectations.deletion_observed(&owner, &Key::of(pod.as_ref()));
            }
            Delta::Applied { old: None, .. } => self.expectations.creation_observed(&owner),
            Delta::Applied { .. } => {}
            Delta::Deleted(_) => self.expectations.deletion_observed(&owner, &Key::of(pod.as_ref())),
        }
        self.queue.add(owner);
    }

    fn orphan_changed(&self, pod: &Pod) {
        if controller_of(&pod.metadata).is_some() {
            return;
        }
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        for set in self.context.informers.replica_sets.index().in_namespace(namespace) {
            if selects(Some(&set.spec.selector), pod.metadata.labels.as_ref()) {
                self.queue.add(Key::of(set.as_ref()));
            }
        }
    }

    async fn reconcile(&self, key: Key) -> Result<Next, kube::Error> {
        let Some(set) = self.context.informers.replica_sets.index().get(&key) else {
            self.expectations.forget(&key);
            return Ok(Next::Wait);
        };
        let pods = self.claim(&set, &key).await?;
        let now = Timestamp::now();
        let mut failure = None;
        let mut outcome = Ok(());
        if self.expectations.satisfied(&key) && !is_terminating(&set.metadata) {
            match plan::plan(&set, &pods, &self.related(&set, &pods), now) {
                Action::Nothing => {}
                Action::Create(count) => {
                    outcome = self.create(&set, &key, count).await;
                    failure = outcome.as_ref().err().map(|error| ("FailedCreate", explain(error)));
                }
                Action::Delete(surplus) => {
                    outcome = self.delete(&set, &key, surplus).await;
                    failure = outcome.as_ref().err().map(|error| ("FailedDelete", explain(error)));
                }
            }
        }
        self.update_status(&set, &pods, failure, now).await?;
        outcome?;
        Ok(plan::next_available_seconds(&set, &pods, now)
            .map_or(Next::Wait, |seconds| Next::After(Duration::from_secs(seconds))))
    }

    async fn claim(&self, set: &ReplicaSet, key: &Key) -> Result<Vec<Arc<Pod>>, kube::Error> {
        let index = self.context.informers.pods.index();
        let selector = Some(&set.spec.selector);
        // Orphans that match, and what is already ours; others' pods need no look.
        let mut candidates = index.owned_by(uid(&set.metadata));
        let orphans = index.orphans_in(&key.namespace).into_iter();
        candidates.extend(orphans.filter(|pod| selects(selector, pod.metadata.labels.as_ref())));
        let api = Api::namespaced(self.client.clone(), &key.namespace);
        ownership::claim_all(set, selector, candidates, &api).await
    }

    /// The pods of all sets that share this set's owner.
    fn related(&self, set: &ReplicaSet, pods: &[Arc<Pod>]) -> Vec<Arc<Pod>> {
        let Some(owner) = controller_of(&set.metadata) else { return pods.to_vec() };
        let siblings = self.context.informers.replica_sets.index().owned_by(&owner.uid);
        siblings
            .iter()
            .flat_map(|sibling| self.context.informers.pods.index().owned_by(uid(&sibling.metadata)))
            .collect()
    }

    /// Creates in growing batches: a quota or a broken template costs one request, not hundreds.
    async fn create(&self, set: &ReplicaSet, key: &Key, count: usize) -> Result<(), kube::Error> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &key.namespace);
        let pod = pod_from_template(set);
        self.expectations.expect(key, count, []);
        let mut left = count;
        let mut batch = plan::SLOW_START_PODS;
        while left > 0 {
            let size = batch.min(left);
            let parameters = PostParams::default();
            let results = join_all((0..size).map(|_| api.create(&parameters, &pod))).await;
            left -= size;
            let mut first_error = None;
            for result in results {
                match result {
                    Ok(created) => {
                        let message = format!("Created pod: {}", name(&created.metadata));
                        self.recorder.event(set, Level::Normal, "SuccessfulCreate", message);
                    }
                    Err(error) => {
                        self.expectations.creation_observed(key);
                        first_error = first_error.or(Some(error));
                    }
                }
            }
            if let Some(error) = first_error {
                (0..left).for_each(|_| self.expectations.creation_observed(key));
                if is_namespace_terminating(&error) {
                    return Ok(());
                }
                self.recorder.event(
                    set,
                    Level::Warning,
                    "FailedCreate",
                    format!("Error creating: {}", explain(&error)),
                );
                return Err(error);
            }
            batch *= 2;
        }
        Ok(())
    }

    async fn delete(&self, set: &ReplicaSet, key: &Key, surplus: Vec<Arc<Pod>>) -> Result<(), kube::Error> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &key.namespace);
        self.expectations.expect(key, 0, surplus.iter().map(|pod| Key::of(pod.as_ref())));
        let results = join_all(surplus.iter().map(|pod| {
            let preconditions = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
            let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
            let api = &api;
            async move { api.delete(name(&pod.metadata), &parameters).await }
        }))
        .await;
        let mut outcome = Ok(());
        for (pod, result) in surplus.iter().zip(results) {
            match result {
                Ok(_) => {
                    let message = format!("Deleted pod: {}", name(&pod.metadata));
                    self.recorder.event(set, Level::Normal, "SuccessfulDelete", message);
                }
                Err(error) => {
                    self.expectations.deletion_observed(key, &Key::of(pod.as_ref()));
                    if !matches!(&error, kube::Error::Api(status) if status.code == 404) {
                        self.recorder.event(
                            set,
                            Level::Warning,
                            "FailedDelete",
                            format!("Error deleting: {}", explain(&error)),
                        );
                        outcome = Err(error);
                    }
                }
            }
        }
        outcome
    }

    async fn update_status(
        &self,
        set: &ReplicaSet,
        pods: &[Arc<Pod>],
        failure: Option<(&str, String)>,
        now: Timestamp,
    ) -> Result<(), kube::Error> {
        let status = plan::status(set, pods, failure, now);
        if set.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let api: Api<ReplicaSet> =
            Api::namespaced(self.client.clone(), set.metadata.namespace.as_deref().unwrap_or_default());
        let fresh = ReplicaSet { status: Some(status), ..set.clone() };
        match api.replace_status(name(&set.metadata), &PostParams::default(), &fresh).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether the server refuses because the namespace is on its way out: then nothing is wrong.
fn is_namespace_terminating(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    causes.iter().any(|cause| cause.reason == "NamespaceTerminating")
}

fn pod_from_template(set: &ReplicaSet) -> Pod {
    let template = set.spec.template.clone().unwrap_or_default();
    let mut metadata = template.metadata.unwrap_or_default();
    metadata.name = None;
    metadata.namespace.clone_from(&set.metadata.namespace);
    metadata.generate_name = Some(format!("{}-", name(&set.metadata)));
    metadata.owner_references = Some(vec![controller_reference(set)]);
    Pod { metadata, spec: template.spec, status: None }
}
