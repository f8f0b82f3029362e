//! Validation of security contexts of pods and containers.

use crate::resources::check;
use crate::resources::value::{flag, has, list, text, texts};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::schema::Schema;
use serde_json::Value;
use std::collections::BTreeSet;

/// Longest path of a local AppArmor profile.
const PROFILE_BYTES_MAX: usize = 4095;
/// Longest name of a kernel parameter.
const SYSCTL_BYTES_MAX: usize = 253;

const SYSCTL_FORMAT: &str = "must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";

/// One namespace of processes: the host's, or one for all containers.
pub(crate) fn validate_shared_processes(spec: &Value, path: &Path, errors: &mut ErrorList) {
    if flag(spec, "shareProcessNamespace") && flag(spec, "hostPID") {
        let text = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.push(Error::invalid(&path.child("shareProcessNamespace"), true, text));
    }
}

/// Checks the security context of a pod and the host namespaces that go with it.
pub(crate) fn validate_pod_security(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let context = &spec["securityContext"];
    if context.is_null() {
        return;
    }
    for key in ["fsGroup", "runAsUser", "runAsGroup"] {
        validate_id(&context[key], &path.child(key), errors);
    }
    for (index, group) in list(context, "supplementalGroups").iter().enumerate() {
        validate_id(group, &path.child("supplementalGroups").index(index), errors);
    }
    validate_sysctls(spec, &path.child("sysctls"), errors);
    if has(context, "fsGroupChangePolicy") {
        let policies = ["Always", "OnRootMismatch"];
        check::one_of(text(context, "fsGroupChangePolicy"), &policies, &path.child("fsGroupChangePolicy"), errors);
    }
    validate_seccomp(&context["seccompProfile"], &path.child("seccompProfile"), errors);
    validate_app_armor(&context["appArmorProfile"], &path.child("appArmorProfile"), errors);
    if has(context, "supplementalGroupsPolicy") {
        let path = path.child("supplementalGroupsPolicy");
        check::one_of(text(context, "supplementalGroupsPolicy"), &["Merge", "Strict"], &path, errors);
    }
    if has(context, "seLinuxChangePolicy") {
        let path = path.child("seLinuxChangePolicy");
        check::one_of(text(context, "seLinuxChangePolicy"), &["MountOption", "Recursive"], &path, errors);
    }
}

/// Checks the security context of a container. `host_users` is false where the pod has a user namespace.
pub(crate) fn validate_container_security(context: &Value, host_users: bool, path: &Path, errors: &mut ErrorList) {
    if context.is_null() {
        return;
    }
    for key in ["runAsUser", "runAsGroup"] {
        validate_id(&context[key], &path.child(key), errors);
    }
    if has(context, "procMount") {
        let mount = text(context, "procMount");
        check::one_of(mount, &["Default", "Unmasked"], &path.child("procMount"), errors);
        if host_users && mount == "Unmasked" {
            let text = "`hostUsers` must be false to use `Unmasked`";
            errors.push(Error::invalid(&path.child("procMount"), mount, text));
        }
    }
    validate_seccomp(&context["seccompProfile"], &path.child("seccompProfile"), errors);
    let shown = || Schema::internal_line("SecurityContext", context);
    if context["allowPrivilegeEscalation"] == false {
        if flag(context, "privileged") {
            let text = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.push(Error::invalid(path, context.clone(), text).shown(shown()));
        }
        if texts(&context["capabilities"], "add").any(|capability| capability == "CAP_SYS_ADMIN") {
            let text = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.push(Error::invalid(path, context.clone(), text).shown(shown()));
        }
    }
    validate_app_armor(&context["appArmorProfile"], &path.child("appArmorProfile"), errors);
}

/// A pod with a user namespace of its own shares no other namespace with the host.
pub(crate) fn validate_host_users(spec: &Value, path: &Path, errors: &mut ErrorList) {
    if spec["hostUsers"] != false {
        return;
    }
    for (key, reported) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if flag(spec, key) {
            errors.push(Error::forbidden(&path.child(reported), "when `hostUsers` is false"));
        }
    }
}

