//! The end of containers and pods: hooks, grace periods, and what is left behind.

use super::{Failure, Outcome, Worker, grace};
use crate::hooks;
use crate::materials::fields::find;
use crate::pods::observed::{Observed, uid};
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::api::{DeleteParams, Preconditions};
use node_cri::{ContainerStatus, Error};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What a container gets after a hook that used up the grace period (upstream: 2 s).
const GRACE_MIN: Duration = Duration::from_secs(2);
/// What containers of a pod get that was taken from the API server by force (upstream: 1 s).
const GRACE_FORCED: Duration = Duration::from_secs(1);

impl Worker {
    /// Stops containers, each within its own time, all at once. Cut short (true in both cases) when the pod gets less
    /// time in the meantime: the next look stops them again, with what is left.
    pub(super) async fn stop(
        &mut self,
        pod: &Pod,
        observed: &Observed,
        stopping: &[(&ContainerStatus, Duration)],
    ) -> Result<bool, Failure> {
        let longest = stopping.iter().map(|(_, grace)| *grace).max().unwrap_or_default();
        let first: Vec<bool> = stopping.iter().map(|(one, _)| self.stopping.insert(one.id.clone())).collect();
        let mut changes = self.pod.clone();
        let stops = stopping
            .iter()
            .zip(first)
            .map(|((one, grace), is_first)| self.stop_one(pod, observed, one, *grace, is_first));
        tokio::select! {
            stopped = futures::future::try_join_all(stops) => drop(stopped?),
            () = shortened(&mut changes, longest) => {}
        }
        Ok(true)
    }

    /// Stops everything of the pod.
    pub(super) async fn stop_pod(
        &mut self,
        pod: &Pod,
        observed: &Observed,
        special: Option<i64>,
    ) -> Result<bool, Failure> {
        let running: Vec<_> = observed.running().map(|one| (one, grace(pod, special))).collect();
        if !running.is_empty() {
            for (one, _) in running.iter().filter(|(one, _)| !self.stopping.contains(&one.id)) {
                let message = format!("Stopping container {}", one.name);
                self.shared.recorder.pod(pod, Some(&one.name), false, "Killing", message);
            }
            return self.stop(pod, observed, &running).await;
        }
        for sandbox in observed.sandboxes.iter().filter(|sandbox| sandbox.ready) {
            self.shared.runtime.stop_pod_sandbox(&sandbox.id).await?;
        }
        Ok(true)
    }

    /// Runs the hook before the stop, once, and gives the container what is left of the grace period.
    async fn stop_one(
        &self,
        pod: &Pod,
        observed: &Observed,
        one: &ContainerStatus,
        grace: Duration,
        is_first: bool,
    ) -> Result<(), Error> {
        let mut left = grace;
        let container = find(pod, &one.name).filter(|_| is_first && self.shared.materials.is_some() && !left.is_zero());
        let hook = container.and_then(|container| Some((container, container.lifecycle.as_ref()?.pre_stop.as_ref()?)));
        if let Some((container, hook)) = hook {
            let began = tokio::time::Instant::now();
            if let Err(error) = hooks::run(&self.target(pod, observed, &one.id), container, hook, left).await {
                tracing::debug!(pod = pod.metadata.name, container = one.name, error, "preStop hook failed");
                let message = "PreStopHook failed".to_owned();
                self.shared.recorder.pod(pod, Some(&one.name), true, "FailedPreStopHook", message);
            }
            left = left.saturating_sub(began.elapsed()).max(GRACE_MIN);
        }
        self.shared.runtime.stop_container(&one.id, left).await
    }

    /// Runs the hook after the start; a container whose hook fails is stopped, and the failure told.
    pub(super) async fn post_start(
        &mut self,
        pod: &Pod,
        observed: &Observed,
        container: &Container,
        id: &str,
    ) -> Result<Option<String>, Failure> {
        let hook = container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.post_start.as_ref());
        let Some(hook) = hook.filter(|_| self.shared.materials.is_some()) else { return Ok(None) };
        let target = self.target(pod, observed, id);
        let Err(error) = hooks::run(&target, container, hook, hooks::POST_START_MAX).await else { return Ok(None) };
        tracing::debug!(pod = pod.metadata.name, container = container.name, error, "postStart hook failed");
        let recorder = &self.shared.recorder;
        recorder.pod(pod, Some(&container.name), true, "FailedPostStartHook", "PostStartHook failed".to_owned());
        recorder.pod(pod, Some(&container.name), false, "Killing", "FailedPostStartHook".to_owned());
        let status = self.shared.runtime.container_status(id).await?;
        self.stop(pod, observed, &[(&status, grace(pod, None))]).await?;
        Ok(Some(hooks::failure(pod, container, hook, &error)))
    }

    /// Takes a pod from the API server of which nothing runs any more.
    pub(super) async fn finish(&self, pod: &Pod, observed: &Observed) -> Result<Outcome, Failure> {
        for sandbox in &observed.sandboxes {
            self.shared.runtime.remove_pod_sandbox(&sandbox.id).await?;
        }
        self.remove_folders(pod).await;
        let preconditions = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
        let parameters = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(preconditions),
            ..DeleteParams::default()
        };
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        match self.pods(pod).delete(name, &parameters).await {
            Ok(_) => Ok(Outcome::Gone),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(Outcome::Gone),
            Err(error) => Err(error.into()),
        }
    }

    /// The pod was taken from the API server by force: nothing of it may stay.
    pub(super) async fn clean_up(&self, pod: &Pod) {
        let runtime = &self.shared.runtime;
        let observed = Observed::read(runtime.as_ref(), uid(pod)).await.unwrap_or_default();
        let removed = async {
            let stops = observed.running().map(|one| runtime.stop_container(&one.id, GRACE_FORCED));
            futures::future::try_join_all(stops).await?;
            for sandbox in &observed.sandboxes {
                runtime.stop_pod_sandbox(&sandbox.id).await?;
                runtime.remove_pod_sandbox(&sandbox.id).await?;
            }
            Ok::<(), Error>(())
        };
        if let Err(error) = removed.await {
            tracing::warn!(pod = pod.metadata.name, %error, "a sandbox without a pod could not be removed");
        }
        self.remove_folders(pod).await;
    }

    /// Removes the pod's volumes and logs; containers are gone by then.
    async fn remove_folders(&self, pod: &Pod) {
        let Some(materials) = &self.shared.materials else { return };
        if let Err(error) = materials.remove(pod).await {
            tracing::warn!(pod = pod.metadata.name, %error, "the pod's folders could not be removed");
        }
    }
}

/// Waits until the pod has less time than this to end, was taken from the API server, or the agent stops.
async fn shortened(changes: &mut watch::Receiver<Arc<Pod>>, longest: Duration) {
    while changes.changed().await.is_ok() {
        let pod = changes.borrow_and_update();
        if pod.metadata.deletion_timestamp.is_some() && grace(&pod, None) < longest {
            return;
        }
    }
}
