//! Annotations that say of a pod, or of a template, what has fields today.

use crate::resources::check;
use crate::resources::value::{child, existing_mut, items_mut, list, pairs, remove, set, text};
use api_machinery::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// Pods that a node runs without having been told to by the API.
pub(crate) const MIRROR: &str = "kubernetes.io/config.mirror";
/// Which pods a ReplicaSet would rather lose.
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
/// The AppArmor profile of the container whose name follows.
pub(crate) const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP: &str = "seccomp.security.alpha.kubernetes.io/pod";
/// The seccomp profile of the container whose name follows.
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
/// How profiles are named that lie on the node.
const LOCAL: &str = "localhost/";
/// Where init containers were once. Upstream's conversion drops them.
const INIT_CONTAINERS: [&str; 4] = [
    "pod.alpha.kubernetes.io/init-containers",
    "pod.alpha.kubernetes.io/init-container-statuses",
    "pod.beta.kubernetes.io/init-containers",
    "pod.beta.kubernetes.io/init-container-statuses",
];
const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Drops what nobody reads any more, of a pod or of a template.
pub(crate) fn drop_unread(object: &mut Value) {
    let Some(metadata) = existing_mut(object, "metadata") else { return };
    let Some(annotations) = existing_mut(metadata, "annotations").and_then(Value::as_object_mut) else { return };
    annotations.retain(|name, _| !INIT_CONTAINERS.contains(&name.as_str()));
    if annotations.is_empty() {
        remove(metadata, "annotations");
    }
}

/// Checks the annotations of a pod or of a template.
pub(crate) fn validate(metadata: &Value, spec: &Value, path: &Path, errors: &mut ErrorList) {
    let annotation = |name: &str| metadata["annotations"][name].as_str();
    if let Some(value) = annotation(MIRROR).filter(|_| text(spec, "nodeName").is_empty()) {
        let text = "must set spec.nodeName if mirror pod annotation is set";
        errors.push(Error::invalid(&path.key(MIRROR), value, text));
    }
    if let Some(cost) = annotation(DELETION_COST)
        && (cost.parse::<i32>().is_err() || cost.starts_with('+') || (cost.len() > 1 && cost.starts_with('0')))
    {
        errors.push(Error::invalid(&path.key(DELETION_COST), cost, "must be a 32bit integer"));
    }
    if let Some(profile) = annotation(SECCOMP) {
        validate_seccomp(profile, &path.child(SECCOMP), errors);
    }
    for (name, profile) in texts(metadata).filter(|(name, _)| name.starts_with(SECCOMP_CONTAINER)) {
        validate_seccomp(profile, &path.child(name.to_owned()), errors);
    }
    for (name, profile) in texts(metadata) {
        let Some(container) = name.strip_prefix(APP_ARMOR) else { continue };
        if !has_container(spec, container) {
            errors.push(Error::invalid(&path.key(name), container, "container not found"));
        }
        if !matches!(profile, "" | "runtime/default" | "unconfined") && !profile.starts_with(LOCAL) {
            let text = format!("invalid AppArmor profile name: {profile:?}");
            errors.push(Error::invalid(&path.key(name), profile, text));
        }
    }
}

fn texts(metadata: &Value) -> impl Iterator<Item = (&str, &str)> {
    pairs(metadata, "annotations").filter_map(|(name, value)| Some((name, value.as_str()?)))
}

/// Whether a container of any sort has the name.
pub(crate) fn has_container(spec: &Value, name: &str) -> bool {
    CONTAINERS.iter().flat_map(|key| list(spec, key)).any(|container| text(container, "name") == name)
}

fn validate_seccomp(profile: &str, path: &Path, errors: &mut ErrorList) {
    match profile.strip_prefix(LOCAL) {
        Some(local) => check::descending_path(local, path, errors),
        None if matches!(profile, "runtime/default" | "docker/default" | "unconfined") => {}
        None => errors.push(Error::invalid(path, profile, "must be a valid seccomp profile")),
    }
}