fn validate_id(id: &Value, path: &Path, errors: &mut ErrorList) {
    if let Some(id) = id.as_i64()
        && !(0..=i64::from(i32::MAX)).contains(&id)
    {
        errors.push(Error::invalid(path, id, "must be between 0 and 2147483647, inclusive"));
    }
}

fn validate_seccomp(profile: &Value, path: &Path, errors: &mut ErrorList) {
    if profile.is_null() {
        return;
    }
    let kind = text(profile, "type");
    match kind {
        "Localhost" | "RuntimeDefault" | "Unconfined" => {}
        "" => errors.push(Error::required(&path.child("type"), "type is required when seccompProfile is set")),
        other => {
            let kinds = ["Localhost", "RuntimeDefault", "Unconfined"];
            errors.push(Error::not_supported(&path.child("type"), other, &kinds));
        }
    }
    let local = path.child("localhostProfile");
    match (kind, profile["localhostProfile"].as_str()) {
        ("Localhost", None) => errors.push(Error::required(&local, "must be set when seccomp type is Localhost")),
        ("Localhost", Some(profile)) => check::descending_path(profile, &local, errors),
        (_, Some(_)) => {
            let text = "can only be set when seccomp type is Localhost";
            let shown = [("Type", kind.into()), ("LocalhostProfile", profile["localhostProfile"].clone())];
            errors.push(Error::invalid(&local, profile.clone(), text).shown_as(&shown));
        }
        (_, None) => {}
    }
}

fn validate_app_armor(profile: &Value, path: &Path, errors: &mut ErrorList) {
    if profile.is_null() {
        return;
    }
    let local_path = path.child("localhostProfile");
    let local = profile["localhostProfile"].as_str();
    match text(profile, "type") {
        "Localhost" => {
            let required = "must be set when AppArmor type is Localhost";
            let Some(local) = local else {
                errors.push(Error::required(&local_path, required));
                return;
            };
            if local.trim() != local {
                errors.push(Error::invalid(&local_path, local, "must not be padded with whitespace"));
            } else if local.is_empty() {
                errors.push(Error::required(&local_path, required));
            }
            if local.len() > PROFILE_BYTES_MAX {
                errors.push(Error::too_long(&local_path, PROFILE_BYTES_MAX));
            }
        }
        "RuntimeDefault" | "Unconfined" => {
            if let Some(local) = local {
                errors.push(Error::invalid(&local_path, local, "can only be set when AppArmor type is Localhost"));
            }
        }
        "" => errors.push(Error::required(&path.child("type"), "type is required when appArmorProfile is set")),
        other => {
            let kinds = ["Localhost", "RuntimeDefault", "Unconfined"];
            errors.push(Error::not_supported(&path.child("type"), other, &kinds));
        }
    }
}

fn validate_sysctls(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for (index, sysctl) in list(&spec["securityContext"], "sysctls").iter().enumerate() {
        let path = path.index(index).child("name");
        let name = text(sysctl, "name");
        if name.is_empty() {
            errors.push(Error::required(&path, ""));
        } else if !is_sysctl(name) {
            errors.push(Error::invalid(&path, name, SYSCTL_FORMAT));
        } else if !seen.insert(name) {
            errors.push(Error::duplicate(&path, name));
        }
        let dotted = name.replace('/', ".");
        let network = dotted.starts_with("net.");
        let ipc = dotted.starts_with("fs.mqueue.")
            || dotted.starts_with("kernel.shm")
            || dotted.starts_with("kernel.msg")
            || dotted == "kernel.sem";
        if flag(spec, "hostNetwork") && network {
            errors.push(Error::invalid(&path, name, "may not be specified when 'hostNetwork' is true"));
        } else if flag(spec, "hostIPC") && ipc {
            errors.push(Error::invalid(&path, name, "may not be specified when 'hostIPC' is true"));
        }
    }
}

fn is_sysctl(name: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    name.len() <= SYSCTL_BYTES_MAX
        && name.split(['.', '/']).all(|part| {
            edge(part.bytes().next())
                && edge(part.bytes().next_back())
                && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
        })
}
