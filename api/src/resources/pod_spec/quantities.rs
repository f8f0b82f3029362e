//! Validation of resource requests and limits, and of resource lists of nodes.

use crate::resources::check;
use crate::resources::value::{has, list, pairs, quantity, text};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::names;
use api_machinery::quantity::Quantity;
use serde_json::Value;
use std::collections::BTreeSet;

/// Resource names without a prefix that may be used at all.
const STANDARD: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
    "storage",
    "requests.storage",
];

/// Resource names whose amounts are whole numbers.
const WHOLE: &[&str] = &[
    "pods",
    "services",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

/// Checks `resources` of a container, or `overhead` of a pod given as limits. `claims` are the names in the pod's
/// `resourceClaims`.
pub(crate) fn validate_requirements(
    requirements: &Value,
    claims: &BTreeSet<&str>,
    path: &Path,
    errors: &mut ErrorList,
) {
    validate_named(requirements, validate_container_resource_name, path, errors);
    validate_claims(requirements, claims, &path.child("claims"), errors);
}

/// Checks `limits` and `requests` whose names `check_name` checks.
pub(super) fn validate_named(
    requirements: &Value,
    check_name: fn(&str, &Path, &mut ErrorList),
    path: &Path,
    errors: &mut ErrorList,
) {
    let (limits, requests) = (path.child("limits"), path.child("requests"));
    let (mut basic, mut huge) = (false, false);
    for (name, amount) in pairs(requirements, "limits") {
        check_name(name, &limits.key(name), errors);
        validate_amount(name, amount, &limits.key(name), errors);
        basic |= matches!(name, "cpu" | "memory");
        huge |= is_huge_pages(name);
    }
    for (name, amount) in pairs(requirements, "requests") {
        check_name(name, &requests.key(name), errors);
        validate_amount(name, amount, &requests.key(name), errors);
        basic |= matches!(name, "cpu" | "memory");
        huge |= is_huge_pages(name);
        let request = quantity(amount);
        match (request, quantity(&requirements["limits"][name])) {
            (Some(request), Some(limit)) => {
                if request != limit && !may_overcommit(name) {
                    let text = format!("must be equal to {name} limit of {limit}");
                    errors.push(Error::invalid(&requests, request.to_string(), text));
                } else if request > limit {
                    let text = format!("must be less than or equal to {name} limit of {limit}");
                    errors.push(Error::invalid(&requests, request.to_string(), text));
                }
            }
            (_, None) if !may_overcommit(name) => {
                errors.push(Error::required(&limits, "Limit must be set for non overcommitable resources"));
            }
            _ => {}
        }
    }
    if huge && !basic {
        errors.push(Error::forbidden(path, "HugePages require cpu or memory"));
    }
}

/// A container may only use claims of its pod, each once.
fn validate_claims(requirements: &Value, known: &BTreeSet<&str>, path: &Path, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for (index, claim) in list(requirements, "claims").iter().enumerate() {
        let path = path.index(index);
        let name = text(claim, "name");
        if name.is_empty() {
            errors.push(Error::required(&path, ""));
            continue;
        }
        let request = text(claim, "request");
        if !request.is_empty() {
            check::dns_label(request, &path.child("request"), errors);
        }
        if !seen.insert((name, request)) || (!request.is_empty() && seen.contains(&(name, ""))) {
            errors.push(Error::duplicate(&path, name));
        }
        if !known.contains(name) {
            let mut error = Error::not_found(&path, name);
            error.detail = "must be one of the names in pod.spec.resourceClaims".to_owned();
            if known.is_empty() {
                error.detail.push_str(" which is empty");
            } else {
                let names: Vec<&str> = known.iter().copied().collect();
                error.detail.push_str(": ");
                error.detail.push_str(&names.join(", "));
            }
            errors.push(error);
        }
    }
}

fn validate_amount(name: &str, amount: &Value, path: &Path, errors: &mut ErrorList) {
    validate_value(name, amount, path, errors);
    if let Some(amount) = quantity(amount)
        && let Some(page) = name.strip_prefix("hugepages-").and_then(|size| size.parse::<Quantity>().ok())
        && (page.value() <= 0 || amount.value() % page.value() != 0)
    {
        let text = format!("{amount} is not positive integer multiple of {name}");
        errors.push(Error::invalid(path, amount.to_string(), text));
    }
}

/// The amount of a resource: not negative, whole where the resource is counted.
pub(crate) fn validate_value(name: &str, amount: &Value, path: &Path, errors: &mut ErrorList) {
    let quantity = match Quantity::from_value(amount) {
        Ok(quantity) => quantity,
        Err(error) => {
            errors.push(Error::invalid(path, amount.clone(), error.to_string()));
            return;
        }
    };
    if quantity.is_negative() {
        errors.push(Error::invalid(path, quantity.to_string(), check::NOT_NEGATIVE));
    }
    if (WHOLE.contains(&name) || is_extended(name)) && !quantity.is_whole() {
        errors.push(Error::invalid(path, quantity.to_string(), "must be an integer"));
    }
}

fn validate_container_resource_name(name: &str, path: &Path, errors: &mut ErrorList) {
    validate_resource_name(name, path, errors);
    if !name.contains('/') {
        if !matches!(name, "cpu" | "memory" | "ephemeral-storage") && !is_huge_pages(name) {
            errors.push(Error::invalid(path, name, "must be a standard resource for containers"));
        }
    } else if !name.contains("kubernetes.io/") && !is_extended(name) {
        errors.push(Error::invalid(path, name, "doesn't follow extended resource name standard"));
    }
}

/// The name of any resource.
pub(super) fn validate_resource_name(name: &str, path: &Path, errors: &mut ErrorList) {
    let before = errors.len();
    for message in names::is_qualified_name(name) {
        errors.push(Error::invalid(path, name, message));
    }
    let standard = name.starts_with("requests.hugepages-") || is_huge_pages(name) || STANDARD.contains(&name);
    if errors.len() == before && !name.contains('/') && !standard {
        let text = "must be a standard resource type or fully qualified";
        errors.push(Error::invalid(path, name, text));
    }
}

/// Whether requests may be lower than limits.
pub(super) fn may_overcommit(name: &str) -> bool {
    (!name.contains('/') || name.contains("kubernetes.io/")) && !is_huge_pages(name)
}

pub(super) fn is_huge_pages(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Whether a name follows the standard for extended resources.
fn is_extended(name: &str) -> bool {
    let native = !name.contains('/') || name.contains("kubernetes.io/");
    !native && !name.starts_with("requests.") && names::is_qualified_name(&format!("requests.{name}")).is_empty()
}

/// Checks every amount of the resource list at `key` of a node's status.
pub(crate) fn validate_node_resources(status: &Value, key: &'static str, errors: &mut ErrorList) {
    if !has(status, key) {
        return;
    }
    for (name, amount) in pairs(status, key) {
        let path = Path::root("status").child(key).child(name.to_owned());
        validate_value(name, amount, &path, errors);
    }
}
