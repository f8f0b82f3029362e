//! The quality-of-service class of a pod: how its requests and limits of CPU and memory relate.

use crate::resources::value::{list, pairs, quantity};
use serde_json::Value;
use std::collections::BTreeMap;

/// `Guaranteed`, `Burstable` or `BestEffort`.
pub(super) fn class(spec: &Value) -> &'static str {
    let mut requests = BTreeMap::new();
    let mut limits = BTreeMap::new();
    let mut guaranteed = true;
    let whole_pod = spec.get("resources").filter(|resources| resources.as_object().is_some_and(|map| !map.is_empty()));
    let each = list(spec, "containers").iter().chain(list(spec, "initContainers")).map(|each| &each["resources"]);
    let resources: Vec<&Value> = match whole_pod {
        Some(resources) => vec![resources],
        None => each.collect(),
    };
    for resources in resources {
        add(resources, "requests", &mut requests);
        guaranteed &= add(resources, "limits", &mut limits) == 2;
    }
    if requests.is_empty() && limits.is_empty() {
        "BestEffort"
    } else if guaranteed && requests == limits {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

/// Adds the amounts of CPU and memory that are not zero, in thousandths; says how many there were.
fn add<'a>(resources: &'a Value, key: &str, sums: &mut BTreeMap<&'a str, i64>) -> usize {
    let mut found = 0;
    for (name, amount) in pairs(resources, key) {
        let amount = quantity(amount).map_or(0, |amount| amount.milli_value());
        if matches!(name, "cpu" | "memory") && amount > 0 {
            found += 1;
            let sum: &mut i64 = sums.entry(name).or_default();
            *sum = sum.saturating_add(amount);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::class;
    use serde_json::json;

    // proves: AM-33
    #[test]
    fn the_class_follows_requests_and_limits_of_cpu_and_memory() {
        let with = |resources: serde_json::Value| json!({"containers": [{"name": "a", "resources": resources}]});
        let full = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1Gi"}});
        for (spec, want) in [
            (with(json!({})), "BestEffort"),
            (with(json!({"requests": {"example.com/gpu": "1"}})), "BestEffort"),
            (with(json!({"requests": {"cpu": "0"}})), "BestEffort"),
            (with(json!({"requests": {"cpu": "1m"}})), "Burstable"),
            (with(full.clone()), "Guaranteed"),
            (with(json!({"limits": {"cpu": "1"}, "requests": {"cpu": "1"}})), "Burstable"),
            (json!({"containers": [{"resources": full}, {"resources": {}}]}), "Burstable"),
        ] {
            assert_eq!(class(&spec), want, "{spec}");
        }
    }
}
