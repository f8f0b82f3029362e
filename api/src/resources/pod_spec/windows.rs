//! What a pod for Windows may not say, and the containers of Windows that are processes of the host.

use crate::resources::value::{flag, has, list};
use api_machinery::field::{Error, ErrorList, Path};
use serde_json::Value;

const FORBIDDEN: &str = "cannot be set for a windows pod";
/// Fields of a pod's security context that mean nothing on Windows, in upstream's order.
const OF_POD: [&str; 11] = [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "seLinuxChangePolicy",
];
/// Those of a container's.
const OF_CONTAINER: [&str; 10] = [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
];

/// Refuses what is Linux' own.
pub(super) fn validate(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let mut refuse = |value: &Value, key: &'static str, path: &Path| {
        if has(value, key) {
            errors.push(Error::forbidden(&path.child(key), FORBIDDEN));
        }
    };
    OF_POD.iter().for_each(|key| refuse(&spec["securityContext"], key, &path.child("securityContext")));
    refuse(spec, "hostUsers", path);
    for key in ["hostPID", "hostIPC"] {
        if flag(spec, key) {
            refuse(spec, key, path);
        }
    }
    refuse(spec, "shareProcessNamespace", path);
    for (container, path) in containers(spec, path) {
        OF_CONTAINER.iter().for_each(|key| refuse(&container["securityContext"], key, &path.child("securityContext")));
    }
}

/// Processes of the host are all of a pod's containers or none, and are on the host's network.
pub(super) fn validate_host_processes(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let of = |value: &Value| value["securityContext"]["windowsOptions"]["hostProcess"].as_bool();
    let of_pod = of(spec);
    let (mut all, mut of_host) = (0, 0);
    for (container, path) in containers(spec, path) {
        let own = of(container);
        if let (Some(of_pod), Some(own)) = (of_pod, own)
            && of_pod != own
        {
            let path = path.child("securityContext").child("windowsOptions").child("hostProcess");
            let text = format!("pod hostProcess value must be identical if both are specified, was {of_pod}");
            errors.push(Error::invalid(&path, own, text));
        }
        all += 1;
        of_host += usize::from(own.or(of_pod) == Some(true));
    }
    if of_host == 0 {
        return;
    }
    if of_host != all {
        let text = "If pod contains any hostProcess containers then all containers must be HostProcess containers";
        errors.push(Error::invalid(path, "", text));
    }
    if !flag(spec, "hostNetwork") {
        let text = "hostNetwork must be true if pod contains any hostProcess containers";
        errors.push(Error::invalid(&path.child("hostNetwork"), false, text));
    }
}

/// All containers with their places.
fn containers<'a>(spec: &'a Value, path: &Path) -> Vec<(&'a Value, Path)> {
    let keys = ["initContainers", "containers", "ephemeralContainers"];
    let of = |key: &'static str| {
        let path = path.child(key);
        list(spec, key).iter().enumerate().map(move |(index, container)| (container, path.index(index)))
    };
    keys.into_iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::testing::messages;
    use serde_json::json;

    // proves: AM-33
    #[test]
    fn a_pod_for_windows_says_nothing_of_linux() {
        let spec = json!({
            "securityContext": {"runAsUser": 5, "windowsOptions": {}},
            "hostPID": false,
            "hostUsers": true,
            "containers": [{"securityContext": {"privileged": false}}],
        });
        let mut errors = ErrorList::new();
        validate(&spec, &Path::root("spec"), &mut errors);
        assert_eq!(
            messages(errors),
            [
                "spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod",
                "spec.hostUsers: Forbidden: cannot be set for a windows pod",
                "spec.containers[0].securityContext.privileged: Forbidden: cannot be set for a windows pod",
            ]
        );
    }

    // proves: AM-33
    #[test]
    fn processes_of_the_host_are_all_or_none() {
        let host = |is: bool| json!({"securityContext": {"windowsOptions": {"hostProcess": is}}});
        let of = |spec: Value| {
            let mut errors = ErrorList::new();
            validate_host_processes(&spec, &Path::root("spec"), &mut errors);
            messages(errors)
        };
        assert_eq!(of(json!({"containers": [{}]})), [""; 0]);
        assert_eq!(of(json!({"hostNetwork": true, "containers": [host(true), host(true)]})), [""; 0]);
        let mut mixed = host(true);
        mixed["containers"] = json!([{}, host(false)]);
        assert_eq!(
            of(mixed),
            [
                "spec.containers[1].securityContext.windowsOptions.hostProcess: Invalid value: false: pod hostProcess \
                 value must be identical if both are specified, was true",
                "spec: Invalid value: \"\": If pod contains any hostProcess containers then all containers must be \
                 HostProcess containers",
                "spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess \
                 containers",
            ]
        );
    }
}
