//! The fields of one container.

use super::{Refusal, is_empty, refuse_if};
use k8s_openapi::api::core::v1::{
    Container, EnvVarSource, GRPCAction, HTTPGetAction, Lifecycle, LifecycleHandler, Probe, ResourceRequirements,
    SecurityContext, VolumeMount,
};

/// What a container can be given a share of.
const RESOURCES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

pub(super) fn check(container: &Container) -> Result<(), Refusal> {
    let Container {
        // `config`, `environment`, `worker`, `plan`.
        args: _,
        command: _,
        env_from: _,
        image: _,
        image_pull_policy: _,
        name,
        ports: _,
        restart_policy: _,
        stdin: _,
        stdin_once: _,
        termination_message_path: _,
        termination_message_policy: _,
        tty: _,
        working_dir: _,
        // How a change of the resources would be made; none can be asked for (`pods/resize` is not served).
        resize_policy: _,
        env,
        lifecycle,
        liveness_probe,
        readiness_probe,
        resources,
        restart_policy_rules,
        security_context,
        startup_probe,
        volume_devices,
        volume_mounts,
    } = container;
    let named = |what: &str| format!("container {name:?}: {what}");
    refuse_if(!is_empty(volume_devices), named("volumeDevices"))?;
    refuse_if(!is_empty(restart_policy_rules), named("restartPolicyRules"))?;
    let found = env.iter().flatten().filter_map(|variable| variable.value_from.as_ref()).find_map(of_variable);
    let found = found.or_else(|| resources.as_ref().and_then(of_resources));
    let found = found.or_else(|| security_context.as_ref().and_then(of_security).map(str::to_owned));
    let found = found.or_else(|| lifecycle.as_ref().and_then(of_lifecycle).map(str::to_owned));
    let mut probes = [liveness_probe, readiness_probe, startup_probe].into_iter().flatten();
    let found = found.or_else(|| probes.find_map(of_probe).map(str::to_owned));
    let found = found.or_else(|| volume_mounts.iter().flatten().find_map(of_mount).map(str::to_owned));
    found.map_or(Ok(()), |what| Err(Refusal::unsupported(named(&what))))
}

fn of_variable(source: &EnvVarSource) -> Option<String> {
    let EnvVarSource {
        // `environment`.
        config_map_key_ref: _,
        field_ref: _,
        resource_field_ref: _,
        secret_key_ref: _,
        file_key_ref,
    } = source;
    file_key_ref.as_ref().map(|_| "env.valueFrom.fileKeyRef".to_owned())
}

fn of_resources(resources: &ResourceRequirements) -> Option<String> {
    let ResourceRequirements { claims, limits, requests } = resources;
    if !is_empty(claims) {
        return Some("resources.claims".to_owned());
    }
    let mut names = limits.iter().flatten().chain(requests.iter().flatten()).map(|(name, _)| name);
    names.find(|name| !RESOURCES.contains(&name.as_str())).map(|name| format!("resource {name:?}"))
}

fn of_security(context: &SecurityContext) -> Option<&'static str> {
    let SecurityContext {
        // `materials::security`.
        allow_privilege_escalation: _,
        app_armor_profile: _,
        capabilities: _,
        privileged: _,
        proc_mount: _,
        read_only_root_filesystem: _,
        run_as_group: _,
        run_as_non_root: _,
        run_as_user: _,
        seccomp_profile: _,
        // Another system's; Linux nodes do not look at it.
        windows_options: _,
        se_linux_options,
    } = context;
    se_linux_options.as_ref().map(|_| "securityContext.seLinuxOptions")
}

fn of_lifecycle(lifecycle: &Lifecycle) -> Option<&'static str> {
    let Lifecycle { post_start, pre_stop, stop_signal } = lifecycle;
    let of_hook = |hook: &LifecycleHandler| {
        // A `tcpSocket` fails when the hook is run, as upstream's does.
        let LifecycleHandler { exec: _, http_get, sleep: _, tcp_socket: _ } = hook;
        http_get.as_ref().and_then(of_request)
    };
    let stop_signal = stop_signal.as_ref().map(|_| "lifecycle.stopSignal");
    stop_signal.or_else(|| [post_start, pre_stop].into_iter().flatten().find_map(of_hook))
}

fn of_probe(probe: &Probe) -> Option<&'static str> {
    let Probe {
        // `probes`.
        exec: _,
        failure_threshold: _,
        initial_delay_seconds: _,
        period_seconds: _,
        success_threshold: _,
        tcp_socket: _,
        termination_grace_period_seconds: _,
        timeout_seconds: _,
        grpc,
        http_get,
    } = probe;
    let of_call = |call: &GRPCAction| {
        let GRPCAction { port: _, service: _, mode } = call;
        mode.as_ref().map(|_| "grpc.mode")
    };
    grpc.as_ref().and_then(of_call).or_else(|| http_get.as_ref().and_then(of_request))
}

fn of_request(get: &HTTPGetAction) -> Option<&'static str> {
    let HTTPGetAction { host: _, http_headers: _, path: _, port: _, scheme: _, protocol } = get;
    protocol.as_ref().map(|_| "httpGet.protocol")
}

fn of_mount(mount: &VolumeMount) -> Option<&'static str> {
    let VolumeMount {
        // `materials::storage`.
        mount_path: _,
        mount_propagation: _,
        name: _,
        read_only: _,
        sub_path: _,
        sub_path_expr: _,
        bind_mount_options,
        recursive_read_only,
    } = mount;
    if !is_empty(bind_mount_options) {
        return Some("volumeMounts.bindMountOptions");
    }
    // `IfPossible` is content with the plain kind.
    (recursive_read_only.as_deref() == Some("Enabled")).then_some("volumeMounts.recursiveReadOnly: Enabled")
}
