//! A pod's volumes, its last words, and how much storage it uses.

use super::{Failure, Worker};
use crate::logs;
use crate::materials::fields::find;
use crate::materials::usage;
use crate::pods::observed::{Observed, uid};
use crate::pods::plan::Plan;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use node_cri::ContainerState;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// Between two measurements of the storage that a pod uses (upstream's eviction manager looks as often).
const USAGE_PERIOD: Duration = Duration::from_secs(10);

impl Worker {
    /// Until the volumes are there the pod waits with `ContainerCreating`; later failures leave the old files.
    pub(super) async fn ensure_volumes(
        &mut self,
        pod: &Pod,
        observed: &Observed,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let Some(materials) = self.shared.materials.clone() else { return Ok(()) };
        let ips = observed.sandbox().map(|sandbox| sandbox.ips.clone()).unwrap_or_default();
        let Err(complaint) = materials.ensure_volumes(pod, &ips, &mut self.volumes).await else {
            self.volume_complaint = None;
            return Ok(());
        };
        if self.volume_complaint.as_ref() != Some(&complaint) {
            self.shared.recorder.pod(pod, None, true, "FailedMount", complaint.clone());
            self.volume_complaint = Some(complaint.clone());
        }
        if self.volumes.is_made() {
            return Ok(());
        }
        self.report(pod, observed, plan, now).await?;
        Err(Failure::Volumes(complaint))
    }

    /// Adds to containers that ended what they wrote as their termination message, or last into their log.
    pub(super) async fn read_last_words(&self, pod: &Pod, observed: &mut Observed) {
        let Some(materials) = &self.shared.materials else { return };
        let ended = observed.containers.iter_mut().filter(|one| one.state == ContainerState::Exited);
        for one in ended.filter(|one| one.message.is_empty()) {
            let words = materials.termination_message(uid(pod), &one.name, one.attempt).await;
            one.message = words.unwrap_or_default();
            let policy = find(pod, &one.name).and_then(|container| container.termination_message_policy.as_deref());
            if one.message.is_empty() && one.exit_code != 0 && policy == Some("FallbackToLogsOnError") {
                one.message = logs::last_words(Path::new(&one.log_path)).await.unwrap_or_default();
            }
        }
    }

    /// Measures the pod's storage when it is time, and remembers when it is too much.
    pub(super) async fn check_usage(&mut self, pod: &Pod, observed: &Observed) {
        let Some(materials) = self.shared.materials.clone() else { return };
        let is_due = self.next_usage_check(pod).is_some_and(|wait| wait.is_zero());
        if !is_due {
            return;
        }
        self.usage_checked = Some(Instant::now());
        if observed.running().next().is_none() || pod.metadata.deletion_timestamp.is_some() {
            return;
        }
        let used = materials.usage(pod, observed, self.shared.runtime.as_ref()).await;
        self.health.evicted = usage::excess(pod, &used);
    }

    /// When the storage is measured next; `None` for a pod without limits, or one that is evicted already.
    pub(super) fn next_usage_check(&self, pod: &Pod) -> Option<Duration> {
        if self.health.evicted.is_some() || self.shared.materials.is_none() || !usage::is_limited(pod) {
            return None;
        }
        Some(self.usage_checked.map_or(Duration::ZERO, |at| USAGE_PERIOD.saturating_sub(at.elapsed())))
    }
}
