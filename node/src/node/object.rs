//! What the agent says about its node. Pure.

use super::pressure::{Pressure, condition};
use crate::options::Options;
use crate::quantity;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use node_cri::Image;
use serde_json::{Value, json};

/// The version whose agent this stands in for; clients read it.
pub const KUBELET_VERSION: &str = "v1.37.0";

/// Images that a node's status names (upstream: `nodeStatusMaxImages`).
const IMAGES_MAX: usize = 50;
/// Names of one image that it tells (upstream's limit).
const IMAGE_NAMES_MAX: usize = 5;

/// Facts about the machine and its runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Such as `containerd://1.6.20`.
    pub runtime_version: String,
    /// Such as `6.1.0-18-amd64`.
    pub kernel_version: String,
    /// Such as `Debian GNU/Linux 12 (bookworm)`.
    pub os_image: String,
    /// `/etc/machine-id`.
    pub machine_id: String,
    /// The firmware's; empty where it has none.
    pub system_uuid: String,
    /// Changes at each boot.
    pub boot_id: String,
    /// Whether this process's users are not the machine's.
    pub in_user_namespace: bool,
}

impl Machine {
    /// Reads this machine.
    pub fn read(runtime_version: String) -> Self {
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let release = text("/etc/os-release");
        let pretty = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
        Self {
            runtime_version,
            kernel_version: text("/proc/sys/kernel/osrelease"),
            os_image: pretty.unwrap_or("Linux").trim_matches('"').to_owned(),
            machine_id: text("/etc/machine-id"),
            system_uuid: text("/sys/class/dmi/id/product_uuid"),
            boot_id: text("/proc/sys/kernel/random/boot_id"),
            in_user_namespace: maps_users(&text("/proc/self/uid_map")),
        }
    }
}

/// Whether a map of user ids is another than that of the first namespace, which maps every one to itself.
fn maps_users(map: &str) -> bool {
    !map.is_empty() && map.split_whitespace().ne(["0", "0", "4294967295"])
}

/// What the agent says in the node's metadata: the labels that every node has, the configured ones, and that volumes are
/// attached by a controller, which is the kubelet's default and what it announces.
pub fn metadata(options: &Options) -> Value {
    let mut labels = json!({
        "kubernetes.io/hostname": options.node_name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture(),
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": architecture(),
    });
    if let Some(map) = labels.as_object_mut() {
        map.extend(options.labels.iter().map(|(key, value)| (key.clone(), json!(value))));
    }
    let annotations = json!({ "volumes.kubernetes.io/controller-managed-attach-detach": "true" });
    json!({ "name": options.node_name, "labels": labels, "annotations": annotations })
}

/// How the node is at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Why the runtime is not ready, if it is not.
    pub complaint: Option<String>,
    /// What of the machine is running out.
    pub pressure: Pressure,
    /// The images that are here.
    pub images: Vec<Image>,
}

/// The status; times of conditions that did not change are kept from `current`.
pub fn status(options: &Options, machine: &Machine, health: &Health, current: Option<&Node>, now: Timestamp) -> Value {
    let capacity = &options.capacity;
    let resources = json!({
        "cpu": format_cpu(capacity.milli_cpu),
        "memory": kibibytes(capacity.memory_bytes),
        "ephemeral-storage": quantity::format(capacity.ephemeral_storage_bytes.into(), "k"),
        "pods": capacity.pods.to_string(),
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
    });
    let mut conditions = health.pressure.conditions().to_vec();
    conditions.push(match &health.complaint {
        None => condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        Some(why) => condition("Ready", "False", "KubeletNotReady", why),
    });
    for condition in &mut conditions {
        condition["lastHeartbeatTime"] = json!(seconds(now));
        let before = transition(current, &condition["type"], &condition["status"]);
        condition["lastTransitionTime"] = json!(before.unwrap_or_else(|| seconds(now)));
    }
    json!({
        "capacity": resources,
        "allocatable": resources,
        "conditions": conditions,
        "addresses": [
            { "type": "InternalIP", "address": options.node_ip.to_string() },
            { "type": "Hostname", "address": options.node_name },
        ],
        "images": images(&health.images),
        "daemonEndpoints": { "kubeletEndpoint": { "Port": options.server_port } },
        "nodeInfo": {
            "machineID": machine.machine_id, "bootID": machine.boot_id,
            "systemUUID": if machine.system_uuid.is_empty() { &machine.machine_id } else { &machine.system_uuid },
            "kernelVersion": machine.kernel_version, "osImage": machine.os_image,
            "containerRuntimeVersion": machine.runtime_version, "kubeletVersion": KUBELET_VERSION,
            "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": architecture(),
            "runningInUserNamespace": machine.in_user_namespace,
        },
    })
}

/// Whole kibibytes in the form in which the server keeps them: in another, each heartbeat would be news.
fn kibibytes(bytes: impl Into<i128>) -> String {
    quantity::format(bytes.into() / 1024 * 1024, "Ki")
}

