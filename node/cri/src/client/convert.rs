//! Between the plain types of this crate and the wire's. Pure.

use super::proto;
use crate::types::*;
use jiff::Timestamp;

/// Hidden from containers unless they ask to see all of `/proc` (upstream: `defaultMaskedPaths`). The runtime takes an
/// empty list at its word, so the list is always sent.
const MASKED_PATHS: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];
/// Cannot be written by containers (upstream: `defaultReadonlyPaths`).
const READONLY_PATHS: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

pub(super) fn selector(pod_uid: Option<&str>) -> Map {
    pod_uid.map(|uid| (LABEL_POD_UID.to_owned(), uid.to_owned())).into_iter().collect()
}

pub(super) fn runtime_status(conditions: &[proto::RuntimeCondition]) -> RuntimeStatus {
    let is_true = |name: &str| conditions.iter().any(|condition| condition.r#type == name && condition.status);
    let failing = conditions.iter().filter(|condition| !condition.status);
    // As upstream joins them: `container runtime network not ready: NetworkReady=false reason:... message:...`.
    let message = failing
        .map(|one| format!("{}=false reason:{} message:{}", one.r#type, one.reason, one.message))
        .collect::<Vec<_>>()
        .join(", ");
    RuntimeStatus { runtime_ready: is_true("RuntimeReady"), network_ready: is_true("NetworkReady"), message }
}

pub(super) fn sandbox_config(config: &SandboxConfig) -> proto::PodSandboxConfig {
    let mut labels = config.labels.clone();
    // Lists are filtered by this label.
    labels.insert(LABEL_POD_UID.to_owned(), config.uid.clone());
    proto::PodSandboxConfig {
        metadata: Some(proto::PodSandboxMetadata {
            name: config.name.clone(),
            uid: config.uid.clone(),
            namespace: config.namespace.clone(),
            attempt: config.attempt,
        }),
        hostname: config.hostname.clone(),
        log_directory: config.log_directory.clone(),
        // Without a configuration the runtime copies the host's.
        dns_config: (config.dns != Dns::default()).then(|| proto::DnsConfig {
            servers: config.dns.servers.clone(),
            searches: config.dns.searches.clone(),
            options: config.dns.options.clone(),
        }),
        port_mappings: config.port_mappings.iter().map(port_mapping).collect(),
        labels,
        annotations: config.annotations.clone(),
        linux: Some(proto::LinuxPodSandboxConfig {
            cgroup_parent: config.cgroup_parent.clone(),
            security_context: Some(proto::LinuxSandboxSecurityContext {
                namespace_options: Some(namespaces(config.host)),
                supplemental_groups: config.supplemental_groups.clone(),
                privileged: config.privileged,
                seccomp: Some(profile(if config.privileged { &Profile::Unconfined } else { &Profile::RuntimeDefault })),
            }),
            sysctls: config.sysctls.clone(),
        }),
    }
}

pub(super) fn container_config(config: &ContainerConfig, pod: &SandboxConfig) -> proto::ContainerConfig {
    let mut labels = config.labels.clone();
    labels.insert(LABEL_POD_UID.to_owned(), pod.uid.clone());
    let env = |(key, value): &(String, String)| proto::KeyValue { key: key.clone(), value: value.clone() };
    let resources = &config.resources;
    proto::ContainerConfig {
        metadata: Some(proto::ContainerMetadata { name: config.name.clone(), attempt: config.attempt }),
        image: Some(proto::ImageSpec { image: config.image.clone() }),
        command: config.command.clone(),
        args: config.args.clone(),
        working_dir: config.working_dir.clone(),
        envs: config.envs.iter().map(env).collect(),
        mounts: config.mounts.iter().map(mount).collect(),
        labels,
        annotations: config.annotations.clone(),
        log_path: config.log_path.clone(),
        stdin: config.stdin,
        stdin_once: config.stdin_once,
        tty: config.tty,
        linux: Some(proto::LinuxContainerConfig {
            resources: Some(proto::LinuxContainerResources {
                cpu_period: resources.cpu_period,
                cpu_quota: resources.cpu_quota,
                cpu_shares: resources.cpu_shares,
                memory_limit_in_bytes: resources.memory_limit_bytes,
                oom_score_adj: resources.oom_score_adj,
            }),
            security_context: Some(security(&config.security, pod.host)),
        }),
    }
}

fn security(security: &Security, host: HostNamespaces) -> proto::LinuxContainerSecurityContext {
    let value = |value: i64| proto::Int64Value { value };
    let paths = |paths: &[&str]| match security.unmasked_proc {
        true => Vec::new(),
        false => paths.iter().map(|path| (*path).to_owned()).collect(),
    };
    proto::LinuxContainerSecurityContext {
        capabilities: Some(proto::Capability {
            add_capabilities: security.add_capabilities.clone(),
            drop_capabilities: security.drop_capabilities.clone(),
        }),
        privileged: security.privileged,
        namespace_options: Some(namespaces(host)),
        run_as_user: security.run_as_user.map(value),
        run_as_username: security.run_as_username.clone(),
        readonly_rootfs: security.readonly_rootfs,
        supplemental_groups: security.supplemental_groups.clone(),
        no_new_privs: security.no_new_privs,
        run_as_group: security.run_as_group.map(value),
        masked_paths: paths(&MASKED_PATHS),
        readonly_paths: paths(&READONLY_PATHS),
        seccomp: Some(profile(&security.seccomp)),
        apparmor: security.app_armor.as_ref().map(profile),
    }
}

fn profile(profile: &Profile) -> proto::SecurityProfile {
    use proto::security_profile::ProfileType;
    let (profile_type, localhost_ref) = match profile {
        Profile::Unconfined => (ProfileType::Unconfined, String::new()),
        Profile::RuntimeDefault => (ProfileType::RuntimeDefault, String::new()),
        Profile::Localhost(place) => (ProfileType::Localhost, place.clone()),
    };
    proto::SecurityProfile { profile_type: profile_type.into(), localhost_ref }
}

pub(super) fn credentials(credentials: &Credentials) -> proto::AuthConfig {
    proto::AuthConfig {
        username: credentials.username.clone(),
        password: credentials.password.clone(),
        auth: String::new(),
        server_address: credentials.server.clone(),
        identity_token: credentials.identity_token.clone(),
    }
}

fn namespaces(host: HostNamespaces) -> proto::NamespaceOption {
    use proto::NamespaceMode::{Container, Node, Pod};
    let pid = match host {
        HostNamespaces { pid: true, .. } => Node,
        HostNamespaces { shared_pid: true, .. } => Pod,
        _ => Container,
    };
    proto::NamespaceOption {
        network: if host.network { Node } else { Pod }.into(),
        pid: pid.into(),
        ipc: if host.ipc { Node } else { Pod }.into(),
        target_id: String::new(),
    }
}

fn port_mapping(mapping: &PortMapping) -> proto::PortMapping {
    let protocol = proto::Protocol::from_str_name(&mapping.protocol).unwrap_or(proto::Protocol::Tcp);
    proto::PortMapping {
        protocol: protocol.into(),
        container_port: mapping.container_port,
        host_port: mapping.host_port,
        host_ip: mapping.host_ip.clone(),
    }
}

fn mount(mount: &Mount) -> proto::Mount {
    let propagation = match mount.propagation {
        Propagation::Private => proto::MountPropagation::PropagationPrivate,
        Propagation::HostToContainer => proto::MountPropagation::PropagationHostToContainer,
        Propagation::Bidirectional => proto::MountPropagation::PropagationBidirectional,
    };
    proto::Mount {
        container_path: mount.container_path.clone(),
        host_path: mount.host_path.clone(),
        readonly: mount.readonly,
        propagation: propagation.into(),
    }
}

/// Without addresses, which lists do not say.
pub(super) fn listed_sandbox(listed: proto::PodSandbox) -> SandboxStatus {
    let proto::PodSandbox { id, metadata, state, created_at } = listed;
    sandbox_status(proto::PodSandboxStatus { id, metadata, state, created_at, network: None })
}

pub(super) fn sandbox_status(status: proto::PodSandboxStatus) -> SandboxStatus {
    let metadata = status.metadata.unwrap_or_default();
    let network = status.network.unwrap_or_default();
    let ips = std::iter::once(network.ip).chain(network.additional_ips.into_iter().map(|one| one.ip));
    SandboxStatus {
        id: status.id,
        name: metadata.name,
        namespace: metadata.namespace,
        uid: metadata.uid,
        attempt: metadata.attempt,
        ready: status.state == i32::from(proto::PodSandboxState::SandboxReady),
        created_at: time(status.created_at).unwrap_or_default(),
        ips: ips.filter(|ip| !ip.is_empty()).collect(),
    }
}

pub(super) fn container_status(sandbox_id: String, status: proto::ContainerStatus) -> ContainerStatus {
    let metadata = status.metadata.unwrap_or_default();
    let state = match proto::ContainerState::try_from(status.state) {
        Ok(proto::ContainerState::ContainerCreated) => ContainerState::Created,
        Ok(proto::ContainerState::ContainerRunning) => ContainerState::Running,
        Ok(proto::ContainerState::ContainerExited) => ContainerState::Exited,
        Ok(proto::ContainerState::ContainerUnknown) | Err(_) => ContainerState::Unknown,
    };
    ContainerStatus {
        id: status.id,
        sandbox_id,
        name: metadata.name,
        attempt: metadata.attempt,
        state,
        created_at: time(status.created_at).unwrap_or_default(),
        started_at: time(status.started_at),
        finished_at: time(status.finished_at),
        exit_code: status.exit_code,
        reason: status.reason,
        message: status.message,
        image: status.image.unwrap_or_default().image,
        image_ref: status.image_ref,
        log_path: status.log_path,
        user: status.user.and_then(|user| user.linux).map(|user| User {
            uid: user.uid,
            gid: user.gid,
            groups: user.supplemental_groups,
        }),
        labels: status.labels,
        annotations: status.annotations,
    }
}

pub(super) fn image(image: proto::Image) -> Image {
    Image {
        id: image.id,
        tags: image.repo_tags,
        digests: image.repo_digests,
        size_bytes: image.size,
        uid: image.uid.map(|uid| uid.value),
        username: image.username,
    }
}

/// Nanoseconds since 1970; 0 stands for no time.
fn time(nanoseconds: i64) -> Option<Timestamp> {
    (nanoseconds != 0).then(|| Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::NamespaceMode::{Container, Node, Pod};

    #[test]
    fn namespaces_are_the_pods_own_unless_it_asks_for_the_hosts() {
        let modes = |host| {
            let options = namespaces(host);
            [options.network, options.pid, options.ipc].map(|mode| proto::NamespaceMode::try_from(mode).unwrap())
        };
        let host = HostNamespaces::default();
        assert_eq!(modes(host), [Pod, Container, Pod]);
        assert_eq!(modes(HostNamespaces { shared_pid: true, ..host }), [Pod, Pod, Pod]);
        assert_eq!(modes(HostNamespaces { network: true, pid: true, ipc: true, shared_pid: true }), [Node, Node, Node]);
    }

    #[test]
    fn a_container_can_be_found_by_its_pods_uid_and_sees_no_kernel_memory() {
        let pod = SandboxConfig { uid: "u".into(), ..SandboxConfig::default() };
        let config = container_config(&ContainerConfig::default(), &pod);
        assert_eq!(config.labels, selector(Some("u")));
        let context = config.linux.unwrap().security_context.unwrap();
        assert!(context.masked_paths.contains(&"/proc/kcore".to_owned()));
        let unmasked = Security { unmasked_proc: true, ..Security::default() };
        assert!(security(&unmasked, HostNamespaces::default()).masked_paths.is_empty());
    }

    #[test]
    fn a_time_of_zero_is_no_time() {
        let status = container_status("s".into(), proto::ContainerStatus { created_at: 1_000, ..Default::default() });
        assert_eq!((status.started_at, status.finished_at), (None, None));
        assert_eq!(status.created_at.as_nanosecond(), 1_000);
    }

    #[test]
    fn what_is_not_ready_is_told_in_upstreams_words() {
        let condition = |name: &str, status, message: &str| proto::RuntimeCondition {
            r#type: name.into(),
            status,
            reason: "Why".into(),
            message: message.into(),
        };
        let status = runtime_status(&[condition("RuntimeReady", true, ""), condition("NetworkReady", false, "no cni")]);
        assert_eq!((status.runtime_ready, status.network_ready), (true, false));
        assert_eq!(status.message, "NetworkReady=false reason:Why message:no cni");
    }
}
