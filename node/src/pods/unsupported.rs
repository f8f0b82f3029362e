//! What a pod may ask for and the agent cannot do: such a pod fails with a reason, it never runs half right.
//!
//! Every field of the API is named here, none by `..`: a version of the API with a new field does not compile until
//! somebody has decided who answers for it. The comments say who does.

mod container;
mod volume;

use k8s_openapi::api::core::v1::{Pod, PodSecurityContext, PodSpec, Sysctl};

/// Kernel settings that concern the pod alone, and that every pod may have (upstream: the safe sysctls).
const SAFE_SYSCTLS: [&str; 13] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
    "net.ipv4.tcp_notsent_lowat",
];

/// Why a pod is not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// One word: upstream's where upstream refuses too, otherwise `UnsupportedPodSpec`.
    pub reason: &'static str,
    /// What was asked for.
    pub message: String,
}

impl Refusal {
    fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// The agent lacks it.
    fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::new("UnsupportedPodSpec", format!("this node agent does not support {what}"))
    }
}

/// The first thing that cannot be done.
pub fn unsupported(pod: &Pod) -> Option<Refusal> {
    pod.spec.as_ref().and_then(|spec| of_pod(spec).err())
}

fn of_pod(spec: &PodSpec) -> Result<(), Refusal> {
    let PodSpec {
        // The API server: admission, defaults, the lifecycle of the object.
        automount_service_account_token: _,
        eviction_responders: _,
        priority: _,
        service_account: _,
        service_account_name: _,
        // The scheduler; and the controllers that evict.
        affinity: _,
        node_name: _,
        node_selector: _,
        preemption_policy: _,
        scheduler_name: _,
        scheduling_gates: _,
        scheduling_group: _,
        tolerations: _,
        topology_spread_constraints: _,
        // `plan` and `status`.
        active_deadline_seconds: _,
        readiness_gates: _,
        restart_policy: _,
        // `worker`.
        image_pull_secrets: _,
        termination_grace_period_seconds: _,
        // `config` and `materials`.
        dns_config: _,
        dns_policy: _,
        enable_service_links: _,
        host_aliases: _,
        host_ipc: _,
        host_network,
        host_pid: _,
        hostname: _,
        hostname_override: _,
        priority_class_name: _,
        set_hostname_as_fqdn: _,
        share_process_namespace: _,
        subdomain: _,
        // Below.
        containers,
        ephemeral_containers,
        host_users,
        init_containers,
        os,
        overhead,
        resource_claims,
        resources,
        runtime_class_name,
        security_context,
        volumes,
    } = spec;
    refuse_if(runtime_class_name.is_some(), "spec.runtimeClassName")?;
    refuse_if(overhead.as_ref().is_some_and(|overhead| !overhead.is_empty()), "spec.overhead")?;
    refuse_if(*host_users == Some(false), "spec.hostUsers: false (user namespaces)")?;
    refuse_if(!is_empty(resource_claims), "spec.resourceClaims")?;
    refuse_if(!is_empty(ephemeral_containers), "spec.ephemeralContainers")?;
    let of_whole = resources.as_ref().filter(|of| of.limits.is_some() || of.requests.is_some() || of.claims.is_some());
    refuse_if(of_whole.is_some(), "spec.resources (of the pod as a whole)")?;
    if os.as_ref().is_some_and(|os| os.name != "linux") {
        let message = "Failed to admit pod as the OS field doesn't match node OS";
        return Err(Refusal::new("PodOSNotSupported", message));
    }
    security_context.as_ref().map_or(Ok(()), |context| security(context, *host_network == Some(true)))?;
    volumes.iter().flatten().try_for_each(volume::check)?;
    containers.iter().chain(init_containers.iter().flatten()).try_for_each(container::check)
}

fn security(context: &PodSecurityContext, on_host_network: bool) -> Result<(), Refusal> {
    let PodSecurityContext {
        // `materials::security`.
        app_armor_profile: _,
        run_as_group: _,
        run_as_non_root: _,
        run_as_user: _,
        seccomp_profile: _,
        supplemental_groups: _,
        // `materials::storage`; when it changes matters only for volumes that are there before the pod.
        fs_group: _,
        fs_group_change_policy: _,
        // Without labels there is nothing to change.
        se_linux_change_policy: _,
        // Another system's; Linux nodes do not look at it.
        windows_options: _,
        se_linux_options,
        supplemental_groups_policy,
        sysctls,
    } = context;
    refuse_if(se_linux_options.is_some(), "securityContext.seLinuxOptions")?;
    if supplemental_groups_policy.as_deref() == Some("Strict") {
        let message = "SupplementalGroupsPolicy=Strict is not supported in this node";
        return Err(Refusal::new("SupplementalGroupsPolicyNotSupported", message));
    }
    sysctls.iter().flatten().try_for_each(|one| sysctl(one, on_host_network))
}

fn sysctl(sysctl: &Sysctl, on_host_network: bool) -> Result<(), Refusal> {
    // The kernel takes both separators.
    let name = sysctl.name.replace('/', ".");
    if !SAFE_SYSCTLS.contains(&name.as_str()) {
        return Err(Refusal::new("SysctlForbidden", format!("forbidden sysctl: {:?} not allowlisted", sysctl.name)));
    }
    if on_host_network && name.starts_with("net.") {
        let message = format!("forbidden sysctl: {:?} not allowed with host net enabled", sysctl.name);
        return Err(Refusal::new("SysctlForbidden", message));
    }
    Ok(())
}

fn refuse_if(is_asked_for: bool, what: impl std::fmt::Display) -> Result<(), Refusal> {
    if is_asked_for { Err(Refusal::unsupported(what)) } else { Ok(()) }
}

