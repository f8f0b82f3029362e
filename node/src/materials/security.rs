//! Privileges and limits of a container, from both security contexts and the resources. Pure.

use crate::quantity;
use k8s_openapi::api::core::v1::{Container, Pod};
use node_cri::{HostNamespaces, Image, Profile, Resources, Security};
use std::path::Path;

/// Length of a scheduling period of the kernel, microseconds.
const CPU_PERIOD_MICROSECONDS: i128 = 100_000;
/// The kernel refuses shorter ones.
const CPU_QUOTA_MICROSECONDS_MIN: i128 = 1000;
const CPU_SHARES_MIN: i128 = 2;
const CPU_SHARES_MAX: i128 = 262_144;
/// Where profiles of system calls lie below the agent's folder (upstream: `seccomp` below the kubelet's).
const SECCOMP_FOLDER: &str = "seccomp";
const GUARANTEED_OOM_SCORE: i64 = -997;
const BEST_EFFORT_OOM_SCORE: i64 = 1000;

/// Privileges; a container's own settings win over the pod's. Profiles that the pod names lie below `root`.
pub fn security(pod: &Pod, container: &Container, root: &Path) -> Security {
    let spec = pod.spec.clone().unwrap_or_default();
    let of_pod = spec.security_context.unwrap_or_default();
    let own = container.security_context.clone().unwrap_or_default();
    let capabilities = own.capabilities.unwrap_or_default();
    let seccomp = own.seccomp_profile.or(of_pod.seccomp_profile);
    let seccomp = seccomp.map(|named| {
        let file = root.join(SECCOMP_FOLDER).join(named.localhost_profile.unwrap_or_default());
        profile(&named.type_, file.display().to_string())
    });
    let app_armor = own.app_armor_profile.or(of_pod.app_armor_profile);
    let app_armor = app_armor.map(|named| profile(&named.type_, named.localhost_profile.unwrap_or_default()));
    let mut groups = of_pod.supplemental_groups.unwrap_or_default();
    groups.extend(of_pod.fs_group.filter(|group| !groups.contains(group)));
    Security {
        privileged: own.privileged.unwrap_or(false),
        add_capabilities: capabilities.add.unwrap_or_default(),
        drop_capabilities: capabilities.drop.unwrap_or_default(),
        run_as_user: own.run_as_user.or(of_pod.run_as_user),
        run_as_group: own.run_as_group.or(of_pod.run_as_group),
        run_as_username: String::new(),
        supplemental_groups: groups,
        readonly_rootfs: own.read_only_root_filesystem.unwrap_or(false),
        no_new_privs: own.allow_privilege_escalation == Some(false),
        seccomp: seccomp.unwrap_or_default(),
        app_armor,
        unmasked_proc: own.proc_mount.as_deref() == Some("Unmasked"),
        host: HostNamespaces {
            network: spec.host_network == Some(true),
            pid: spec.host_pid == Some(true),
            ipc: spec.host_ipc == Some(true),
            shared_pid: spec.share_process_namespace == Some(true),
        },
    }
}

fn profile(kind: &str, place: String) -> Profile {
    match kind {
        "RuntimeDefault" => Profile::RuntimeDefault,
        "Localhost" => Profile::Localhost(place),
        _ => Profile::Unconfined,
    }
}

/// Refuses a container that must not run as root and would.
///
/// # Errors
/// It would, or nobody can tell; upstream's words.
pub fn verify_non_root(pod: &Pod, container: &Container, image: &Image) -> Result<(), String> {
    let of_pod = pod.spec.as_ref().and_then(|spec| spec.security_context.clone()).unwrap_or_default();
    let own = container.security_context.clone().unwrap_or_default();
    if own.run_as_non_root.or(of_pod.run_as_non_root) != Some(true) {
        return Ok(());
    }
    let meta = &pod.metadata;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let whom = format!("{}_{}({})", text(&meta.name), text(&meta.namespace), text(&meta.uid));
    let place = format!("(pod: {whom:?}, container: {})", container.name);
    match (own.run_as_user.or(of_pod.run_as_user), image.uid) {
        (Some(0), _) => Err(format!("container's runAsUser breaks non-root policy {place}")),
        (Some(_), _) => Ok(()),
        (None, Some(uid)) if uid != 0 => Ok(()),
        (None, None) if !image.username.is_empty() => Err(format!(
            "container has runAsNonRoot and image has non-numeric user ({}), cannot verify user is non-root {place}",
            image.username
        )),
        (None, _) => Err(format!("container has runAsNonRoot and image will run as root {place}")),
    }
}

