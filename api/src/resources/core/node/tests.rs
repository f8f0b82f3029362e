use super::*;
use crate::resources::testing::{created, errors_of, messages, row, updated};

fn node() -> Value {
    json!({
        "metadata": {"name": "n1", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"capacity": {"cpu": "2000m", "memory": "1024Mi"}},
    })
}

// proves: AM-33
#[test]
fn a_node_can_give_away_what_it_has_unless_it_says_less() {
    let status = created(&Node, node())["status"].clone();
    assert_eq!(status["capacity"], json!({"cpu": "2", "memory": "1Gi"}));
    assert_eq!(status["allocatable"], status["capacity"]);
    assert_eq!(status["daemonEndpoints"], json!({"kubeletEndpoint": {"Port": 0}}));
    assert_eq!(status["nodeInfo"]["kubeletVersion"], "");
}

// proves: AM-33
#[test]
fn pod_networks_and_provider_are_set_once() {
    let mut old = created(&Node, node());
    old["spec"] = json!({"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24"], "providerID": "a://b"});
    let mut new = old.clone();
    new["spec"] = json!({"podCIDR": "10.2.0.0/24"});
    let new = updated(&Node, new, &old);
    assert_eq!(new["spec"]["podCIDRs"], json!(["10.2.0.0/24"]));
    assert_eq!(
        messages(Node.validate_update(&new, &old)),
        [
            "spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid",
            "spec.providerID: Invalid value: null: field cannot be cleared once set",
        ]
    );
}

// proves: AM-33
#[test]
fn taints_resources_and_networks_are_checked() {
    let mut bad = node();
    bad["spec"] = json!({
        "taints": [{"key": "a", "effect": "Never"}, {"key": "b", "effect": "NoExecute"}, {"key": "b", "effect": "NoExecute"}],
        "podCIDRs": ["10.0.0.0/33"],
    });
    bad["status"]["capacity"] = json!({"cpu": "-1", "pods": "1500m"});
    assert_eq!(
        errors_of(&Node, bad),
        [
            "metadata.taints[0].effect: Unsupported value: \"Never\": supported values: \"NoSchedule\", \
             \"PreferNoSchedule\", \"NoExecute\"",
            "metadata.taints[2]: Duplicate value: {\"Key\":\"b\",\"Value\":\"\",\"Effect\":\"NoExecute\",\"TimeAdded\":null}: taints \
             must be unique by key and effect pair",
            "status.capacity.cpu: Invalid value: \"-1\": must be greater than or equal to 0",
            "status.capacity.pods: Invalid value: \"1500m\": must be an integer",
            "status.allocatable.cpu: Invalid value: \"-1\": must be greater than or equal to 0",
            "status.allocatable.pods: Invalid value: \"1500m\": must be an integer",
            "spec.podCIDRs[0]: Invalid value: \"10.0.0.0/33\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or \
             2001:db8::/64)",
        ]
    );
}

// proves: AM-13, AM-30
#[test]
fn a_row_shows_readiness_roles_addresses_and_system() {
    let mut node = created(&Node, node());
    let at = "2026-01-01T00:01:40Z";
    let nothing = "<none> | <none> | <unknown> | <unknown> | <unknown>";
    assert_eq!(row(&Node, &node, at), format!("n1 | Unknown | <none> | 100s |  | {nothing}"));
    node["metadata"]["labels"] = json!({"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "x"});
    node["spec"]["unschedulable"] = json!(true);
    node["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    node["status"]["addresses"] =
        json!([{"type": "InternalIP", "address": "10.0.0.7"}, {"type": "Hostname", "address": "n1"}]);
    for (key, value) in [
        ("kubeletVersion", "v1.37.0"),
        ("osImage", "Debian GNU/Linux 12 (bookworm)"),
        ("kernelVersion", "6.1.0"),
        ("architecture", "amd64"),
        ("containerRuntimeVersion", "containerd://1.6.20"),
    ] {
        node["status"]["nodeInfo"][key] = json!(value);
    }
    assert_eq!(
        row(&Node, &node, at),
        "n1 | Ready,SchedulingDisabled | control-plane,worker,x | 100s | v1.37.0 | 10.0.0.7 | <none> | \
         Debian GNU/Linux 12 (bookworm) | 6.1.0 (amd64) | containerd://1.6.20"
    );
    assert_eq!(Node.fields(&node).to_vec(), [("spec.unschedulable", "true".to_owned())]);
}

// proves: AM-33
#[test]
fn an_update_reads_networks_and_features_and_names_no_other_identity() {
    let old = created(&Node, node());
    let refused = |key: &str, field: &str, value: Value| {
        let mut new = old.clone();
        new[key][field] = value;
        messages(Node.validate_update(&new, &old))
    };
    let family = "may specify no more than one CIDR for each IP family";
    assert_eq!(
        refused("spec", "podCIDRs", json!(["10.0.0.0/24", "10.0.0.0/24"])),
        [format!("spec.podCIDRs: Invalid value: [\"10.0.0.0/24\",\"10.0.0.0/24\"]: {family}")]
    );
    let unreadable = refused("spec", "podCIDRs", json!(["10.0.0.0/24", "x"]));
    assert_eq!(
        unreadable[1..],
        [
            "spec.podCIDRs: Internal error: invalid PodCIDRs. failed to check with dual stack with error:invalid \
             CIDR[1]: <nil> (invalid CIDR address: x)"
                .to_owned(),
            format!("spec.podCIDRs: Invalid value: [\"10.0.0.0/24\",\"x\"]: {family}"),
        ]
    );
    assert_eq!(refused("spec", "externalID", json!("x")), ["spec.externalID: Forbidden: may not be updated"]);
    assert_eq!(refused("status", "declaredFeatures", json!(["A", "Ab/c1"])), [""; 0]);
    assert_eq!(
        refused("status", "declaredFeatures", json!(["B", "A", "A"])),
        [
            "status.declaredFeatures[1]: Invalid value: \"A\": list must be sorted alphabetically",
            "status.declaredFeatures[2]: Duplicate value: \"A\"",
        ]
    );
    let misnamed = refused("status", "declaredFeatures", json!(["a/"]));
    assert!(
        misnamed[0].starts_with("status.declaredFeatures[0]: Invalid value: \"a/\": invalid feature name \"a/\": must")
    );
}

// proves: AM-33
#[test]
fn nobody_configures_a_node_through_its_object() {
    let mut named = node();
    named["spec"] = json!({"configSource": {"configMap": {}}, "externalID": "x"});
    named["status"]["config"] = json!({"error": "x"});
    let warnings = ["spec.externalID: this field is deprecated, and is unused by Kubernetes"];
    assert_eq!(Node.warnings(&named, None), warnings);
    let old = created(&Node, named.clone());
    let new = updated(&Node, named, &created(&Node, node()));
    for node in [&old, &new] {
        assert_eq!((node["spec"].get("configSource"), node["status"].get("config")), (None, None));
    }
}
