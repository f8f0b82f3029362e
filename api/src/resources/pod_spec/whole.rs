//! Resources of a pod as a whole: what its containers share, beside what each of them has.

use super::quantities::{is_huge_pages, may_overcommit, validate_named, validate_resource_name};
use crate::resources::value::{child, default_absent, existing_mut, has, list, pairs, quantity, text};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::quantity::Quantity;
use serde_json::Value;
use std::collections::BTreeMap;

type Amounts<'a> = BTreeMap<&'a str, Quantity>;

/// Requests for the pod what its containers request together, or what the pod is limited to, where it has limits.
pub(crate) fn default_pod_requests(spec: &mut Value) {
    let limits = spec["resources"]["limits"].clone();
    let together: Vec<(String, Value)> = container_requests(spec)
        .into_iter()
        .filter(|(name, _)| is_supported(name) && may_overcommit(name))
        .map(|(name, amount)| (name.to_owned(), amount.to_string().into()))
        .collect();
    let Value::Object(limits) = limits else { return };
    let Some(requests) = existing_mut(spec, "resources").and_then(|resources| child(resources, "requests")) else {
        return;
    };
    let of_limits = limits.into_iter().filter(|(name, _)| is_supported(name));
    together.into_iter().chain(of_limits).for_each(|(name, amount)| default_absent(requests, &name, amount));
}

/// Checks `resources` of a PodSpec.
pub(super) fn validate_pod_resources(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let resources = &spec["resources"];
    if resources.is_null() {
        return;
    }
    let path = path.child("resources");
    if text(&spec["os"], "name") == "windows" {
        errors.push(Error::forbidden(&path, "may not be set for a windows pod"));
        return;
    }
    if has(resources, "claims") {
        let text = "claims may not be set for Resources at pod-level";
        errors.push(Error::forbidden(&path.child("claims"), text));
    }
    validate_named(resources, validate_name, &path, errors);
    for (name, together) in container_requests(spec) {
        if let Some(amount) = quantity(&resources["requests"][name]).filter(|amount| together > *amount) {
            let text = format!("must be greater than or equal to aggregate container requests of {together}");
            errors.push(Error::invalid(&path.child("requests").key(name), amount.to_string(), text));
        }
    }
    for (index, container) in list(spec, "containers").iter().enumerate() {
        for (name, amount) in pairs(&container["resources"], "limits") {
            let (Some(own), Some(limit)) = (quantity(amount), quantity(&resources["limits"][name])) else { continue };
            if own > limit {
                let path = path.child("containers").index(index).key(name).child("limits");
                let text = format!("must be less than or equal to pod limits of {limit}");
                errors.push(Error::invalid(&path, own.to_string(), text));
            }
        }
    }
}

fn validate_name(name: &str, path: &Path, errors: &mut ErrorList) {
    let before = errors.len();
    validate_resource_name(name, path, errors);
    if errors.len() == before && !is_supported(name) {
        errors.push(Error::not_supported(path, name, &["cpu", "memory"]));
    }
}

fn is_supported(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || is_huge_pages(name)
}

/// What the containers request at most at any moment: all that run for good, and before them one that prepares at a time.
fn container_requests(spec: &Value) -> Amounts<'_> {
    let of = |container| requests(container);
    let mut running = Amounts::new();
    list(spec, "containers").iter().for_each(|container| add(&mut running, &of(container)));
    let (mut sidecars, mut preparing) = (Amounts::new(), Amounts::new());
    for container in list(spec, "initContainers") {
        let mut now = of(container);
        if text(container, "restartPolicy") == "Always" {
            add(&mut running, &now);
            add(&mut sidecars, &now);
            now.clone_from(&sidecars);
        } else {
            add(&mut now, &sidecars);
        }
        raise(&mut preparing, &now);
    }
    raise(&mut running, &preparing);
    running
}

fn requests(container: &Value) -> Amounts<'_> {
    pairs(&container["resources"], "requests").filter_map(|(name, amount)| Some((name, quantity(amount)?))).collect()
}

fn add<'a>(to: &mut Amounts<'a>, more: &Amounts<'a>) {
    for (name, amount) in more {
        to.entry(name).and_modify(|sum| *sum = sum.plus(*amount)).or_insert(*amount);
    }
}

fn raise<'a>(to: &mut Amounts<'a>, others: &Amounts<'a>) {
    for (name, amount) in others {
        to.entry(name).and_modify(|most| *most = (*most).max(*amount)).or_insert(*amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::testing::messages;
    use serde_json::json;

    fn container(cpu: &str) -> Value {
        json!({"resources": {"requests": {"cpu": cpu}}})
    }

    // proves: AM-33
    #[test]
    fn a_pod_with_limits_requests_what_its_containers_do_or_its_limits() {
        let mut sidecar = container("1");
        sidecar["restartPolicy"] = json!("Always");
        let mut spec = json!({
            "containers": [container("1"), container("500m")],
            "initContainers": [container("3"), sidecar, container("1")],
            "resources": {"limits": {"cpu": "8", "memory": "1Gi"}},
        });
        default_pod_requests(&mut spec);
        assert_eq!(spec["resources"]["requests"], json!({"cpu": "3", "memory": "1Gi"}));
        spec["initContainers"] = json!([]);
        spec["resources"]["requests"] = json!({"memory": "1Mi"});
        default_pod_requests(&mut spec);
        assert_eq!(spec["resources"]["requests"], json!({"cpu": "1500m", "memory": "1Mi"}));
        let mut unlimited = json!({"containers": [container("1")]});
        default_pod_requests(&mut unlimited);
        assert_eq!(unlimited.get("resources"), None);
    }

    // proves: AM-33
    #[test]
    fn a_pod_has_room_for_its_containers() {
        let of = |spec: Value| {
            let mut errors = ErrorList::new();
            validate_pod_resources(&spec, &Path::root("s"), &mut errors);
            messages(errors)
        };
        let mut greedy = container("2");
        greedy["resources"]["limits"] = json!({"cpu": "5"});
        assert_eq!(
            of(json!({
                "containers": [greedy],
                "resources": {"requests": {"cpu": "1", "pods": "1"}, "limits": {"cpu": "4", "foo": "1"}, "claims": []},
            })),
            [
                "s.resources.claims: Forbidden: claims may not be set for Resources at pod-level",
                "s.resources.limits[foo]: Invalid value: \"foo\": must be a standard resource type or fully qualified",
                "s.resources.requests[pods]: Unsupported value: \"pods\": supported values: \"cpu\", \"memory\"",
                "s.resources.requests[cpu]: Invalid value: \"1\": must be greater than or equal to aggregate container \
                 requests of 2",
                "s.resources.containers[0][cpu].limits: Invalid value: \"5\": must be less than or equal to pod limits \
                 of 4",
            ]
        );
        let foreign = json!({"os": {"name": "windows"}, "resources": {"limits": {"cpu": "1"}}});
        assert_eq!(of(foreign), ["s.resources: Forbidden: may not be set for a windows pod"]);
    }
}