/// Limits, as upstream computes them from requests and limits.
pub fn resources(pod: &Pod, container: &Container, node_memory_bytes: u64) -> Resources {
    let resources = container.resources.clone().unwrap_or_default();
    let amount = |list: &Option<std::collections::BTreeMap<String, _>>, name: &str| {
        let found: Option<&k8s_openapi::apimachinery::pkg::api::resource::Quantity> = list.as_ref()?.get(name);
        quantity::milli(&found?.0)
    };
    let cpu_limit = amount(&resources.limits, "cpu").unwrap_or(0);
    let cpu_request = amount(&resources.requests, "cpu").unwrap_or(cpu_limit);
    let memory_limit = quantity::div_ceil(amount(&resources.limits, "memory").unwrap_or(0), 1000);
    let memory_request = amount(&resources.requests, "memory").map_or(memory_limit, |milli| milli / 1000);
    let quota = match cpu_limit {
        0 => 0,
        milli => (milli * CPU_PERIOD_MICROSECONDS / 1000).max(CPU_QUOTA_MICROSECONDS_MIN),
    };
    let oom_score_adj = match quality(pod) {
        _ if is_critical(pod) => GUARANTEED_OOM_SCORE,
        "Guaranteed" => GUARANTEED_OOM_SCORE,
        "BestEffort" => BEST_EFFORT_OOM_SCORE,
        _ => {
            let share = narrow(1000 * memory_request / i128::from(node_memory_bytes.max(1)));
            // Between the guaranteed and the best effort ones, whatever is asked for.
            (1000 - share).clamp(1000 + GUARANTEED_OOM_SCORE, BEST_EFFORT_OOM_SCORE - 1)
        }
    };
    Resources {
        cpu_period: if quota == 0 { 0 } else { narrow(CPU_PERIOD_MICROSECONDS) },
        cpu_quota: narrow(quota),
        cpu_shares: narrow((cpu_request * 1024 / 1000).clamp(CPU_SHARES_MIN, CPU_SHARES_MAX)),
        memory_limit_bytes: narrow(memory_limit),
        oom_score_adj,
    }
}

fn narrow(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The class that the API server wrote into the status.
fn quality(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.qos_class.as_deref()).unwrap_or("Burstable")
}

/// `system-node-critical` pods are killed last.
fn is_critical(pod: &Pod) -> bool {
    pod.spec.as_ref().and_then(|spec| spec.priority_class_name.as_deref()) == Some("system-node-critical")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(security: Value, qos: &str) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "n", "uid": "u"},
            "spec": {"containers": [], "securityContext": security}, "status": {"qosClass": qos}}))
        .unwrap()
    }

    fn container(spec: Value) -> Container {
        let mut object = json!({"name": "c"});
        object.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn limits_become_what_the_kernel_counts() {
        let run = |qos: &str, resources_of: Value| {
            let one = resources(&pod(json!({}), qos), &container(json!({ "resources": resources_of })), 4 << 30);
            (one.cpu_shares, one.cpu_quota, one.memory_limit_bytes, one.oom_score_adj)
        };
        assert_eq!(run("BestEffort", json!({})), (2, 0, 0, 1000));
        let half = json!({"limits": {"cpu": "500m", "memory": "64Mi"}});
        assert_eq!(run("Guaranteed", half), (512, 50_000, 64 << 20, -997));
        assert_eq!(run("Burstable", json!({"requests": {"cpu": "1", "memory": "1Gi"}})), (1024, 0, 0, 750));
        assert_eq!(run("Burstable", json!({"limits": {"cpu": "1m"}})), (2, 1000, 0, 999));
    }

    #[test]
    fn the_containers_context_wins_over_the_pods() {
        let pod = pod(
            json!({"runAsUser": 1, "runAsGroup": 2, "fsGroup": 3, "supplementalGroups": [4],
            "seccompProfile": {"type": "RuntimeDefault"}}),
            "BestEffort",
        );
        let own = json!({"securityContext": {"runAsUser": 9, "readOnlyRootFilesystem": true,
            "allowPrivilegeEscalation": false, "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}}});
        let got = security(&pod, &container(own), Path::new("/r"));
        assert_eq!((got.run_as_user, got.run_as_group), (Some(9), Some(2)));
        assert_eq!(got.supplemental_groups, [4, 3]);
        assert!(got.readonly_rootfs && got.no_new_privs && !got.privileged);
        assert_eq!((&got.seccomp, &got.app_armor), (&Profile::RuntimeDefault, &None));
        let local = json!({"securityContext": {
            "seccompProfile": {"type": "Localhost", "localhostProfile": "a/b.json"},
            "appArmorProfile": {"type": "Localhost", "localhostProfile": "mine"}}});
        let local = security(&pod, &container(local), Path::new("/r"));
        assert_eq!(local.seccomp, Profile::Localhost("/r/seccomp/a/b.json".to_owned()));
        assert_eq!(local.app_armor, Some(Profile::Localhost("mine".to_owned())));
        assert_eq!((got.add_capabilities, got.drop_capabilities), (vec!["NET_ADMIN".into()], vec!["ALL".into()]));
    }

    #[test]
    fn a_container_that_must_not_be_root_is_refused_when_it_would_be() {
        let check = |context: Value, uid: Option<i64>, username: &str| {
            let image = Image { uid, username: username.into(), ..Image::default() };
            let pod = pod(json!({"runAsNonRoot": true}), "BestEffort");
            verify_non_root(&pod, &container(json!({ "securityContext": context })), &image)
        };
        assert_eq!(check(json!({"runAsUser": 5}), None, ""), Ok(()));
        assert_eq!(check(json!({}), Some(5), ""), Ok(()));
        assert_eq!(check(json!({"runAsNonRoot": false}), Some(0), ""), Ok(()));
        let place = "(pod: \"p_n(u)\", container: c)";
        let root = format!("container has runAsNonRoot and image will run as root {place}");
        assert_eq!(check(json!({}), None, ""), Err(root.clone()));
        assert_eq!(check(json!({}), Some(0), ""), Err(root));
        let user = format!("container's runAsUser breaks non-root policy {place}");
        assert_eq!(check(json!({"runAsUser": 0}), None, ""), Err(user));
        assert!(check(json!({}), None, "nobody").unwrap_err().contains("image has non-numeric user (nobody)"));
    }
}
