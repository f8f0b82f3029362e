use super::*;
use crate::resources::testing::{created, errors_of, messages, row, updated};

fn service(spec: Value) -> Value {
    json!({"metadata": {"name": "web", "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": spec})
}

fn plain() -> Value {
    service(json!({
        "selector": {"app": "web"},
        "ports": [{"port": 80}],
        "clusterIP": "10.96.0.7",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
    }))
}

// proves: AM-33
#[test]
fn a_service_is_filled_in_as_upstream_does() {
    let want = json!({
        "metadata": {"name": "web", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {
            "selector": {"app": "web"},
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
            "clusterIP": "10.96.0.7",
            "clusterIPs": ["10.96.0.7"],
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "sessionAffinity": "None",
            "type": "ClusterIP",
        },
        "status": {"loadBalancer": {}},
    });
    assert_eq!(created(&Service, plain()), want);
    assert_eq!(errors_of(&Service, plain()), [""; 0]);
    let balanced = created(&Service, service(json!({"type": "LoadBalancer", "sessionAffinity": "ClientIP"})));
    assert_eq!(balanced["spec"]["externalTrafficPolicy"], "Cluster");
    let elsewhere =
        updated(&Service, service(json!({"type": "ExternalName", "internalTrafficPolicy": "Local"})), &balanced);
    assert_eq!(elsewhere["spec"].get("internalTrafficPolicy"), None, "it has no traffic");
    let mut told = plain();
    told["status"] = json!({"conditions": [{"type": "A"}]});
    Service.default(&mut told);
    assert_eq!(
        told["status"]["conditions"],
        json!([{"type": "A", "status": "", "reason": "", "message": "", "lastTransitionTime": null}])
    );
    assert_eq!(balanced["spec"]["allocateLoadBalancerNodePorts"], true);
    assert_eq!(balanced["spec"]["sessionAffinityConfig"], json!({"clientIP": {"timeoutSeconds": 10800}}));
}

// proves: AM-49
#[test]
fn families_follow_the_cluster_unless_somebody_else_fills_in_the_endpoints() {
    let families = |spec: Value, primary: &str| {
        let mut spec = created(&Service, service(spec))["spec"].clone();
        let errors = messages(super::families::default_families(&mut spec, primary));
        (spec["ipFamilies"].clone(), spec["ipFamilyPolicy"].clone(), errors)
    };
    let single = json!("SingleStack");
    assert_eq!(families(json!({"selector": {"a": "b"}}), "IPv4"), (json!(["IPv4"]), single.clone(), vec![]));
    assert_eq!(families(json!({"selector": {"a": "b"}}), "IPv6"), (json!(["IPv6"]), single, vec![]));
    assert_eq!(
        families(json!({"clusterIP": "None"}), "IPv4"),
        (json!(["IPv4", "IPv6"]), json!("RequireDualStack"), vec![])
    );
    assert_eq!(families(json!({"type": "ExternalName"}), "IPv4"), (Value::Null, Value::Null, vec![]));
    assert_eq!(
        families(json!({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]}), "IPv4").2,
        [
            "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services",
            "spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster",
        ]
    );
}

// proves: AM-33
#[test]
fn what_a_service_may_not_ask_for_is_refused_with_upstreams_words() {
    for (spec, want) in [
        (json!({}), "spec.ports: Required value"),
        (json!({"clusterIP": "None"}), ""),
        (json!({"type": "ExternalName", "externalName": "a.example."}), ""),
        (
            json!({"type": "ExternalName", "clusterIP": "10.0.0.1"}),
            "spec.clusterIPs: Forbidden: may not be set for ExternalName services; spec.externalName: Required value",
        ),
        (
            json!({"type": "Elsewhere", "ports": [{"port": 80}]}),
            "spec.type: Unsupported value: \"Elsewhere\": supported values: \"ClusterIP\", \"ExternalName\", \
             \"LoadBalancer\", \"NodePort\"",
        ),
        (
            json!({"ports": [{"port": 0}, {"port": 80, "name": "a", "protocol": "X", "targetPort": "Web"}]}),
            "spec.ports[0].name: Required value; spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, \
             inclusive; spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive; \
             spec.ports[1].protocol: Unsupported value: \"X\": supported values: \"SCTP\", \"TCP\", \"UDP\"; \
             spec.ports[1].targetPort: Invalid value: \"Web\": must contain only alpha-numeric characters (a-z, 0-9), and \
             hyphens (-)",
        ),
        (
            json!({"ports": [{"port": 80, "nodePort": 30000}]}),
            "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
        ),
        (
            json!({"type": "NodePort", "clusterIP": "None", "ports": [{"port": 80}]}),
            "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services",
        ),
        (
            json!({"clusterIP": "10.0.0.300", "ports": [{"port": 80}]}),
            "spec.clusterIPs[0]: Invalid value: \"10.0.0.300\": must be a valid IP address, (e.g. 10.9.8.7 or \
             2001:db8::ffff)",
        ),
        (
            json!({"ports": [{"port": 80}], "externalTrafficPolicy": "Local", "loadBalancerClass": "a/b",
                "externalIPs": [], "sessionAffinity": "Always", "trafficDistribution": "Near"}),
            "spec.sessionAffinity: Unsupported value: \"Always\": supported values: \"ClientIP\", \"None\"; \
             spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'; \
             spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for externally-accessible services; \
             spec.trafficDistribution: Unsupported value: \"Near\": supported values: \"PreferClose\", \
             \"PreferSameZone\", \"PreferSameNode\"",
        ),
        (
            json!({"ports": [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}]}),
            "spec.ports[1]: Duplicate value: {\"Name\":\"\",\"Protocol\":\"TCP\",\"AppProtocol\":null,\"Port\":80,\"TargetPort\":0,\"NodePort\":0}",
        ),
    ] {
        assert_eq!(errors_of(&Service, service(spec)).join("; "), want);
    }
}

