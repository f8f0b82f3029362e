//! Columns of services.

use crate::registry::strategy::Column;
use crate::resources::cells;
use crate::resources::value::{int, list, name, text, texts};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::new("Type", "string"),
    Column::new("Cluster-IP", "string"),
    Column::new("External-IP", "string"),
    Column::new("Port(s)", "string"),
    Column::AGE,
    Column::wide("Selector", "string"),
];

pub(super) fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let address = match texts(spec, "clusterIPs").next() {
        Some(first) => first,
        None => text(spec, "clusterIP"),
    };
    vec![
        name(object).into(),
        text(spec, "type").into(),
        cells::or_none(address.to_owned()).into(),
        external_addresses(object).into(),
        ports(spec).into(),
        cells::age(object, now),
        cells::labels(spec, "selector").into(),
    ]
}

fn external_addresses(object: &Value) -> String {
    let spec = &object["spec"];
    let given: Vec<&str> = texts(spec, "externalIPs").collect();
    match text(spec, "type") {
        "ClusterIP" | "NodePort" => cells::or_none(given.join(",")),
        "LoadBalancer" => {
            let ingress: BTreeSet<&str> = list(&object["status"]["loadBalancer"], "ingress")
                .iter()
                .map(|ingress| match text(ingress, "ip") {
                    "" => text(ingress, "hostname"),
                    ip => ip,
                })
                .filter(|address| !address.is_empty())
                .collect();
            let all: Vec<&str> = ingress.into_iter().chain(given).collect();
            cells::or(all.join(","), "<pending>")
        }
        "ExternalName" => text(spec, "externalName").to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

fn ports(spec: &Value) -> String {
    let parts: Vec<String> = list(spec, "ports")
        .iter()
        .map(|port| {
            let (number, protocol) = (int(port, "port").unwrap_or(0), text(port, "protocol"));
            match int(port, "nodePort") {
                Some(node @ 1..) => format!("{number}:{node}/{protocol}"),
                _ => format!("{number}/{protocol}"),
            }
        })
        .collect();
    cells::or_none(parts.join(","))
}
