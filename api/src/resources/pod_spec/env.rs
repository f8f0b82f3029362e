//! Validation of a container's environment and of references to fields.

use crate::resources::check;
use crate::resources::value::{has, list, quantity, text};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::names;
use serde_json::Value;

/// Pod fields an environment variable may take.
const ENV_FIELD_PATHS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// Pod fields a downward API file may take.
pub(crate) const VOLUME_FIELD_PATHS: &[&str] =
    &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

/// Every field path the downward API knows, whether or not the place at hand takes it.
const KNOWN_FIELD_PATHS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

const RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

const BYTE_DIVISORS: &[&str] = &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// Checks `env`.
pub(crate) fn validate_env(container: &Value, path: &Path, errors: &mut ErrorList) {
    for (index, variable) in list(container, "env").iter().enumerate() {
        let path = path.index(index);
        let name = text(variable, "name");
        if name.is_empty() {
            errors.push(Error::required(&path.child("name"), ""));
        } else {
            check::env_name(name, &path.child("name"), errors);
        }
        if has(variable, "valueFrom") {
            validate_source(variable, &path.child("valueFrom"), errors);
        }
    }
}

/// Checks `envFrom`.
pub(crate) fn validate_env_from(container: &Value, path: &Path, errors: &mut ErrorList) {
    for (index, source) in list(container, "envFrom").iter().enumerate() {
        let item = path.index(index);
        let prefix = text(source, "prefix");
        if !prefix.is_empty() {
            check::env_name(prefix, &item.child("prefix"), errors);
        }
        let mut count = 0;
        for key in ["configMapRef", "secretRef"] {
            if !has(source, key) {
                continue;
            }
            count += 1;
            let name = text(&source[key], "name");
            let name_path = item.child(key).child("name");
            if name.is_empty() {
                errors.push(Error::required(&name_path, ""));
            } else {
                for message in names::is_dns1123_subdomain(name) {
                    errors.push(Error::invalid(&name_path, name, message));
                }
            }
        }
        if count == 0 {
            errors.push(Error::invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"));
        } else if count > 1 {
            errors.push(Error::invalid(path, "", "may not have more than one field specified at a time"));
        }
    }
}

fn validate_source(variable: &Value, path: &Path, errors: &mut ErrorList) {
    let source = &variable["valueFrom"];
    let mut count = 0;
    if has(source, "fieldRef") {
        count += 1;
        validate_field_ref(&source["fieldRef"], ENV_FIELD_PATHS, &path.child("fieldRef"), errors);
    }
    if has(source, "resourceFieldRef") {
        count += 1;
        let path = path.child("resourceFieldRef");
        validate_resource_field_ref(&source["resourceFieldRef"], false, &path, errors);
    }
    for key in ["configMapKeyRef", "secretKeyRef"] {
        if has(source, key) {
            count += 1;
            validate_key_selector(&source[key], &path.child(key), errors);
        }
    }
    if has(source, "fileKeyRef") {
        count += 1;
        validate_file_selector(&source["fileKeyRef"], &path.child("fileKeyRef"), errors);
    }
    if count == 0 {
        let text =
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
        errors.push(Error::invalid(path, "", text));
    } else if !text(variable, "value").is_empty() {
        errors.push(Error::invalid(path, "", "may not be specified when `value` is not empty"));
    } else if count > 1 {
        errors.push(Error::invalid(path, "", "may not have more than one field specified at a time"));
    }
}

/// A check of a text.
type Check = fn(&str, &Path, &mut ErrorList);

fn validate_file_selector(selector: &Value, path: &Path, errors: &mut ErrorList) {
    let checks: [(_, Check); 3] =
        [("key", check::env_name), ("volumeName", check::dns_label), ("path", check::no_backsteps)];
    for (key, check) in checks {
        match text(selector, key) {
            "" => errors.push(Error::required(&path.child(key), "")),
            value => check(value, &path.child(key), errors),
        }
    }
}

fn validate_key_selector(selector: &Value, path: &Path, errors: &mut ErrorList) {
    let name = text(selector, "name");
    for message in names::is_dns1123_subdomain(name) {
        errors.push(Error::invalid(&path.child("name"), name, message));
    }
    let key = text(selector, "key");
    if key.is_empty() {
        errors.push(Error::required(&path.child("key"), ""));
    } else {
        check::config_key(key, &path.child("key"), errors);
    }
}

/// A reference to a field of the pod. `allowed` is sorted; its members are what the place at hand takes.
pub(crate) fn validate_field_ref(reference: &Value, allowed: &[&str], path: &Path, errors: &mut ErrorList) {
    let version = text(reference, "apiVersion");
    if version.is_empty() {
        errors.push(Error::required(&path.child("apiVersion"), ""));
        return;
    }
    let field = text(reference, "fieldPath");
    if field.is_empty() {
        errors.push(Error::required(&path.child("fieldPath"), ""));
        return;
    }
    let subscripted = field.strip_suffix("']").and_then(|rest| rest.split_once("['"));
    let base = subscripted.map_or(field, |(base, _)| base);
    let problem = if version != "v1" {
        Some(format!("unsupported pod version: {version}"))
    } else if subscripted.is_some() && !matches!(base, "metadata.annotations" | "metadata.labels") {
        Some(format!("field label does not support subscript: {field}"))
    } else if base != "spec.host" && !KNOWN_FIELD_PATHS.contains(&base) {
        Some(format!("field label not supported: {field}"))
    } else {
        None
    };
    if let Some(problem) = problem {
        let text = format!("error converting fieldPath: {problem}");
        errors.push(Error::invalid(&path.child("fieldPath"), field, text));
        return;
    }
    match subscripted {
        Some(("metadata.annotations", key)) => check::qualified_name(&key.to_lowercase(), path, errors),
        Some((_, key)) => check::qualified_name(key, path, errors),
        None => {
            let field = if field == "spec.host" { "spec.nodeName" } else { field };
            check::one_of(field, allowed, &path.child("fieldPath"), errors);
        }
    }
}

/// A reference to a container's resource; in a volume it has to name the container.
pub(crate) fn validate_resource_field_ref(reference: &Value, volume: bool, path: &Path, errors: &mut ErrorList) {
    let resource = text(reference, "resource");
    let huge_pages = resource.starts_with("requests.hugepages-") || resource.starts_with("limits.hugepages-");
    if volume && text(reference, "containerName").is_empty() {
        errors.push(Error::required(&path.child("containerName"), ""));
    } else if resource.is_empty() {
        errors.push(Error::required(&path.child("resource"), ""));
    } else if !huge_pages {
        check::one_of(resource, RESOURCES, &path.child("resource"), errors);
    }
    let Some(divisor) = quantity(&reference["divisor"]).filter(|divisor| !divisor.is_zero()) else { return };
    let divisor = divisor.to_string();
    let (allowed, what): (&[&str], &str) = match resource {
        "limits.cpu" | "requests.cpu" => (&["1m", "1"], "cpu"),
        "limits.memory" | "requests.memory" => (BYTE_DIVISORS, "memory"),
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => (BYTE_DIVISORS, "local ephemeral storage"),
        _ if huge_pages => (BYTE_DIVISORS, "hugepages"),
        _ => return,
    };
    if !allowed.contains(&divisor.as_str()) {
        let values = match what {
            "cpu" => "1m and 1".to_owned(),
            _ => allowed.join(", "),
        };
        let text = format!("only divisor's values {values} are supported with the {what} resource");
        errors.push(Error::invalid(&path.child("divisor"), resource, text));
    }
}
