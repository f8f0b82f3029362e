//! What a service asks for that has no effect, or is on its way out.

use crate::resources::value::{annotation, list, text};
use serde_json::Value;

const TOPOLOGY_HINTS: &str = "service.kubernetes.io/topology-aware-hints";

/// Upstream's warnings, in its order; those about unusual ways to write addresses are not here.
pub(super) fn of_service(service: &Value) -> Vec<String> {
    let spec = &service["spec"];
    let kind = text(spec, "type");
    let headless = kind == "ClusterIP" && text(spec, "clusterIP") == "None";
    let external_addresses = !list(spec, "externalIPs").is_empty();
    let cases = [
        (
            annotation(service, TOPOLOGY_HINTS).is_some(),
            "annotation service.kubernetes.io/topology-aware-hints is deprecated, please use \
             service.kubernetes.io/topology-mode instead",
        ),
        (headless && !text(spec, "loadBalancerIP").is_empty(), "spec.loadBalancerIP is ignored for headless services"),
        (headless && external_addresses, "spec.externalIPs is ignored for headless services"),
        (
            headless && !matches!(text(spec, "sessionAffinity"), "" | "None"),
            "spec.SessionAffinity is ignored for headless services",
        ),
        (
            external_addresses && !headless && kind != "ExternalName",
            "spec.externalIPs is deprecated and may no longer be implemented in some clusters",
        ),
        (
            kind == "ExternalName" && external_addresses,
            "spec.externalIPs is ignored when spec.type is \"ExternalName\"",
        ),
        (
            kind != "ExternalName" && !text(spec, "externalName").is_empty(),
            "spec.externalName is ignored when spec.type is not \"ExternalName\"",
        ),
        (
            text(spec, "trafficDistribution") == "PreferClose",
            "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"",
        ),
    ];
    cases.iter().filter(|(holds, _)| *holds).map(|(_, text)| (*text).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::of_service;
    use serde_json::json;

    #[test]
    fn what_has_no_effect_is_told() {
        let of = |spec| of_service(&json!({ "spec": spec }));
        assert_eq!(of(json!({"type": "ClusterIP", "clusterIP": "None", "sessionAffinity": "None"})), [""; 0]);
        assert_eq!(
            of(
                json!({"type": "ClusterIP", "clusterIP": "None", "sessionAffinity": "ClientIP", "externalIPs": ["1.2.3.4"]})
            ),
            [
                "spec.externalIPs is ignored for headless services",
                "spec.SessionAffinity is ignored for headless services",
            ]
        );
        assert_eq!(
            of(json!({"type": "ClusterIP", "externalName": "a.b", "trafficDistribution": "PreferClose"})),
            [
                "spec.externalName is ignored when spec.type is not \"ExternalName\"",
                "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"",
            ]
        );
    }
}
