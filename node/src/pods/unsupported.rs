//! What a pod may ask for and the agent cannot do yet: such a pod fails with a reason, it never runs half right.

use k8s_openapi::api::core::v1::{Container, Pod, Volume};

/// The first thing that cannot be done, in words.
pub fn unsupported(pod: &Pod) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    if spec.runtime_class_name.is_some() {
        return Some("spec.runtimeClassName".to_owned());
    }
    if spec.host_users == Some(false) {
        return Some("spec.hostUsers: false (user namespaces)".to_owned());
    }
    if spec.resource_claims.as_ref().is_some_and(|claims| !claims.is_empty()) {
        return Some("spec.resourceClaims".to_owned());
    }
    if spec.os.as_ref().is_some_and(|os| os.name != "linux") {
        return Some("spec.os: only linux".to_owned());
    }
    if let Some(volume) = spec.volumes.iter().flatten().find(|volume| !is_known(volume)) {
        return Some(format!(
            "volume {:?}: only emptyDir, hostPath, configMap, secret, projected and downwardAPI",
            volume.name
        ));
    }
    let projections = || {
        let projected = spec.volumes.iter().flatten().filter_map(|volume| volume.projected.as_ref());
        projected.flat_map(|projected| projected.sources.iter().flatten())
    };
    if projections().any(|source| source.cluster_trust_bundle.is_some()) {
        return Some("projected clusterTrustBundle".to_owned());
    }
    if projections().any(|source| source.pod_certificate.is_some()) {
        return Some("projected podCertificate".to_owned());
    }
    let containers = || spec.containers.iter().chain(spec.init_containers.iter().flatten());
    if let Some(container) =
        containers().find(|container| container.volume_devices.as_ref().is_some_and(|devices| !devices.is_empty()))
    {
        return Some(format!("container {:?}: volumeDevices", container.name));
    }
    if let Some(container) =
        containers().find(|container| container.restart_policy_rules.as_ref().is_some_and(|rules| !rules.is_empty()))
    {
        return Some(format!("container {:?}: restartPolicyRules", container.name));
    }
    let mut variables = containers().flat_map(|container| container.env.iter().flatten());
    if variables.any(|variable| variable.value_from.as_ref().is_some_and(|from| from.file_key_ref.is_some())) {
        return Some("env fileKeyRef".to_owned());
    }
    if spec
        .security_context
        .as_ref()
        .is_some_and(|context| context.sysctls.as_ref().is_some_and(|list| !list.is_empty()))
    {
        return Some("securityContext.sysctls".to_owned());
    }
    for container in containers() {
        if let Some(what) = unsupported_confinement(container) {
            return Some(format!("container {:?}: {what}", container.name));
        }
        if container.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.stop_signal.is_some()) {
            return Some(format!("container {:?}: lifecycle.stopSignal", container.name));
        }
    }
    let mut mounts = containers().flat_map(|container| container.volume_mounts.iter().flatten());
    if mounts.any(|mount| mount.recursive_read_only.as_deref() == Some("Enabled")) {
        return Some("volumeMounts recursiveReadOnly: Enabled".to_owned());
    }
    None
}

/// Profiles and labels that the agent does not hand to the runtime.
fn unsupported_confinement(container: &Container) -> Option<&'static str> {
    let context = container.security_context.as_ref()?;
    if context.seccomp_profile.as_ref().is_some_and(|profile| profile.type_ == "Localhost") {
        return Some("seccompProfile Localhost");
    }
    if context.app_armor_profile.as_ref().is_some_and(|profile| profile.type_ == "Localhost") {
        return Some("appArmorProfile Localhost");
    }
    context.se_linux_options.as_ref().map(|_| "seLinuxOptions")
}

fn is_known(volume: &Volume) -> bool {
    volume.empty_dir.is_some()
        || volume.host_path.is_some()
        || volume.config_map.is_some()
        || volume.secret.is_some()
        || volume.projected.is_some()
        || volume.downward_api.is_some()
}
