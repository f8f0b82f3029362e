//! Finds out which pods changed, by listing again and again.

use super::{Client, proto};
use crate::types::{Change, LABEL_POD_UID};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Between two lists (upstream: `plegRelistPeriod`).
const RELIST_PERIOD: Duration = Duration::from_secs(1);

/// State by id of everything of a pod, by the pod's uid.
type Seen = BTreeMap<String, BTreeMap<String, i32>>;

impl Client {
    /// Announces changed pods to the receivers of `changes`. Never ends: whoever starts it decides when to drop it.
    pub async fn watch(self) {
        let mut seen = Seen::new();
        let mut is_down = false;
        loop {
            tokio::time::sleep(RELIST_PERIOD).await;
            match self.look().await {
                Ok(now) => {
                    for pod_uid in changed(&seen, &now) {
                        // Without a receiver nobody needs to know.
                        let _ = self.changes.send(Change { pod_uid });
                    }
                    seen = now;
                    is_down = false;
                }
                // A runtime that restarts is no news each second.
                Err(error) if !is_down => {
                    tracing::warn!(%error, "the container runtime cannot be listed; trying on");
                    is_down = true;
                }
                Err(_) => {}
            }
        }
    }

    async fn look(&self) -> crate::Result<Seen> {
        let mut seen = Seen::new();
        for sandbox in self.sandboxes(proto::PodSandboxFilter::default()).await? {
            let uid = sandbox.metadata.unwrap_or_default().uid;
            seen.entry(uid).or_default().insert(sandbox.id, sandbox.state);
        }
        for mut container in self.containers(proto::ContainerFilter::default()).await? {
            if let Some(uid) = container.labels.remove(LABEL_POD_UID) {
                seen.entry(uid).or_default().insert(container.id, container.state);
            }
        }
        Ok(seen)
    }
}

fn changed(before: &Seen, now: &Seen) -> BTreeSet<String> {
    let uids = before.keys().chain(now.keys());
    uids.filter(|uid| before.get(*uid) != now.get(*uid)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_that_came_went_or_look_different_have_changed() {
        let seen = |pods: &[(&str, &str, i32)]| {
            let mut seen = Seen::new();
            for (uid, id, state) in pods {
                seen.entry((*uid).to_owned()).or_default().insert((*id).to_owned(), *state);
            }
            seen
        };
        let before = seen(&[("same", "1", 1), ("other", "2", 1), ("went", "3", 1)]);
        let now = seen(&[("same", "1", 1), ("other", "2", 2), ("came", "4", 0)]);
        assert_eq!(changed(&before, &now), ["came", "other", "went"].map(str::to_owned).into());
        assert!(changed(&now, &now).is_empty());
    }
}