/// Gives containers the AppArmor profiles that the annotations of a new pod name, where no field does.
pub(crate) fn apply_app_armor(pod: &mut Value) {
    if text(&pod["spec"]["os"], "name") == "windows" {
        return;
    }
    let annotations = pod["metadata"]["annotations"].clone();
    let of_pod = pod["spec"]["securityContext"]["appArmorProfile"].clone();
    let Some(spec) = existing_mut(pod, "spec") else { return };
    for key in CONTAINERS {
        for container in items_mut(spec, key) {
            let named = annotations[format!("{APP_ARMOR}{}", text(container, "name"))].as_str();
            let Some(profile) = named.and_then(app_armor_profile).filter(|profile| *profile != of_pod) else {
                continue;
            };
            if !container["securityContext"]["appArmorProfile"].is_null() {
                continue;
            }
            if let Some(context) = child(container, "securityContext") {
                set(context, "appArmorProfile", profile);
            }
        }
    }
}

fn app_armor_profile(annotation: &str) -> Option<Value> {
    match (annotation, annotation.strip_prefix(LOCAL)) {
        ("runtime/default", _) => Some(json!({"type": "RuntimeDefault"})),
        ("unconfined", _) => Some(json!({"type": "Unconfined"})),
        (_, Some(local)) if !local.is_empty() && local.trim() == local => {
            Some(json!({"type": "Localhost", "localhostProfile": local}))
        }
        _ => None,
    }
}

/// Annotations and fields of a new pod name the same AppArmor profiles.
pub(crate) fn validate_app_armor(pod: &Value, errors: &mut ErrorList) {
    let spec = &pod["spec"];
    if text(&spec["os"], "name") == "windows" {
        return;
    }
    for key in CONTAINERS {
        for (index, container) in list(spec, key).iter().enumerate() {
            let name = format!("{APP_ARMOR}{}", text(container, "name"));
            let Some(annotation) = pod["metadata"]["annotations"][&name].as_str() else { continue };
            let own = &container["securityContext"]["appArmorProfile"];
            let profile = if own.is_null() { &spec["securityContext"]["appArmorProfile"] } else { own };
            let path = Path::root("spec").child(key).index(index).child("securityContext").child("appArmorProfile");
            let types_match = match text(profile, "type") {
                "Unconfined" => annotation == "unconfined",
                "RuntimeDefault" => annotation == "runtime/default",
                "Localhost" => annotation.starts_with(LOCAL),
                _ => continue,
            };
            let local = annotation.strip_prefix(LOCAL);
            if !types_match {
                let text = "apparmor type in annotation and field must match";
                errors.push(Error::forbidden(&path.child("type"), text));
            } else if local.is_some() && local != profile["localhostProfile"].as_str() {
                let text = "apparmor profile in annotation and field must match";
                errors.push(Error::forbidden(&path.child("localhostProfile"), text));
            }
        }
    }
}

