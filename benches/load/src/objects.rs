//! The objects that the generators write.

use bytes::Bytes;
use serde_json::{Value, json};

/// A ConfigMap whose values hold `value_bytes`.
pub(crate) fn config_map(name: &str, value_bytes: usize) -> Bytes {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name },
        "data": { "value": "x".repeat(value_bytes) },
    });
    Bytes::from(object.to_string())
}

/// A pod as deployments make them, about 3.7 KB as served. The scheduler is told to leave it alone, so that its work is
/// not counted as the create's.
pub(crate) fn pod(name: &str) -> Bytes {
    let container = |role: &str, port: u16| {
        json!({
            "name": role, "image": format!("registry.example.com/shop/{role}:1.42.0"),
            "args": ["--listen", format!("0.0.0.0:{port}"), "--log-level", "info"],
            "ports": [{ "name": "http", "containerPort": port }],
            "env": environment(role),
            "resources": {
                "requests": { "cpu": "100m", "memory": "128Mi" }, "limits": { "cpu": "500m", "memory": "256Mi" },
            },
            "readinessProbe": { "httpGet": { "path": "/ready", "port": "http" }, "periodSeconds": 5 },
            "livenessProbe": { "httpGet": { "path": "/live", "port": "http" }, "initialDelaySeconds": 10 },
            "volumeMounts": [{ "name": "config", "mountPath": "/etc/shop" }],
        })
    };
    let object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": { "app": "shop", "tier": "frontend", "pod-template-hash": "5d4f8c7b9" },
            "annotations": { "prometheus.io/scrape": "true", "prometheus.io/port": "8080" },
        },
        "spec": {
            "schedulerName": "nobody",
            "containers": [container("server", 8080), container("sidecar", 9090)],
            "volumes": [{ "name": "config", "configMap": { "name": "shop" } }],
        },
    });
    Bytes::from(object.to_string())
}

/// A small pod that the scheduler is to place.
pub(crate) fn plain_pod(name: &str) -> Bytes {
    let requests = json!({ "cpu": "10m", "memory": "10Mi" });
    let object = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "labels": { "app": "plain" } },
        "spec": { "containers": [{ "name": "c", "image": "plain", "resources": { "requests": requests } }] },
    });
    Bytes::from(object.to_string())
}

/// A node that is ready and has room for 110 pods.
pub(crate) fn node(name: &str) -> Bytes {
    let room = json!({ "cpu": "32", "memory": "64Gi", "pods": "110" });
    let object = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": { "name": name },
        "status": { "capacity": room, "allocatable": room, "conditions": [{ "type": "Ready", "status": "True" }] },
    });
    Bytes::from(object.to_string())
}

fn environment(role: &str) -> Vec<Value> {
    let plain = (0..3).map(|at| json!({ "name": format!("SETTING_{at}"), "value": format!("{role}-value-{at}") }));
    let field = json!({ "name": "POD_NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } });
    plain.chain([field]).collect()
}
