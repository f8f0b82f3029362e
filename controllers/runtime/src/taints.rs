//! Taints and tolerations, as the scheduler and the node lifecycle read them.

use k8s_openapi::api::core::v1::{Taint, Toleration};

/// Whether a toleration accepts a taint (upstream: `Toleration.ToleratesTaint`).
pub fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let differs = |own: &Option<String>, other: &str| own.as_deref().is_some_and(|own| !own.is_empty() && own != other);
    if differs(&toleration.effect, &taint.effect) || differs(&toleration.key, &taint.key) {
        return false;
    }
    let taint_value = taint.value.as_deref().unwrap_or_default();
    let value = toleration.value.as_deref().unwrap_or_default();
    let numbers = || Some((taint_value.parse::<i64>().ok()?, value.parse::<i64>().ok()?));
    match toleration.operator.as_deref().unwrap_or_default() {
        "" | "Equal" => value == taint_value,
        "Exists" => true,
        "Lt" => numbers().is_some_and(|(taint, bound)| taint < bound),
        "Gt" => numbers().is_some_and(|(taint, bound)| taint > bound),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_toleration_accepts_by_effect_key_and_value() {
        let taint = Taint {
            key: "k".to_owned(),
            value: Some("5".to_owned()),
            effect: "NoExecute".to_owned(),
            time_added: None,
        };
        for (toleration, expected) in [
            (json!({"operator": "Exists"}), true),
            (json!({"key": "k", "value": "5"}), true),
            (json!({"key": "k", "operator": "Equal", "value": "6"}), false),
            (json!({"key": "other", "operator": "Exists"}), false),
            (json!({"key": "k", "operator": "Exists", "effect": "NoSchedule"}), false),
            (json!({"key": "k", "operator": "Lt", "value": "6"}), true),
            (json!({"key": "k", "operator": "Gt", "value": "6"}), false),
            (json!({"key": "k", "operator": "Gt", "value": "x"}), false),
        ] {
            let toleration: Toleration = serde_json::from_value(toleration).unwrap();
            assert_eq!(tolerates(&toleration, &taint), expected, "{toleration:?}");
        }
    }
}
