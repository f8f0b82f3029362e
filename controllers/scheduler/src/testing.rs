//! Nodes and pods from a line of text, for tables.

use crate::cache::Cache;
use crate::pod_info::PodInfo;
use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::{Value, json};
use std::sync::Arc;

/// A node from words such as `a cpu=4 memory=8Gi pods=110 taint=key:value:NoSchedule label=zone:z1 cordoned`.
pub(crate) fn node(text: &str) -> Arc<Node> {
    let mut words = text.split_whitespace();
    let name = words.next().unwrap();
    let mut object = json!({"metadata": {"name": name, "labels": {}}, "spec": {"taints": []},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}}});
    for word in words {
        match word.split_once('=') {
            Some(("taint", taint)) => {
                let parts: Vec<&str> = taint.split(':').collect();
                push(&mut object["spec"]["taints"], json!({"key": parts[0], "value": parts[1], "effect": parts[2]}));
            }
            Some(("label", label)) => {
                let (key, value) = label.split_once(':').unwrap();
                object["metadata"]["labels"][key] = json!(value);
            }
            Some((resource, amount)) => object["status"]["allocatable"][resource] = json!(amount),
            None if word == "cordoned" => object["spec"]["unschedulable"] = json!(true),
            None => panic!("what is {word:?}"),
        }
    }
    Arc::new(serde_json::from_value(object).unwrap())
}

/// A pod from words such as `p cpu=1 memory=1Gi priority=5 port=80 gate=g node=a select=zone:z1 tolerate=key:NoSchedule
/// prefer=zone:z1`; its uid is its name.
pub(crate) fn pod(text: &str) -> Arc<PodInfo> {
    let mut words = text.split_whitespace();
    let name = words.next().unwrap();
    let mut object = json!({"metadata": {"name": name, "namespace": "a", "uid": name},
        "spec": {"containers": [{"name": "c", "resources": {"requests": {}}, "ports": []}], "tolerations": []}});
    for word in words {
        let (key, value) = word.split_once('=').unwrap();
        let spec = &mut object["spec"];
        match key {
            "priority" => spec["priority"] = json!(value.parse::<i32>().unwrap()),
            "port" => {
                let port = value.parse::<i32>().unwrap();
                push(&mut spec["containers"][0]["ports"], json!({"containerPort": port, "hostPort": port}));
            }
            "gate" => spec["schedulingGates"] = json!([{"name": value}]),
            "node" => spec["nodeName"] = json!(value),
            "select" => {
                let (key, value) = value.split_once(':').unwrap();
                spec["nodeSelector"] = json!({ key: value });
            }
            "prefer" => {
                let (key, value) = value.split_once(':').unwrap();
                spec["affinity"] = json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 10, "preference": {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]}}]}});
            }
            "tolerate" => {
                let (key, effect) = value.split_once(':').unwrap();
                push(&mut spec["tolerations"], json!({"key": key, "operator": "Exists", "effect": effect}));
            }
            "spec" => {
                let extra: Value = serde_json::from_str(value).unwrap();
                spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            }
            resource => spec["containers"][0]["resources"]["requests"][resource] = json!(value),
        }
    }
    let pod: Pod = serde_json::from_value(object).unwrap();
    Arc::new(PodInfo::new(Arc::new(pod)))
}

/// A cache with these nodes and running pods.
pub(crate) fn cluster(nodes: &[&str], pods: &[&str]) -> Cache {
    let mut cache = Cache::default();
    nodes.iter().for_each(|text| cache.set_node(node(text)));
    pods.iter().for_each(|text| cache.confirm(pod(text)));
    cache
}

fn push(list: &mut Value, item: Value) {
    list.as_array_mut().unwrap().push(item);
}
