//! What a pod asks for and may use as a whole (upstream: `PodRequests` and `PodLimits` of `component-helpers/resource`).

use crate::pods::observed::is_sidecar;
use crate::quantity;
use k8s_openapi::api::core::v1::{PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

type List = BTreeMap<String, Quantity>;

/// Amounts by resource: thousandths, and a text in the form that sums take.
type Amounts = BTreeMap<String, (i128, String)>;

/// `resources` and `allocatedResources` of a pod's status; what is empty is left out.
pub(super) fn of_pod(spec: &PodSpec) -> (Value, Option<Value>) {
    let requests = total(spec, |resources| resources.requests.as_ref());
    let limits = total(spec, |resources| resources.limits.as_ref());
    let mut resources = Map::new();
    for (name, amounts) in [("limits", &limits), ("requests", &requests)] {
        if !amounts.is_empty() {
            resources.insert(name.into(), shown(amounts));
        }
    }
    (Value::Object(resources), Some(&requests).filter(|requests| !requests.is_empty()).map(shown))
}

/// Containers that run together add up, those that prepare are counted beside the sidecars before them; what is said of
/// the pod as a whole comes before both.
fn total(spec: &PodSpec, list: impl Fn(&ResourceRequirements) -> Option<&List>) -> Amounts {
    let of = |resources: Option<&ResourceRequirements>| read(resources.and_then(&list));
    let mut sum = Amounts::new();
    spec.containers.iter().for_each(|container| add(&mut sum, &of(container.resources.as_ref())));
    let (mut sidecars, mut peak) = (Amounts::new(), Amounts::new());
    for container in spec.init_containers.iter().flatten() {
        let mut own = of(container.resources.as_ref());
        if is_sidecar(container) {
            add(&mut sum, &own);
            add(&mut sidecars, &own);
            own = sidecars.clone();
        } else {
            add(&mut own, &sidecars);
        }
        at_least(&mut peak, &own);
    }
    at_least(&mut sum, &peak);
    sum.extend(of(spec.resources.as_ref()));
    add(&mut sum, &read(spec.overhead.as_ref()));
    sum
}

fn read(list: Option<&List>) -> Amounts {
    let amounts = list.into_iter().flatten();
    amounts.filter_map(|(name, amount)| Some((name.clone(), (quantity::milli(&amount.0)?, amount.0.clone())))).collect()
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, (amount, like)) in more {
        let own = sum.entry(name.clone()).or_insert_with(|| (0, like.clone()));
        if own.0 == 0 {
            own.1.clone_from(like);
        }
        own.0 += amount;
    }
}

fn at_least(amounts: &mut Amounts, other: &Amounts) {
    for (name, wanted) in other {
        let own = amounts.entry(name.clone()).or_insert_with(|| wanted.clone());
        if own.0 < wanted.0 {
            own.clone_from(wanted);
        }
    }
}

fn shown(amounts: &Amounts) -> Value {
    let text = |(amount, like): &(i128, String)| match amount % 1000 {
        0 => quantity::format(amount / 1000, like),
        _ => format!("{amount}m"),
    };
    json!(amounts.iter().map(|(name, amount)| (name, text(amount))).collect::<BTreeMap<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(spec: Value, resources: Value, allocated: Value) {
        let told = of_pod(&serde_json::from_value(spec.clone()).unwrap());
        assert_eq!((told.0, told.1.unwrap_or(Value::Null)), (resources, allocated), "{spec}");
    }

    #[test]
    fn a_pod_is_told_what_its_containers_ask_for_together() {
        check(json!({"containers": [{"name": "a"}]}), json!({}), Value::Null);
        let a = json!({"requests": {"cpu": "10m", "memory": "1Mi"}, "limits": {"cpu": "20m", "memory": "2Mi"}});
        let b = json!({"requests": {"cpu": "10m", "memory": "3Mi"}, "limits": {"cpu": "1980m"}});
        check(
            json!({"containers": [{"name": "a", "resources": a}, {"name": "b", "resources": b}]}),
            json!({"limits": {"cpu": "2", "memory": "2Mi"}, "requests": {"cpu": "20m", "memory": "4Mi"}}),
            json!({"cpu": "20m", "memory": "4Mi"}),
        );
        let first = json!({"requests": {"cpu": "50m", "memory": "512Ki"}, "limits": {"cpu": "60m"}});
        let containers = json!([{"name": "a", "resources": a}]);
        check(
            json!({"initContainers": [{"name": "i", "resources": first}], "containers": containers}),
            json!({"limits": {"cpu": "60m", "memory": "2Mi"}, "requests": {"cpu": "50m", "memory": "1Mi"}}),
            json!({"cpu": "50m", "memory": "1Mi"}),
        );
        check(
            json!({"initContainers": [{"name": "s", "restartPolicy": "Always", "resources": first}, {"name": "i", "resources": first}],
                "containers": containers}),
            json!({"limits": {"cpu": "120m", "memory": "2Mi"}, "requests": {"cpu": "100m", "memory": "1536Ki"}}),
            json!({"cpu": "100m", "memory": "1536Ki"}),
        );
        check(
            json!({"resources": {"requests": {"cpu": "1"}}, "containers": containers}),
            json!({"limits": {"cpu": "20m", "memory": "2Mi"}, "requests": {"cpu": "1", "memory": "1Mi"}}),
            json!({"cpu": "1", "memory": "1Mi"}),
        );
    }
}
