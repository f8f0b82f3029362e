//! Observes Deployments and their ReplicaSets, and carries the plan out one step at a time.

use super::numbers::{recreates, set_replicas};
use super::plan::{self, Observed, Step};
use super::progress;
use super::template::{self, REVISION};
use crate::objects::{controller_of, explain, is_terminating, name, selects, uid};
use crate::{Context, ownership};
use controllers_runtime::events::Level;
use controllers_runtime::worker::{self, Next};
use controllers_runtime::{Key, Queue, Recorder};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus, ReplicaSet};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Deployments reconciled at a time (upstream: `--concurrent-deployment-syncs`).
const WORKERS: usize = 5;
const NAME: &str = "deployment-controller";

/// Starts the controller.
pub fn start(context: &Context) {
    let controller = Arc::new(Controller {
        client: (context.client_for)(NAME),
        context: context.clone(),
        recorder: context.recorder.named(NAME),
        queue: Queue::new("deployment"),
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
    queue: Queue<Key>,
}

impl Controller {
    fn watch(self: &Arc<Self>) {
        let queue = self.queue.clone();
        self.context.informers.deployments.on_change(move |delta| queue.add(Key::of(delta.object().as_ref())));
        let controller = Arc::clone(self);
        self.context.informers.replica_sets.on_change(move |delta| controller.set_changed(delta.object()));
        // Recreate waits for the old pods to be gone.
        let controller = Arc::clone(self);
        self.context.informers.pods.on_change(move |delta| {
            if let controllers_runtime::Delta::Deleted(pod) = delta {
                controller.pod_gone(&pod.metadata);
            }
        });
    }

    fn set_changed(&self, set: &ReplicaSet) {
        let namespace = set.metadata.namespace.as_deref().unwrap_or_default();
        match controller_of(&set.metadata) {
            Some(owner) if owner.kind == "Deployment" => self.queue.add(Key::new(namespace, owner.name.as_str())),
            Some(_) => {}
            None => {
                for deployment in self.context.informers.deployments.index().in_namespace(namespace) {
                    if selects(Some(&deployment.spec.selector), set.metadata.labels.as_ref()) {
                        self.queue.add(Key::of(deployment.as_ref()));
                    }
                }
            }
        }
    }

    fn pod_gone(&self, pod: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) {
        let namespace = pod.namespace.as_deref().unwrap_or_default();
        let Some(owner) = controller_of(pod).filter(|owner| owner.kind == "ReplicaSet") else { return };
        let set = self.context.informers.replica_sets.index().get(&Key::new(namespace, owner.name.as_str()));
        let Some(set) = set else { return };
        let Some(owner) = controller_of(&set.metadata) else { return };
        let key = Key::new(namespace, owner.name.as_str());
        if self.context.informers.deployments.index().get(&key).is_some_and(|deployment| recreates(&deployment)) {
            self.queue.add(key);
        }
    }

    async fn reconcile(&self, key: Key) -> Result<Next, kube::Error> {
        let Some(deployment) = self.context.informers.deployments.index().get(&key) else { return Ok(Next::Wait) };
        let sets = self.claim(&deployment, &key).await?;
        let pods = if recreates(&deployment) {
            sets.iter().flat_map(|set| self.context.informers.pods.index().owned_by(uid(&set.metadata))).collect()
        } else {
            Vec::new()
        };
        let observed = Observed { deployment, sets, pods, now: Timestamp::now() };
        let (step, mut status) = plan::plan(&observed);
        let revision = match step {
            Step::Revision(revision) => Some(revision),
            _ => None,
        };
        self.take(&observed, step, &mut status).await?;
        self.update_status(&observed.deployment, &status, revision).await?;
        let seconds = progress::seconds_to_deadline(&observed.deployment, &status, observed.now);
        Ok(seconds.map_or(Next::Wait, |seconds| Next::After(Duration::from_secs(seconds))))
    }

    async fn claim(&self, deployment: &Deployment, key: &Key) -> Result<Vec<Arc<ReplicaSet>>, kube::Error> {
        let index = self.context.informers.replica_sets.index();
        let selector = Some(&deployment.spec.selector);
        let mut candidates = index.owned_by(uid(&deployment.metadata));
        candidates.extend(index.orphans_in(&key.namespace));
        ownership::claim_all(deployment, selector, candidates, &self.sets(deployment)).await
    }

    /// Carries out one step. What it changes comes back through the watches.
    async fn take(&self, observed: &Observed, step: Step, status: &mut DeploymentStatus) -> Result<(), kube::Error> {
        let deployment = &observed.deployment;
        match step {
            // The revision is written along with the status.
            Step::Rest | Step::Revision(_) => Ok(()),
            Step::Condition(condition) => {
                progress::set_condition(status, condition);
                Ok(())
            }
            Step::Create(set) => self.create(observed, &set, status).await,
            Step::Annotate(set, annotations) => {
                let seconds = deployment.spec.min_ready_seconds;
                let patch =
                    json!({ "metadata": { "annotations": annotations }, "spec": { "minReadySeconds": seconds } });
                let sets = self.sets(deployment);
                sets.patch(name(&set.metadata), &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
            }
            Step::Resize(resizes) => {
                for (set, size) in resizes {
                    self.resize(deployment, &set, size).await?;
                }
                Ok(())
            }
            Step::CleanUp(sets) => {
                for set in sets {
                    let api = self.sets(deployment);
                    match api.delete(name(&set.metadata), &DeleteParams::background()).await {
                        Ok(_) => {}
                        Err(kube::Error::Api(status)) if status.code == 404 => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            }
        }
    }

    async fn create(
        &self,
        observed: &Observed,
        set: &ReplicaSet,
        status: &mut DeploymentStatus,
    ) -> Result<(), kube::Error> {
        let deployment = &observed.deployment;
        let set_name = name(&set.metadata);
        match self.sets(deployment).create(&PostParams::default(), set).await {
            Ok(created) => {
                let message = format!("Created new replica set {set_name:?}");
                let condition =
                    progress::condition("Progressing", "True", progress::reason::NEW, &message, observed.now);
                progress::set_condition(status, condition);
                let size = set_replicas(&created);
                if size > 0 {
                    let message = format!("Scaled up replica set {set_name} from 0 to {size}");
                    self.recorder.event(deployment.as_ref(), Level::Normal, "ScalingReplicaSet", message);
                }
                Ok(())
            }
            Err(kube::Error::Api(error)) if error.code == 409 => {
                // Ours and not yet in the index, or another template with the same hash: then a new hash is due.
                let existing = self.sets(deployment).get(set_name).await?;
                let ours =
                    controller_of(&existing.metadata).is_some_and(|owner| owner.uid == uid(&deployment.metadata));
                let same = template::split(deployment, &[Arc::new(existing)]).0.is_some();
                if !(ours && same) {
                    status.collision_count = Some(status.collision_count.unwrap_or(0) + 1);
                }
                Ok(())
            }
            Err(error) => {
                let message = format!("Failed to create new replica set {set_name:?}: {}", explain(&error));
                let condition =
                    progress::condition("Progressing", "False", progress::reason::CREATE_ERROR, &message, observed.now);
                progress::set_condition(status, condition);
                self.recorder.event(deployment.as_ref(), Level::Warning, progress::reason::CREATE_ERROR, message);
                self.update_status(deployment, status, None).await?;
                Err(error)
            }
        }
    }

    async fn resize(&self, deployment: &Deployment, set: &ReplicaSet, size: i32) -> Result<(), kube::Error> {
        let before = set_replicas(set);
        let patch = json!({
            "metadata": { "annotations": template::scale_annotations(deployment), "resourceVersion": set.metadata.resource_version },
            "spec": { "replicas": size },
        });
        self.sets(deployment).patch(name(&set.metadata), &PatchParams::default(), &Patch::Merge(patch)).await?;
        if before != size {
            let direction = if before < size { "up" } else { "down" };
            let message = format!("Scaled {direction} replica set {} from {before} to {size}", name(&set.metadata));
            self.recorder.event(deployment, Level::Normal, "ScalingReplicaSet", message);
        }
        Ok(())
    }

    /// Writes the status, and the revision beside it: an annotation that is written any other way would count as a new
    /// generation.
    async fn update_status(
        &self,
        deployment: &Deployment,
        status: &DeploymentStatus,
        revision: Option<i64>,
    ) -> Result<(), kube::Error> {
        if deployment.status.as_ref() == Some(status) && revision.is_none() {
            return Ok(());
        }
        let mut fresh = deployment.clone();
        if let Some(revision) = revision {
            fresh.metadata.annotations.get_or_insert_default().insert(REVISION.to_owned(), revision.to_string());
        }
        fresh.status = Some(status.clone());
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), namespace(deployment));
        match api.replace_status(name(&deployment.metadata), &PostParams::default(), &fresh).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 && is_terminating(&deployment.metadata) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn sets(&self, deployment: &Deployment) -> Api<ReplicaSet> {
        Api::namespaced(self.client.clone(), namespace(deployment))
    }
}

fn namespace(deployment: &Deployment) -> &str {
    deployment.metadata.namespace.as_deref().unwrap_or_default()
}
