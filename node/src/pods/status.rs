//! The status that a pod's observed state asks for. Pure.

mod conditions;
mod resources;

use super::observed::{Observed, is_sidecar};
use super::plan::{Health, Plan, is_done};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, PodStatus, VolumeMount};
use node_cri::{ContainerState, ContainerStatus};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What is known besides the runtime's state.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The node's address.
    pub host_ip: String,
    /// Why a container does not run yet: reason and message, by name.
    pub waiting: BTreeMap<String, (String, String)>,
    /// Containers whose readiness probe has not succeeded.
    pub unready: std::collections::BTreeSet<String>,
    /// Seconds that each container backs off, for its message.
    pub backoff_seconds: BTreeMap<String, i64>,
    /// The addresses that the pod had last; a pod can end before they are told.
    pub ips: Vec<String>,
    /// Runtime's name, the scheme of container ids.
    pub runtime: String,
}

/// Computes the whole status, as JSON for a merge patch; what others wrote into it is kept.
pub fn status(
    pod: &Pod,
    observed: &Observed,
    plan: &Plan,
    health: &Health,
    context: &Context,
    now: Timestamp,
) -> Value {
    let empty = PodSpec::default();
    let spec = pod.spec.as_ref().unwrap_or(&empty);
    let old = pod.status.clone().unwrap_or_default();
    let look = Look { pod, spec, observed, plan, health, context };
    let init: Vec<Value> =
        spec.init_containers.iter().flatten().map(|container| look.container(container, true)).collect();
    let main: Vec<Value> = spec.containers.iter().map(|container| look.container(container, false)).collect();
    let phase = look.phase(&old);
    let mut status = Map::new();
    status.insert("phase".into(), json!(phase));
    let (reason, message) = match &plan.failure {
        Some(failure) => (json!(failure.reason), json!(failure.message)),
        None if phase == "Failed" => (json!(old.reason), json!(old.message)),
        None => (Value::Null, Value::Null),
    };
    status.insert("reason".into(), reason);
    status.insert("message".into(), message);
    let started = old.start_time.as_ref().map_or(now, |time| time.0);
    status.insert("startTime".into(), json!(seconds(started)));
    status.insert("observedGeneration".into(), json!(pod.metadata.generation));
    if plan.failure.is_some() && observed.containers.is_empty() && observed.sandboxes.is_empty() {
        // The pod was refused: there is nothing to tell of what was never begun.
        status.insert("conditions".into(), conditions::of_refused(&old));
        return Value::Object(status);
    }
    status.insert("hostIP".into(), json!(context.host_ip));
    status.insert("hostIPs".into(), json!([{ "ip": context.host_ip }]));
    let ips = look.ips(&old);
    status.insert("podIP".into(), ips.first().map_or(Value::Null, |ip| json!(ip)));
    let listed: Vec<Value> = ips.iter().map(|ip| json!({ "ip": ip })).collect();
    status.insert("podIPs".into(), if listed.is_empty() { Value::Null } else { json!(listed) });
    status.insert("conditions".into(), look.conditions(&old, phase, &init, &main, now));
    let (resources, allocated) = resources::of_pod(spec);
    status.insert("resources".into(), resources);
    status.insert("allocatedResources".into(), allocated.unwrap_or(Value::Null));
    let listed = |all: Vec<Value>| if all.is_empty() { Value::Null } else { json!(all) };
    status.insert("initContainerStatuses".into(), listed(init));
    status.insert("containerStatuses".into(), listed(main));
    Value::Object(status)
}

/// Whether a new status says something that the pod's status does not say yet.
pub fn differs(pod: &Pod, new: &Value) -> bool {
    let old = pod.status.as_ref().and_then(|status| serde_json::to_value(status).ok()).unwrap_or(Value::Null);
    new.as_object().into_iter().flatten().any(|(key, value)| old.get(key).unwrap_or(&Value::Null) != value)
}

/// `NAME_NAMESPACE(UID)`, as upstream names pods in messages.
pub fn full_name(pod: &Pod) -> String {
    let meta = &pod.metadata;
    let [name, namespace, uid] =
        [&meta.name, &meta.namespace, &meta.uid].map(|text| text.as_deref().unwrap_or_default());
    format!("{name}_{namespace}({uid})")
}

