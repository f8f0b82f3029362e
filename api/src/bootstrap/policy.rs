//! Reads `policy.txt`, the default roles and bindings, into objects.
//!
//! A line that starts in column one begins an object: `clusterrole NAME [to=LABEL] [from=LABEL]`, `controller NAME`
//! (a ClusterRole `system:controller:NAME` and its binding), `role NAMESPACE/NAME`, `clusterbinding NAME SUBJECT..`,
//! `binding NAMESPACE/NAME[=ROLE] SUBJECT..`. An indented line is a rule of the role above it:
//! `VERBS GROUPS RESOURCES [NAMES]`, lists by comma, `core` for the core group, group `@` for non-resource paths.

use serde_json::{Value, json};

const TEXT: &str = include_str!("policy.txt");
const GROUP: &str = "rbac.authorization.k8s.io";
const READ: &str = "get,list,watch";
const WRITE: &str = "create,update,patch,delete,deletecollection";

/// One default object: the resource it belongs to and its content.
#[derive(Debug)]
pub(super) struct Default {
    /// `clusterroles`, `clusterrolebindings`, `roles` or `rolebindings`.
    pub resource: &'static str,
    /// The whole object.
    pub object: Value,
}

/// All default objects, roles before bindings.
pub(super) fn defaults() -> Vec<Default> {
    let mut objects: Vec<Default> = Vec::new();
    let mut bindings = Vec::new();
    for line in TEXT.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        if line.starts_with(' ') {
            if let Some(Value::Array(rules)) = objects.last_mut().and_then(|role| role.object.get_mut("rules")) {
                rules.push(rule(words));
            }
            continue;
        }
        let (what, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match what {
            "clusterrole" => objects.push(cluster_role(name, words)),
            "controller" => {
                let role = format!("system:controller:{name}");
                bindings.push(cluster_binding(&role, [format!("sa:kube-system/{name}").as_str()].into_iter()));
                objects.push(cluster_role(&role, words));
            }
            "role" => {
                let (namespace, name) = name.split_once('/').unwrap_or_default();
                let object = json!({"kind": "Role", "apiVersion": format!("{GROUP}/v1"),
                    "metadata": metadata(name, Some(namespace)), "rules": []});
                objects.push(Default { resource: "roles", object });
            }
            "clusterbinding" => bindings.push(cluster_binding(name, words)),
            _ => {
                let (namespace, name) = name.split_once('/').unwrap_or_default();
                let (name, role) = name.split_once('=').unwrap_or((name, name));
                let object = json!({"kind": "RoleBinding", "apiVersion": format!("{GROUP}/v1"),
                    "metadata": metadata(name, Some(namespace)), "subjects": words.map(subject).collect::<Vec<_>>(),
                    "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": role}});
                bindings.push(Default { resource: "rolebindings", object });
            }
        }
    }
    objects.append(&mut bindings);
    objects
}

fn cluster_role<'a>(name: &str, options: impl Iterator<Item = &'a str>) -> Default {
    let mut object = json!({"kind": "ClusterRole", "apiVersion": format!("{GROUP}/v1"),
        "metadata": metadata(name, None), "rules": []});
    for option in options {
        let (key, label) = option.split_once('=').unwrap_or((option, ""));
        let label = format!("{GROUP}/{label}");
        if key == "to" {
            object["metadata"]["labels"][label] = json!("true");
        } else {
            object["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]});
        }
    }
    Default { resource: "clusterroles", object }
}

fn cluster_binding<'a>(name: &str, subjects: impl Iterator<Item = &'a str>) -> Default {
    let object = json!({"kind": "ClusterRoleBinding", "apiVersion": format!("{GROUP}/v1"),
        "metadata": metadata(name, None), "subjects": subjects.map(subject).collect::<Vec<_>>(),
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name}});
    Default { resource: "clusterrolebindings", object }
}

fn metadata(name: &str, namespace: Option<&str>) -> Value {
    let mut metadata = json!({"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
        "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"}});
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    metadata
}

fn subject(text: &str) -> Value {
    let (kind, name) = text.split_once(':').unwrap_or_default();
    match kind {
        "group" => json!({"kind": "Group", "apiGroup": GROUP, "name": name}),
        "user" => json!({"kind": "User", "apiGroup": GROUP, "name": name}),
        _ => {
            let (namespace, name) = name.split_once('/').unwrap_or_default();
            json!({"kind": "ServiceAccount", "name": name, "namespace": namespace})
        }
    }
}

