//! The conditions of a pod, in the order that upstream writes them.

use super::{Look, seconds};
use crate::pods::observed::is_sidecar;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PodCondition as Condition, PodStatus};
use serde_json::{Value, json};

const DISRUPTION_TARGET: &str = "DisruptionTarget";
const NO_SANDBOX: &str = "PodSandboxNotReady";
/// The conditions that only the agent writes.
const OWN: [&str; 5] = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];

/// What others have said of a pod of which the agent says nothing, since it was refused.
pub(super) fn of_refused(old: &PodStatus) -> Value {
    let others = old.conditions.iter().flatten().filter(|condition| !OWN.contains(&condition.type_.as_str()));
    let others: Vec<&Condition> = others.collect();
    if others.is_empty() { Value::Null } else { json!(others) }
}

impl Look<'_> {
    pub(super) fn conditions(
        &self,
        old: &PodStatus,
        phase: &str,
        init: &[Value],
        main: &[Value],
        now: Timestamp,
    ) -> Value {
        let done = phase == "Succeeded";
        let names = |statuses: &[Value]| {
            let unready = statuses.iter().filter(|status| status["ready"] != json!(true));
            unready.filter_map(|status| status["name"].as_str()).collect::<Vec<_>>().join(" ")
        };
        let sidecars: Vec<&str> = self
            .spec
            .init_containers
            .iter()
            .flatten()
            .filter(|container| is_sidecar(container))
            .map(|container| container.name.as_str())
            .collect();
        let mut serving: Vec<Value> = init
            .iter()
            .filter(|status| sidecars.contains(&status["name"].as_str().unwrap_or_default()))
            .cloned()
            .collect();
        serving.extend_from_slice(main);
        let unready = names(&serving);
        let not_ready = |completed: bool| match (completed, unready.is_empty()) {
            (true, _) => ("False", Some("PodCompleted"), None),
            (false, true) => ("True", None, None),
            (false, false) => {
                ("False", Some("ContainersNotReady"), Some(format!("containers with unready status: [{unready}]")))
            }
        };
        let containers_ready = match phase {
            "Failed" => ("False", Some("PodFailed"), None),
            _ => not_ready(done),
        };
        let gates = self.spec.readiness_gates.iter().flatten().map(|gate| gate.condition_type.as_str());
        let conditions_of = old.conditions.as_deref().unwrap_or_default();
        let closed = gates.filter_map(|gate| match conditions_of.iter().find(|condition| condition.type_ == gate) {
            None => Some(format!("corresponding condition of pod readiness gate {gate:?} does not exist.")),
            Some(condition) if condition.status == "True" => None,
            Some(Condition { status, .. }) => {
                Some(format!("the status of pod readiness gate {gate:?} is not \"True\", but {status}"))
            }
        });
        let closed: Vec<String> = closed.collect();
        let ready = match (containers_ready.0, closed.is_empty()) {
            ("True", false) => ("False", Some("ReadinessGatesNotReady"), Some(closed.join(", "))),
            _ => containers_ready.clone(),
        };
        let initialised = if done || self.is_initialised() {
            ("True", done.then_some("PodCompleted"), None)
        } else {
            let incomplete = names(init);
            (
                "False",
                Some("ContainersNotInitialized"),
                Some(format!("containers with incomplete status: [{incomplete}]")),
            )
        };
        let ready_to_start = match (self.observed.sandboxes.is_empty(), self.observed.sandbox().is_some()) {
            (_, true) => ("True", None, None),
            (true, _) => ("False", Some(NO_SANDBOX), Some("no pod sandbox exists".to_owned())),
            (false, _) => ("False", Some(NO_SANDBOX), Some("pod sandbox is not ready".to_owned())),
        };
        let own = [
            ("PodReadyToStartContainers", ready_to_start),
            ("Initialized", initialised),
            ("Ready", ready),
            ("ContainersReady", containers_ready),
            // Whoever chose the node; a pod that names it itself has met no scheduler to say so.
            ("PodScheduled", ("True", None, None)),
        ];
        let mut conditions: Vec<Value> = Vec::new();
        for (type_, (status, reason, message)) in own {
            let before = conditions_of.iter().find(|condition| condition.type_ == type_ && condition.status == status);
            let since = before.and_then(|condition| condition.last_transition_time.as_ref()).map_or(now, |time| time.0);
            let mut condition = json!({ "type": type_, "status": status, "lastTransitionTime": seconds(since) });
            if let Some(generation) = self.pod.metadata.generation {
                condition["observedGeneration"] = json!(generation);
            }
            if let Some(reason) = reason {
                condition["reason"] = json!(reason);
            }
            if let Some(message) = message {
                condition["message"] = json!(message);
            }
            conditions.push(condition);
        }
        let others = conditions_of.iter().filter(|condition| !OWN.contains(&condition.type_.as_str()));
        let others: Vec<Value> = others.filter_map(|other| serde_json::to_value(other).ok()).collect();
        conditions.splice(0..0, others);
        // It comes before what the agent finds out anew each time.
        conditions.sort_by_key(|condition| condition["type"] != DISRUPTION_TARGET);
        json!(conditions)
    }
}