// proves: AM-33
#[test]
fn an_update_keeps_what_was_allocated_and_clears_what_is_no_longer_used() {
    let mut old = plain();
    old["spec"]["type"] = json!("NodePort");
    old["spec"]["ports"] = json!([{"name": "http", "port": 80, "nodePort": 30080}]);
    let old = created(&Service, old);
    let left_out = service(json!({"type": "NodePort", "ports": [{"name": "http", "port": 8080}]}));
    let new = updated(&Service, left_out, &old);
    assert_eq!(new["spec"]["ports"][0]["nodePort"], 30080);
    assert_eq!((&new["spec"]["clusterIP"], &new["spec"]["clusterIPs"]), (&json!("10.96.0.7"), &json!(["10.96.0.7"])));
    let mut inside = old.clone();
    inside["spec"]["type"] = json!("ClusterIP");
    let inside = updated(&Service, inside, &old);
    assert_eq!(inside["spec"]["ports"][0].get("nodePort"), None);
    assert_eq!(inside["spec"].get("externalTrafficPolicy"), None);
    assert_eq!(messages(Service.validate_update(&inside, &old)), [""; 0]);
    let mut named = inside.clone();
    named["spec"]["type"] = json!("ExternalName");
    named["spec"]["externalName"] = json!("a.example");
    let named = updated(&Service, named, &inside);
    assert_eq!((named["spec"].get("clusterIP"), named["spec"].get("clusterIPs")), (None, None));
    assert_eq!(messages(Service.validate_update(&named, &inside)), [""; 0]);
}

// proves: AM-33
#[test]
fn the_address_is_set_once() {
    let old = created(&Service, plain());
    let mut new = old.clone();
    new["spec"]["clusterIP"] = json!("10.96.0.8");
    let new = updated(&Service, new, &old);
    assert_eq!(
        messages(Service.validate_update(&new, &old)),
        ["spec.clusterIPs[0]: Invalid value: [\"10.96.0.8\"]: may not change once set"]
    );
    let refused = |key: &str, value: &str| {
        let mut new = old.clone();
        new["spec"][key] = json!(value);
        messages(Service.validate_update(&updated(&Service, new, &old), &old))
    };
    assert_eq!(
        refused("clusterIP", "x"),
        ["spec.clusterIPs[0]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    );
    assert_eq!(
        refused("type", "x"),
        ["spec.type: Unsupported value: \"x\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \
          \"NodePort\""]
    );
}

// proves: AM-13, AM-30
#[test]
fn a_row_shows_addresses_ports_and_selector() {
    let at = "2026-01-01T05:00:00Z";
    assert_eq!(
        row(&Service, &created(&Service, plain()), at),
        "web | ClusterIP | 10.96.0.7 | <none> | 80/TCP | 5h | app=web"
    );
    let mut balanced = created(
        &Service,
        service(json!({"type": "LoadBalancer", "clusterIP": "10.96.0.9", "ports": [
            {"name": "a", "port": 80, "nodePort": 30080}, {"name": "b", "port": 53, "protocol": "UDP"}]})),
    );
    assert_eq!(
        row(&Service, &balanced, at),
        "web | LoadBalancer | 10.96.0.9 | <pending> | 80:30080/TCP,53/UDP | 5h | <none>"
    );
    balanced["status"]["loadBalancer"]["ingress"] = json!([{"hostname": "lb.example"}, {"ip": "192.0.2.1"}]);
    assert_eq!(row(&Service, &balanced, at).split(" | ").nth(3), Some("192.0.2.1,lb.example"));
    let named = service(json!({"type": "ExternalName", "externalName": "a.example"}));
    assert_eq!(row(&Service, &named, at), "web | ExternalName | <none> | a.example | <none> | 5h | <none>");
    let fields = Service.fields(&created(&Service, plain())).to_vec();
    assert_eq!(fields, [("spec.clusterIP", "10.96.0.7".to_owned()), ("spec.type", "ClusterIP".to_owned())]);
}