/// What a pod began with stays: who mirrors it, and its AppArmor profiles.
pub(crate) fn validate_update(new: &Value, old: &Value, errors: &mut ErrorList) {
    let path = Path::of(&["metadata", "annotations"]);
    let fixed = |name: &str| match name {
        MIRROR => Some("mirror pod annotation"),
        _ => name.starts_with(APP_ARMOR).then_some("AppArmor annotations"),
    };
    let (new, old) = (&new["metadata"], &old["metadata"]);
    for (name, value) in texts(old) {
        if let Some(what) = fixed(name).filter(|_| new["annotations"][name].as_str() != Some(value)) {
            errors.push(Error::forbidden(&path.key(name), format!("may not remove or update {what}")));
        }
    }
    for (name, _) in texts(new) {
        if let Some(what) = fixed(name).filter(|_| old["annotations"][name].is_null()) {
            errors.push(Error::forbidden(&path.key(name), format!("may not add {what}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::testing::messages;

    fn pod(annotations: Value) -> Value {
        json!({"metadata": {"annotations": annotations}, "spec": {"containers": [{"name": "c"}]}})
    }

    fn refusals(annotations: Value) -> Vec<String> {
        let (pod, mut errors) = (pod(annotations), ErrorList::new());
        validate(&pod["metadata"], &pod["spec"], &Path::root("a"), &mut errors);
        messages(errors)
    }

    // proves: AM-33
    #[test]
    fn annotations_that_mean_something_are_checked() {
        assert_eq!(
            refusals(
                json!({MIRROR: "x", DELETION_COST: "01", SECCOMP: "x", format!("{SECCOMP_CONTAINER}z"): "localhost//a",
                format!("{APP_ARMOR}z"): "x"})
            ),
            [
                "a[kubernetes.io/config.mirror]: Invalid value: \"x\": must set spec.nodeName if mirror pod annotation is set",
                "a[controller.kubernetes.io/pod-deletion-cost]: Invalid value: \"01\": must be a 32bit integer",
                "a.seccomp.security.alpha.kubernetes.io/pod: Invalid value: \"x\": must be a valid seccomp profile",
                "a.container.seccomp.security.alpha.kubernetes.io/z: Invalid value: \"/a\": must be a relative path",
                "a[container.apparmor.security.beta.kubernetes.io/z]: Invalid value: \"z\": container not found",
                "a[container.apparmor.security.beta.kubernetes.io/z]: Invalid value: \"x\": invalid AppArmor profile \
                 name: \"x\"",
            ]
        );
        let good = json!({DELETION_COST: "-5", SECCOMP: "docker/default", format!("{APP_ARMOR}c"): "localhost/p"});
        assert_eq!(refusals(good), [""; 0]);
    }

    // proves: AM-33
    #[test]
    fn a_profile_that_an_annotation_names_becomes_a_field_and_does_not_change() {
        let key = format!("{APP_ARMOR}c");
        let context = |annotation: &str| {
            let mut pod = pod(json!({key.as_str(): annotation}));
            apply_app_armor(&mut pod);
            pod["spec"]["containers"][0]["securityContext"]["appArmorProfile"].clone()
        };
        assert_eq!(context("runtime/default"), json!({"type": "RuntimeDefault"}));
        assert_eq!(context("localhost/p"), json!({"type": "Localhost", "localhostProfile": "p"}));
        assert_eq!(context("localhost/"), Value::Null);

        let mut both = pod(json!({key.as_str(): "localhost/p"}));
        let disagreement = |pod: &Value| {
            let mut errors = ErrorList::new();
            validate_app_armor(pod, &mut errors);
            messages(errors)
        };
        let field = "spec.containers[0].securityContext.appArmorProfile";
        both["spec"]["containers"][0]["securityContext"] = json!({"appArmorProfile": {"type": "Unconfined"}});
        assert_eq!(
            disagreement(&both),
            [format!("{field}.type: Forbidden: apparmor type in annotation and field must match")]
        );
        both["spec"]["containers"][0]["securityContext"]["appArmorProfile"] =
            json!({"type": "Localhost", "localhostProfile": "q"});
        assert_eq!(
            disagreement(&both),
            [format!("{field}.localhostProfile: Forbidden: apparmor profile in annotation and field must match")]
        );
        both["spec"]["containers"][0]["securityContext"]["appArmorProfile"]["localhostProfile"] = json!("p");
        assert_eq!(disagreement(&both), [""; 0]);

        let mut errors = ErrorList::new();
        validate_update(&pod(json!({MIRROR: "x"})), &both, &mut errors);
        assert_eq!(
            messages(errors),
            [
                format!("metadata.annotations[{key}]: Forbidden: may not remove or update AppArmor annotations"),
                format!("metadata.annotations[{MIRROR}]: Forbidden: may not add mirror pod annotation"),
            ]
        );
    }

    #[test]
    fn annotations_of_old_init_containers_are_dropped() {
        let mut pod = pod(json!({"pod.alpha.kubernetes.io/init-containers": "x", "a": "b"}));
        drop_unread(&mut pod);
        assert_eq!(pod["metadata"]["annotations"], json!({"a": "b"}));
    }
}