fn rule<'a>(mut words: impl Iterator<Item = &'a str>) -> Value {
    let verbs = words.next().unwrap_or_default();
    if verbs == "EVENTS" {
        return json!({"verbs": ["create", "patch", "update"], "apiGroups": ["", "events.k8s.io"], "resources": ["events"]});
    }
    let verbs = match verbs {
        "READ" => READ.to_owned(),
        "WRITE" => WRITE.to_owned(),
        "READWRITE" => format!("{READ},{WRITE}"),
        "READUPDATE" => format!("{READ},update,patch"),
        other => other.to_owned(),
    };
    let groups = words.next().unwrap_or_default();
    let resources = words.next().unwrap_or_default();
    if groups == "@" {
        return json!({"verbs": sorted(&verbs), "nonResourceURLs": sorted(resources)});
    }
    let groups: Vec<&str> = groups.split(',').map(|group| if group == "core" { "" } else { group }).collect();
    let mut rule = json!({"verbs": sorted(&verbs), "apiGroups": groups, "resources": sorted(resources)});
    if let Some(names) = words.next() {
        rule["resourceNames"] = json!(sorted(names));
    }
    rule
}

fn sorted(list: &str) -> Vec<&str> {
    let mut items: Vec<&str> = list.split(',').collect();
    items.sort_unstable();
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(resource: &str, name: &str) -> Value {
        let found = defaults().into_iter().find(|d| d.resource == resource && d.object["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("{resource} {name}")).object
    }

    // proves: AM-51
    #[test]
    fn cluster_admin_may_everything_and_masters_hold_it() {
        let role = find("clusterroles", "cluster-admin");
        assert_eq!(role["rules"][0], json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
        assert_eq!(role["rules"][1], json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
        let binding = find("clusterrolebindings", "cluster-admin");
        assert_eq!(binding["subjects"][0]["name"], "system:masters");
        assert_eq!(binding["roleRef"]["name"], "cluster-admin");
    }

    #[test]
    fn every_rule_is_complete_and_every_binding_names_a_role_that_exists() {
        let all = defaults();
        let names: Vec<&str> = all
            .iter()
            .filter(|d| d.resource == "clusterroles" || d.resource == "roles")
            .filter_map(|d| d.object["metadata"]["name"].as_str())
            .collect();
        for default in &all {
            for rule in default.object["rules"].as_array().into_iter().flatten() {
                let what = if rule.get("nonResourceURLs").is_some() { "nonResourceURLs" } else { "resources" };
                for field in ["verbs", what] {
                    let words = rule[field].as_array().expect("a list");
                    assert!(words.iter().all(|word| word.as_str().is_some_and(|w| !w.is_empty())), "{rule}");
                }
            }
            if let Some(role) = default.object["roleRef"]["name"].as_str() {
                assert!(names.contains(&role), "{role}");
                assert!(!default.object["subjects"].as_array().expect("subjects").is_empty());
            }
        }
    }

    #[test]
    fn controllers_get_a_role_and_a_binding_to_their_service_account() {
        let binding = find("clusterrolebindings", "system:controller:deployment-controller");
        assert_eq!(
            binding["subjects"][0],
            json!({"kind": "ServiceAccount", "name": "deployment-controller",
            "namespace": "kube-system"})
        );
        let role = find("clusterroles", "system:controller:deployment-controller");
        assert_eq!(role["rules"][0]["verbs"], json!(["get", "list", "update", "watch"]));
    }

    #[test]
    fn edit_aggregates_and_is_aggregated() {
        let role = find("clusterroles", "edit");
        assert_eq!(role["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-admin"], "true");
        let selectors = &role["aggregationRule"]["clusterRoleSelectors"];
        assert_eq!(selectors[0]["matchLabels"], json!({"rbac.authorization.k8s.io/aggregate-to-edit": "true"}));
    }

    #[test]
    fn default_roles_are_those_of_upstream() {
        let both = json!(["", "events.k8s.io"]);
        let edit = find("clusterroles", "system:aggregate-to-edit");
        let events = |rule: &&Value| rule["resources"] == json!(["events"]);
        assert_eq!(edit["rules"].as_array().expect("rules").iter().find(events).expect("events")["apiGroups"], both);
        let locking = find("roles", "system::leader-locking-kube-scheduler");
        assert_eq!(locking["rules"][0]["apiGroups"], json!(["coordination.k8s.io"]));
        let monitoring = find("clusterroles", "system:monitoring");
        assert_eq!(monitoring["rules"][1]["resources"], json!(["nodes/metrics"]));
        let bundles = find("clusterrolebindings", "system:cluster-trust-bundle-discovery");
        assert_eq!(bundles["subjects"][0]["name"], "system:serviceaccounts");
    }
}
