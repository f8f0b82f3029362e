//! Eviction of a pod: a deletion that says in the pod's status what it is (upstream: `EvictionREST`). There are no
//! disruption budgets, so none can refuse it.

use super::Registry;
use super::delete::check_preconditions;
use super::kind::Kind;
use super::options::DeleteOptions;
use super::strategy::Cx;
use super::update::Part;
use api_machinery::meta;
use api_machinery::status::Status;
use api_machinery::value;
use serde_json::{Value, json};

impl Registry {
    /// Deletes a pod, after its condition `DisruptionTarget` says why.
    ///
    /// # Errors
    /// Every refusal as the Status that upstream answers.
    pub async fn evict(&self, kind: &Kind, cx: &Cx<'_>, name: &str, options: &DeleteOptions) -> Result<(), Status> {
        let mut options = options.clone();
        if !cx.dry_run {
            let written = self.update(kind, cx, name, Part::Exact, |pod| {
                check_preconditions(kind, name, meta::uid(pod), meta::resource_version(pod), &options)?;
                let mut new = pod.clone();
                set_disruption(&mut new, cx);
                Ok(new)
            });
            let written = written.await?.object.decode().map_err(|error| kind.status(&error, name))?;
            // The version that was asked for has just been replaced.
            if let Some(wanted) = &mut options.resource_version {
                *wanted = meta::resource_version(&written).to_owned();
            }
        }
        self.delete(kind, cx, name, &options).await.map(drop)
    }
}

fn set_disruption(pod: &mut Value, cx: &Cx<'_>) {
    let mut condition = json!({"type": "DisruptionTarget", "status": "True", "lastProbeTime": null,
        "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting",
        "lastTransitionTime": api_machinery::time::format_seconds(cx.now)});
    let status = value::map_mut(pod, &["status"]);
    let Some(conditions) = status.entry("conditions").or_insert_with(|| json!([])).as_array_mut() else { return };
    match conditions.iter_mut().find(|condition| condition["type"] == "DisruptionTarget") {
        Some(existing) => {
            if existing["status"] == "True" {
                condition["lastTransitionTime"] = existing["lastTransitionTime"].clone();
            }
            *existing = condition;
        }
        None => conditions.push(condition),
    }
}