fn is_empty<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_none_or(Vec::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(spec: Value) -> Option<Refusal> {
        let mut object = json!({"spec": {"containers": [{"name": "c"}]}});
        object["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        unsupported(&serde_json::from_value(object).unwrap())
    }

    fn container(fields: Value) -> Value {
        let mut container = json!({"name": "c"});
        container.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({ "containers": [container] })
    }

    #[test]
    fn what_the_agent_lacks_is_refused_by_name() {
        for (spec, what) in [
            (json!({"runtimeClassName": "kata"}), "spec.runtimeClassName"),
            (json!({"hostUsers": false}), "spec.hostUsers: false (user namespaces)"),
            (json!({"resources": {"limits": {"cpu": "1"}}}), "spec.resources (of the pod as a whole)"),
            (json!({"securityContext": {"seLinuxOptions": {"level": "s0"}}}), "securityContext.seLinuxOptions"),
            (
                json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "x"}}]}),
                "volume \"v\": only emptyDir, hostPath, configMap, secret, projected and downwardAPI",
            ),
            (
                json!({"volumes": [{"name": "v", "emptyDir": {"medium": "HugePages"}}]}),
                "volume \"v\": emptyDir.medium \"HugePages\"",
            ),
            (
                json!({"volumes": [{"name": "v", "configMap": {"name": "x", "items": [
                {"key": "k", "path": "p", "user": 5}]}}]}),
                "volume \"v\": items.user",
            ),
            (
                json!({"volumes": [{"name": "v", "projected": {"sources": [{"clusterTrustBundle": {"path": "x"}}]}}]}),
                "volume \"v\": projected clusterTrustBundle",
            ),
            (
                container(json!({"volumeDevices": [{"name": "d", "devicePath": "/x"}]})),
                "container \"c\": volumeDevices",
            ),
            (
                container(json!({"securityContext": {"seLinuxOptions": {"level": "s0"}}})),
                "container \"c\": securityContext.seLinuxOptions",
            ),
            (container(json!({"lifecycle": {"stopSignal": "SIGUSR1"}})), "container \"c\": lifecycle.stopSignal"),
            (
                container(json!({"resources": {"limits": {"hugepages-2Mi": "4Mi"}}})),
                "container \"c\": resource \"hugepages-2Mi\"",
            ),
            (
                container(json!({"resources": {"requests": {"example.com/gpu": "1"}}})),
                "container \"c\": resource \"example.com/gpu\"",
            ),
            (container(json!({"livenessProbe": {"grpc": {"port": 1, "mode": "TLS"}}})), "container \"c\": grpc.mode"),
            (
                container(json!({"volumeMounts": [{"name": "v", "mountPath": "/x", "bindMountOptions": ["noexec"]}]})),
                "container \"c\": volumeMounts.bindMountOptions",
            ),
            (
                container(json!({"env": [{"name": "A", "valueFrom": {"fileKeyRef":
                {"volumeName": "v", "path": "p", "key": "k"}}}]})),
                "container \"c\": env.valueFrom.fileKeyRef",
            ),
            (
                container(json!({"restartPolicyRules": [{"action": "RestartAllContainers"}]})),
                "container \"c\": restartPolicyRules",
            ),
        ] {
            let want = Refusal::unsupported(what);
            assert_eq!(check(spec.clone()), Some(want), "{spec}");
        }
    }

    #[test]
    fn what_upstream_refuses_is_refused_in_its_words() {
        for (spec, reason, message) in [
            (
                json!({"os": {"name": "windows"}}),
                "PodOSNotSupported",
                "Failed to admit pod as the OS field doesn't match node OS",
            ),
            (
                json!({"securityContext": {"supplementalGroupsPolicy": "Strict"}}),
                "SupplementalGroupsPolicyNotSupported",
                "SupplementalGroupsPolicy=Strict is not supported in this node",
            ),
            (
                json!({"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}),
                "SysctlForbidden",
                "forbidden sysctl: \"kernel.msgmax\" not allowlisted",
            ),
            (
                json!({"hostNetwork": true, "securityContext": {"sysctls": [
                {"name": "net.ipv4.tcp_syncookies", "value": "1"}]}}),
                "SysctlForbidden",
                "forbidden sysctl: \"net.ipv4.tcp_syncookies\" not allowed with host net enabled",
            ),
        ] {
            assert_eq!(check(spec.clone()), Some(Refusal::new(reason, message)), "{spec}");
        }
    }

    #[test]
    fn what_the_agent_can_do_is_not_refused() {
        for spec in [
            json!({"hostNetwork": true, "hostPID": true, "hostIPC": true, "shareProcessNamespace": true}),
            json!({"securityContext": {"sysctls": [{"name": "net/ipv4/tcp_syncookies", "value": "1"}], "fsGroup": 5,
                "seccompProfile": {"type": "Localhost", "localhostProfile": "a.json"},
                "supplementalGroupsPolicy": "Merge"}}),
            json!({"imagePullSecrets": [{"name": "s"}], "setHostnameAsFQDN": true, "subdomain": "s"}),
            json!({"volumes": [{"name": "v", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]}),
            container(json!({"restartPolicy": "Never", "resources": {"limits": {"cpu": "1", "memory": "1Gi",
                "ephemeral-storage": "1Gi"}}})),
            container(json!({"volumeMounts": [{"name": "v", "mountPath": "/x", "recursiveReadOnly": "IfPossible"}]})),
        ] {
            assert_eq!(check(spec.clone()), None, "{spec}");
        }
    }
}