struct Look<'a> {
    pod: &'a Pod,
    spec: &'a PodSpec,
    observed: &'a Observed,
    plan: &'a Plan,
    health: &'a Health,
    context: &'a Context,
}

impl Look<'_> {
    fn container(&self, container: &Container, init: bool) -> Value {
        let name = container.name.as_str();
        let mut newest = self.observed.all(name);
        let current = newest.next();
        let last = newest.next();
        let is_ready = current.is_some_and(|current| self.is_ready(container, current, init));
        let is_started = current
            .is_some_and(|current| current.state == ContainerState::Running && !self.health.starting.contains(name));
        let mut status = json!({
            "name": name,
            "image": current.map_or_else(|| container.image.clone().unwrap_or_default(), |current| current.image.clone()),
            "imageID": current.map_or("", |current| current.image_ref.as_str()),
            "restartCount": current.map_or(0, |current| current.attempt),
            "ready": is_ready,
            "started": is_started,
        });
        let (state, last_state) = self.states(name, current, last);
        status["state"] = state;
        status["lastState"] = last_state;
        if let Some(current) = current {
            status["containerID"] = json!(format!("{}://{}", self.context.runtime, current.id));
        }
        let resources = container.resources.clone().unwrap_or_default();
        if current.is_some() {
            status["resources"] = json!({ "limits": resources.limits, "requests": resources.requests });
            if resources.requests.as_ref().is_some_and(|requests| !requests.is_empty()) {
                status["allocatedResources"] = json!(resources.requests);
            }
        }
        if let Some(user) = current.and_then(|current| current.user.as_ref()) {
            let groups = Some(&user.groups).filter(|groups| !groups.is_empty());
            status["user"] = json!({ "linux": { "uid": user.uid, "gid": user.gid, "supplementalGroups": groups } });
        }
        let mounts = container.volume_mounts.iter().flatten().map(volume_mount);
        status["volumeMounts"] = Some(mounts.collect::<Vec<_>>()).filter(|all| !all.is_empty()).into();
        without_nulls(&mut status);
        status
    }

    /// `state` and `lastState`.
    fn states(&self, name: &str, current: Option<&ContainerStatus>, last: Option<&ContainerStatus>) -> (Value, Value) {
        let ended = |one: Option<&ContainerStatus>| one.map_or_else(|| json!({}), |one| self.terminated(one));
        let waiting = |reason: &str, message: Option<String>| {
            let mut waiting = json!({ "reason": reason });
            if let Some(message) = message.filter(|message| !message.is_empty()) {
                waiting["message"] = json!(message);
            }
            json!({ "waiting": waiting })
        };
        if let Some((reason, message)) = self.context.waiting.get(name) {
            let before = current.filter(|current| current.state == ContainerState::Exited);
            return (waiting(reason, Some(message.clone())), ended(before.or(last)));
        }
        match current {
            None => (waiting(self.not_begun(), None), json!({})),
            Some(current) if self.plan.backing_off.contains(name) => {
                let seconds = self.context.backoff_seconds.get(name).copied().unwrap_or(0);
                let message = format!(
                    "back-off {} restarting failed container={name} pod={}",
                    duration(seconds),
                    full_name(self.pod),
                );
                (waiting("CrashLoopBackOff", Some(message)), ended(Some(current)))
            }
            Some(current) => match current.state {
                ContainerState::Created => (waiting(self.not_begun(), None), ended(last)),
                ContainerState::Running => {
                    let since = current.started_at.unwrap_or(current.created_at);
                    (json!({ "running": { "startedAt": seconds(since) } }), ended(last))
                }
                ContainerState::Exited | ContainerState::Unknown => (self.terminated(current), ended(last)),
            },
        }
    }

    fn terminated(&self, one: &ContainerStatus) -> Value {
        let mut state = json!({
            "exitCode": one.exit_code,
            "reason": if one.reason.is_empty() { if one.exit_code == 0 { "Completed" } else { "Error" } } else { one.reason.as_str() },
            // Of a container that could not be started upstream tells the runtime's zero.
            "startedAt": seconds(one.started_at.unwrap_or(Timestamp::UNIX_EPOCH)),
            "finishedAt": one.finished_at.map(seconds),
            "containerID": format!("{}://{}", self.context.runtime, one.id),
        });
        if !one.message.is_empty() {
            state["message"] = json!(one.message);
        }
        json!({ "terminated": state })
    }

    fn is_ready(&self, container: &Container, current: &ContainerStatus, init: bool) -> bool {
        if init && !is_sidecar(container) {
            return current.state == ContainerState::Exited && current.exit_code == 0;
        }
        let name = &container.name;
        current.state == ContainerState::Running
            && !self.context.unready.contains(name)
            && !self.health.starting.contains(name)
            && self.pod.metadata.deletion_timestamp.is_none()
    }

    /// Why a container waits of which there is nothing else to say.
    fn not_begun(&self) -> &'static str {
        let has_init_containers = self.spec.init_containers.as_ref().is_some_and(|containers| !containers.is_empty());
        if has_init_containers { "PodInitializing" } else { "ContainerCreating" }
    }

    fn is_initialised(&self) -> bool {
        self.spec.init_containers.iter().flatten().all(|container| {
            let newest = self.observed.newest(&container.name);
            match is_sidecar(container) {
                true => newest.is_some_and(|one| {
                    one.state == ContainerState::Running && !self.health.starting.contains(&container.name)
                }),
                false => newest.is_some_and(|one| one.state == ContainerState::Exited && one.exit_code == 0),
            }
        }) || self.spec.containers.iter().any(|container| self.observed.newest(&container.name).is_some())
    }

    fn phase(&self, old: &PodStatus) -> &'static str {
        match old.phase.as_deref() {
            Some("Succeeded") => return "Succeeded",
            Some("Failed") => return "Failed",
            _ => {}
        }
        if self.plan.failure.is_some() {
            return "Failed";
        }
        if is_done(self.spec, self.observed, self.health) {
            let ok = |name: &str| self.observed.newest(name).is_some_and(|newest| newest.exit_code == 0);
            return if self.spec.containers.iter().all(|container| ok(&container.name)) {
                "Succeeded"
            } else {
                "Failed"
            };
        }
        let has_run = |container: &Container| {
            self.observed
                .all(&container.name)
                .any(|one| matches!(one.state, ContainerState::Running | ContainerState::Exited))
        };
        let deleted_after_exit = self.pod.metadata.deletion_timestamp.is_some() && self.observed.is_stopped();
        if self.spec.containers.iter().all(has_run) {
            let all_ok = || {
                self.spec
                    .containers
                    .iter()
                    .all(|container| self.observed.newest(&container.name).is_some_and(|newest| newest.exit_code == 0))
            };
            // A pod that was stopped on its way out has ended, whatever its restart policy.
            return match deleted_after_exit {
                true if all_ok() => "Succeeded",
                true => "Failed",
                false => "Running",
            };
        }
        "Pending"
    }

    /// Addresses stay visible after the pod has ended.
    fn ips(&self, old: &PodStatus) -> Vec<String> {
        if self.spec.host_network == Some(true) {
            return vec![self.context.host_ip.clone()];
        }
        if let Some(sandbox) = self.observed.sandbox().filter(|sandbox| !sandbox.ips.is_empty()) {
            return sandbox.ips.clone();
        }
        if !self.context.ips.is_empty() {
            return self.context.ips.clone();
        }
        old.pod_ips.iter().flatten().map(|ip| ip.ip.clone()).collect()
    }
}

/// A mount's status; a read-only one says whether what is mounted below it is read-only, too.
fn volume_mount(mount: &VolumeMount) -> Value {
    let mut status = json!({ "name": mount.name, "mountPath": mount.mount_path });
    if mount.read_only == Some(true) {
        status["readOnly"] = json!(true);
        status["recursiveReadOnly"] = json!("Disabled");
    }
    status
}

fn without_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, value| !value.is_null());
        fields.values_mut().for_each(without_nulls);
    }
}

fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// As Go prints durations: `10s`, `1m20s`, `5m0s`.
fn duration(seconds: i64) -> String {
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) }
}