/// Whether two statuses differ in more than the time of the heartbeat.
pub fn differs(current: Option<&Node>, new: &Value) -> bool {
    let Some(status) = current.and_then(|node| serde_json::to_value(node.status.as_ref()).ok()) else { return true };
    ["capacity", "allocatable", "addresses", "daemonEndpoints", "nodeInfo", "images"].iter().any(|key| {
        let new = &new[key];
        // The server adds fields; only what is said here counts.
        match (new.as_object(), status[key].as_object()) {
            (Some(new), Some(old)) => new.iter().any(|(name, value)| old.get(name) != Some(value)),
            _ => status[key] != *new && !(status[key].is_null() && new.as_array().is_some_and(Vec::is_empty)),
        }
    }) || new["conditions"].as_array().into_iter().flatten().any(|wanted| {
        let same = |old: &Value| ["type", "status", "reason", "message"].iter().all(|key| old[key] == wanted[key]);
        !status["conditions"].as_array().into_iter().flatten().any(same)
    })
}

/// The largest first, each with some of its names.
fn images(images: &[Image]) -> Value {
    let mut images: Vec<&Image> = images.iter().collect();
    images.sort_by_key(|image| (std::cmp::Reverse(image.size_bytes), &image.id));
    images.truncate(IMAGES_MAX);
    let one = |image: &&Image| {
        let names: Vec<&String> = image.digests.iter().chain(&image.tags).take(IMAGE_NAMES_MAX).collect();
        json!({ "names": names, "sizeBytes": image.size_bytes })
    };
    images.iter().map(one).collect()
}

fn transition(current: Option<&Node>, type_: &Value, status: &Value) -> Option<String> {
    let conditions = current?.status.as_ref()?.conditions.as_ref()?;
    let same = conditions.iter().find(|old| *type_ == old.type_.as_str() && *status == old.status.as_str())?;
    same.last_transition_time.as_ref().map(|time| seconds(time.0))
}

fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn format_cpu(milli: u64) -> String {
    if milli.is_multiple_of(1000) { (milli / 1000).to_string() } else { format!("{milli}m") }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_told_as_the_server_keeps_them() {
        let kept = [1536i64, 4 << 10, 16_384_000 << 10, 256 << 30, 0].map(kibibytes);
        assert_eq!(kept, ["1Ki", "4Ki", "16000Mi", "256Gi", "0"]);
    }

    #[test]
    fn a_map_of_users_to_others_is_a_namespace_of_its_own() {
        assert!(!maps_users("0          0 4294967295"));
        assert!(maps_users("0       1000          1"));
        assert!(!maps_users(""), "nothing is known");
    }

    fn options() -> Options {
        Options {
            node_name: "n1".into(),
            node_ip: "192.0.2.1".parse().unwrap(),
            server_port: 10250,
            server: None,
            labels: [("role".to_owned(), "x".to_owned())].into(),
            real: None,
            capacity: crate::HollowOptions::default().capacity,
        }
    }

    // proves: KL-01
    #[test]
    fn a_node_says_what_it_offers_and_how_it_is() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let image = |id: &str, size_bytes| Image {
            id: id.into(),
            tags: vec![format!("{id}:1")],
            digests: vec![format!("{id}@sha256:0")],
            size_bytes,
            ..Image::default()
        };
        let health = Health {
            complaint: Some("no network".into()),
            images: vec![image("small", 1), image("large", 2)],
            ..Health::default()
        };
        let status = status(&options(), &Machine::default(), &health, None, now);
        assert_eq!(status["images"][0], json!({"names": ["large@sha256:0", "large:1"], "sizeBytes": 2}));
        assert_eq!(status["allocatable"]["cpu"], "32");
        assert_eq!(status["addresses"][0]["address"], "192.0.2.1");
        let ready =
            status["conditions"].as_array().unwrap().iter().find(|condition| condition["type"] == "Ready").unwrap();
        assert_eq!(
            (&ready["status"], &ready["reason"], &ready["message"]),
            (&json!("False"), &json!("KubeletNotReady"), &json!("no network"))
        );
        let metadata = metadata(&options());
        assert_eq!(metadata["labels"]["kubernetes.io/hostname"], "n1");
        assert_eq!(metadata["annotations"]["volumes.kubernetes.io/controller-managed-attach-detach"], "true");
    }

    #[test]
    fn a_heartbeat_keeps_the_time_of_transition_and_is_no_difference() {
        let (before, now): (Timestamp, Timestamp) =
            ("2026-01-01T00:00:00Z".parse().unwrap(), "2026-01-01T01:00:00Z".parse().unwrap());
        let good = Health::default();
        let first = status(&options(), &Machine::default(), &good, None, before);
        let node: Node = serde_json::from_value(json!({"metadata": {"name": "n1"}, "status": first})).unwrap();
        let second = status(&options(), &Machine::default(), &good, Some(&node), now);
        assert_eq!(second["conditions"][3]["lastTransitionTime"], "2026-01-01T00:00:00Z");
        assert!(!differs(Some(&node), &second));
        let bad = Health { complaint: Some("x".into()), ..Health::default() };
        let failed = status(&options(), &Machine::default(), &bad, Some(&node), now);
        assert!(differs(Some(&node), &failed));
        assert_eq!(failed["conditions"][3]["lastTransitionTime"], "2026-01-01T01:00:00Z");
    }
}
