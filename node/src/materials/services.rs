//! Variables that tell containers where services are (upstream: `pkg/kubelet/envvars`). Pure.

use k8s_openapi::api::core::v1::Service;
use std::collections::BTreeMap;

/// The service that every pod sees, and its namespace.
const API_SERVICE: (&str, &str) = ("default", "kubernetes");

/// The variables of the services of this namespace (with `links`) and of the API server's.
pub fn variables(services: &[Service], namespace: &str, links: bool) -> BTreeMap<String, String> {
    let mut seen: BTreeMap<&str, &Service> = BTreeMap::new();
    for service in services {
        let own = service.metadata.namespace.as_deref().unwrap_or_default();
        let name = service.metadata.name.as_deref().unwrap_or_default();
        let is_api = (own, name) == API_SERVICE;
        if own == namespace && links {
            seen.insert(name, service);
        } else if is_api {
            seen.entry(name).or_insert(service);
        }
    }
    let mut variables = BTreeMap::new();
    for (name, service) in seen {
        add(&mut variables, name, service);
    }
    variables
}

fn add(variables: &mut BTreeMap<String, String>, name: &str, service: &Service) {
    let Some(spec) = &service.spec else { return };
    let Some(ip) = spec.cluster_ip.as_deref().filter(|ip| !ip.is_empty() && *ip != "None") else { return };
    let Some(first) = spec.ports.iter().flatten().next() else { return };
    let upper = |text: &str| text.to_uppercase().replace('-', "_");
    let prefix = upper(name);
    variables.insert(format!("{prefix}_SERVICE_HOST"), ip.to_owned());
    variables.insert(format!("{prefix}_SERVICE_PORT"), first.port.to_string());
    let host = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
    for (index, port) in spec.ports.iter().flatten().enumerate() {
        if let Some(port_name) = port.name.as_deref().filter(|name| !name.is_empty()) {
            variables.insert(format!("{prefix}_SERVICE_PORT_{}", upper(port_name)), port.port.to_string());
        }
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let url = format!("{}://{host}:{}", protocol.to_lowercase(), port.port);
        if index == 0 {
            variables.insert(format!("{prefix}_PORT"), url.clone());
        }
        let port_prefix = format!("{prefix}_PORT_{}_{}", port.port, protocol.to_uppercase());
        variables.insert(format!("{port_prefix}_PROTO"), protocol.to_lowercase());
        variables.insert(format!("{port_prefix}_PORT"), port.port.to_string());
        variables.insert(format!("{port_prefix}_ADDR"), ip.to_owned());
        variables.insert(port_prefix, url);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn services_with_an_address_become_variables() {
        let services: Vec<Service> = serde_json::from_value(json!([
            {"metadata": {"name": "kubernetes", "namespace": "default"},
             "spec": {"clusterIP": "10.0.0.1", "ports": [{"port": 443, "name": "https", "protocol": "TCP"}]}},
            {"metadata": {"name": "my-db", "namespace": "a"}, "spec": {"clusterIP": "10.0.0.2", "ports": [{"port": 5}]}},
            {"metadata": {"name": "headless", "namespace": "a"}, "spec": {"clusterIP": "None", "ports": [{"port": 5}]}}
        ]))
        .unwrap();
        let all = variables(&services, "a", true);
        for (name, want) in [
            ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
            ("KUBERNETES_SERVICE_PORT", "443"),
            ("KUBERNETES_SERVICE_PORT_HTTPS", "443"),
            ("KUBERNETES_PORT", "tcp://10.0.0.1:443"),
            ("KUBERNETES_PORT_443_TCP", "tcp://10.0.0.1:443"),
            ("KUBERNETES_PORT_443_TCP_PROTO", "tcp"),
            ("KUBERNETES_PORT_443_TCP_ADDR", "10.0.0.1"),
            ("MY_DB_SERVICE_HOST", "10.0.0.2"),
        ] {
            assert_eq!(all.get(name).map(String::as_str), Some(want), "{name}");
        }
        assert!(!all.contains_key("HEADLESS_SERVICE_HOST"));
        let without = variables(&services, "a", false);
        assert!(without.contains_key("KUBERNETES_SERVICE_HOST") && !without.contains_key("MY_DB_SERVICE_HOST"));
    }
}
