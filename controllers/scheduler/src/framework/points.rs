//! Runs all plugins of a profile at one extension point, each point measured under upstream's name.

use super::{CycleState, Failure, Permit, Profile, Refusal, Rejection, Unschedulable, Verdict};
use crate::metrics::Point;
use crate::pod_info::PodInfo;
use crate::snapshot::Snapshot;
use std::time::Duration;

/// Permission that is not there yet.
pub struct Waiting {
    plugin: &'static str,
    verdict: Verdict,
    at_most: Duration,
}

impl Profile {
    /// Whether the pod may be queued.
    ///
    /// # Errors
    /// The first refusal.
    pub fn pre_enqueue(&self, pod: &PodInfo) -> Result<(), Refusal> {
        self.first_refusal(|plugin| plugin.pre_enqueue(pod))
    }

    /// Refuses the pod as a whole, or prepares what filters need.
    ///
    /// # Errors
    /// The first refusal.
    pub fn pre_filter(&self, state: &mut CycleState, pod: &PodInfo, snapshot: &Snapshot) -> Result<(), Refusal> {
        let point = Point::start("PreFilter");
        point.settle(self.first_refusal(|plugin| plugin.pre_filter(state, pod, snapshot)))
    }

    /// What plugins say where no node is left: the texts in order, joined.
    pub fn post_filter(
        &self,
        state: &CycleState,
        pod: &PodInfo,
        snapshot: &Snapshot,
        refused: &Unschedulable,
    ) -> String {
        let point = Point::start("PostFilter");
        let texts: Vec<String> =
            self.plugins().filter_map(|plugin| plugin.post_filter(state, pod, snapshot, refused)).collect();
        point.end("Unschedulable");
        texts.join(", ")
    }

    /// `Reserve` everywhere; what was reserved is given back if one refuses.
    ///
    /// # Errors
    /// The first refusal.
    pub fn reserve(&self, pod: &PodInfo, node: &str) -> Result<(), Refusal> {
        let point = Point::start("Reserve");
        let outcome = point.settle(self.first_refusal(|plugin| plugin.reserve(pod, node)));
        if outcome.is_err() {
            self.unreserve(pod, node);
        }
        outcome
    }

    /// `Unreserve` everywhere, the last plugin first.
    pub fn unreserve(&self, pod: &PodInfo, node: &str) {
        let point = Point::start("Unreserve");
        self.weighted().iter().rev().for_each(|weighted| weighted.plugin.unreserve(pod, node));
        point.end("Success");
    }

    /// `Permit` everywhere. Returns those that have not decided yet.
    ///
    /// # Errors
    /// The first refusal.
    pub fn permit(&self, pod: &PodInfo, node: &str) -> Result<Vec<Waiting>, Refusal> {
        let point = Point::start("Permit");
        let mut waiting = Vec::new();
        for plugin in self.plugins() {
            match plugin.permit(pod, node) {
                Ok(Permit::Allow) => {}
                Ok(Permit::Wait { verdict, at_most }) => {
                    waiting.push(Waiting { plugin: plugin.name(), verdict, at_most });
                }
                Err(rejection) => return point.settle(Err((plugin.name(), rejection))),
            }
        }
        point.end(if waiting.is_empty() { "Success" } else { "Wait" });
        Ok(waiting)
    }

    /// Waits for those who have not decided yet.
    ///
    /// # Errors
    /// The first refusal, or that somebody took too long.
    pub async fn permitted(&self, waiting: Vec<Waiting>) -> Result<(), Refusal> {
        for Waiting { plugin, verdict, at_most } in waiting {
            let verdict = tokio::time::timeout(at_most, verdict).await.unwrap_or_else(|_| {
                let text = format!("rejected due to timeout after waiting {at_most:?} at plugin {plugin}");
                Err(Rejection::resolvable(text))
            });
            verdict.map_err(|rejection| (plugin, rejection))?;
        }
        Ok(())
    }

    /// `PreBind` everywhere, `Bind` until a plugin takes it, `PostBind` everywhere.
    ///
    /// # Errors
    /// What failed first; the pod may still have been bound.
    pub async fn bind(&self, pod: &PodInfo, node: &str) -> Result<(), Failure> {
        let at = |what: &str, plugin: &str, failure: Failure| Failure {
            message: format!("running {what} plugin {plugin:?}: {}", failure.message),
            ..failure
        };
        let point = Point::start("PreBind");
        for plugin in self.plugins() {
            if let Err(failure) = plugin.pre_bind(pod, node).await {
                point.end("Error");
                return Err(at("PreBind", plugin.name(), failure));
            }
        }
        point.end("Success");
        let point = Point::start("Bind");
        let Some((plugin, step)) = self.plugins().find_map(|plugin| Some((plugin.name(), plugin.bind(pod, node)?)))
        else {
            point.end("Skip");
            return Err(Failure::new("no plugin of the profile binds"));
        };
        if let Err(failure) = step.await {
            point.end("Error");
            return Err(at("Bind", plugin, failure));
        }
        point.end("Success");
        let point = Point::start("PostBind");
        self.plugins().for_each(|plugin| plugin.post_bind(pod, node));
        point.end("Success");
        Ok(())
    }

    fn first_refusal(&self, mut ask: impl FnMut(&dyn super::Plugin) -> Result<(), Rejection>) -> Result<(), Refusal> {
        for plugin in self.plugins() {
            ask(plugin.as_ref()).map_err(|rejection| (plugin.name(), rejection))?;
        }
        Ok(())
    }
}
