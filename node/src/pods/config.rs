//! From a pod's spec to what the runtime is told. Pure.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use node_cri::{
    ContainerConfig, HostNamespaces, LABEL_CONTAINER_NAME, LABEL_POD_NAME, LABEL_POD_NAMESPACE, LABEL_POD_UID,
    PortMapping, SandboxConfig,
};
use std::path::Path;

/// The image as the pod named it when the container was made: a pod that names another one by now gets a new container.
/// (Of what can change in a container nothing else needs one; the runtime's own words for an image may differ.)
pub const IMAGE_ANNOTATION: &str = "raftsman.io/image";
/// Longest host name (upstream cuts there, and drops a dot or dash at the cut).
const HOSTNAME_BYTES_MAX: usize = 63;

/// The sandbox of a pod.
pub fn sandbox(pod: &Pod, attempt: u32, log_directory: String) -> SandboxConfig {
    let meta = &pod.metadata;
    let spec = pod.spec.clone().unwrap_or_default();
    let (name, namespace) = (meta.name.clone().unwrap_or_default(), meta.namespace.clone().unwrap_or_default());
    let uid = meta.uid.clone().unwrap_or_default();
    let labels = [(LABEL_POD_NAME, &name), (LABEL_POD_NAMESPACE, &namespace), (LABEL_POD_UID, &uid)];
    SandboxConfig {
        hostname: match &spec.hostname_override {
            _ if spec.host_network == Some(true) => String::new(),
            Some(name) => name.clone(),
            None => hostname(spec.hostname.as_deref().unwrap_or(&name)),
        },
        labels: labels.map(|(key, value)| (key.to_owned(), value.clone())).into(),
        annotations: meta.annotations.clone().unwrap_or_default(),
        host: HostNamespaces {
            network: spec.host_network == Some(true),
            pid: spec.host_pid == Some(true),
            ipc: spec.host_ipc == Some(true),
            shared_pid: spec.share_process_namespace == Some(true),
        },
        port_mappings: port_mappings(&spec),
        log_directory,
        attempt,
        name,
        namespace,
        uid,
        ..SandboxConfig::default()
    }
}

/// The folder of all logs, below the agent's.
pub const LOGS: &str = "logs";

/// The folder of a pod's logs, `logs/NAMESPACE_NAME_UID` below `root`; a container's are in `CONTAINER/ATTEMPT.log`.
pub fn log_directory(root: &Path, pod: &Pod) -> String {
    let meta = &pod.metadata;
    let [namespace, name, uid] =
        [&meta.namespace, &meta.name, &meta.uid].map(|text| text.as_deref().unwrap_or_default());
    root.join(LOGS).join(format!("{namespace}_{name}_{uid}")).display().to_string()
}

/// What a container of the pod is made from, without what must be fetched or mounted first.
pub fn container(pod: &Pod, container: &Container, attempt: u32) -> ContainerConfig {
    let mut labels = sandbox(pod, 0, String::new()).labels;
    labels.insert(LABEL_CONTAINER_NAME.to_owned(), container.name.clone());
    ContainerConfig {
        name: container.name.clone(),
        attempt,
        image: container.image.clone().unwrap_or_default(),
        command: container.command.clone().unwrap_or_default(),
        args: container.args.clone().unwrap_or_default(),
        working_dir: container.working_dir.clone().unwrap_or_default(),
        labels,
        annotations: [(IMAGE_ANNOTATION.to_owned(), container.image.clone().unwrap_or_default())].into(),
        log_path: format!("{}/{attempt}.log", container.name),
        stdin: container.stdin.unwrap_or(false),
        stdin_once: container.stdin_once.unwrap_or(false),
        tty: container.tty.unwrap_or(false),
        ..ContainerConfig::default()
    }
}

/// Ports of the host that lead into the pod; on the host's own network they are the pod's already.
fn port_mappings(spec: &PodSpec) -> Vec<PortMapping> {
    if spec.host_network == Some(true) {
        return Vec::new();
    }
    let sidecars = spec.init_containers.iter().flatten().filter(|container| super::observed::is_sidecar(container));
    let ports = spec.containers.iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten());
    ports
        .filter_map(|port| {
            Some(PortMapping {
                protocol: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
                container_port: port.container_port,
                host_port: port.host_port.filter(|port| *port > 0)?,
                host_ip: port.host_ip.clone().unwrap_or_default(),
            })
        })
        .collect()
}

fn hostname(name: &str) -> String {
    name.chars().take(HOSTNAME_BYTES_MAX).collect::<String>().trim_end_matches(['-', '.']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_host_port_is_forwarded_unless_the_pod_is_on_the_host() {
        let mut pod: Pod = serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": {"containers": [
            {"name": "c", "ports": [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81}]}]}}))
        .unwrap();
        let mappings = sandbox(&pod, 0, String::new()).port_mappings;
        let ports: Vec<_> =
            mappings.iter().map(|one| (one.protocol.as_str(), one.container_port, one.host_port)).collect();
        assert_eq!(ports, [("TCP", 80, 8080)]);
        pod.spec.as_mut().unwrap().host_network = Some(true);
        assert!(sandbox(&pod, 0, String::new()).port_mappings.is_empty());
    }
}
