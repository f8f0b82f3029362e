//! ClusterRoles that collect the rules of others by label (upstream: `pkg/controller/clusterroleaggregation`).

use crate::Context;
use crate::objects::{name, selects};
use controllers_runtime::worker::{self, Next};
use controllers_runtime::{Key, Queue};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::sync::Arc;

const NAME: &str = "clusterrole-aggregation-controller";
/// Roles reconciled at a time (upstream: 5).
const WORKERS: usize = 5;

/// Starts the controller.
pub fn start(context: &Context) {
    let queue: Queue<Key> = Queue::new("clusterrole-aggregation");
    let (keys, informers) = (queue.clone(), context.informers.clone());
    // A change of any role may matter to every role that collects.
    context.informers.cluster_roles.on_change(move |_| {
        let collecting =
            informers.cluster_roles.index().list().into_iter().filter(|role| role.aggregation_rule.is_some());
        collecting.for_each(|role| keys.add(Key::of(role.as_ref())));
    });
    let (client, informers) = ((context.client_for)(NAME), context.informers.clone());
    worker::start(&queue, WORKERS, &context.supervisor, move |key| {
        let (client, informers) = (client.clone(), informers.clone());
        async move {
            let index = informers.cluster_roles.index();
            let Some(role) = index.get(&key) else { return Ok(Next::Wait) };
            let Some(rules) = plan(&role, &index.list()) else { return Ok(Next::Wait) };
            let patch = json!({ "metadata": { "resourceVersion": role.metadata.resource_version }, "rules": rules });
            let roles: Api<ClusterRole> = Api::all(client);
            match roles.patch(&key.name, &PatchParams::default(), &Patch::Merge(patch)).await {
                Ok(_) => Ok(Next::Wait),
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(Next::Wait),
                Err(error) => Err(error),
            }
        }
    });
}

/// The rules that the role should have, if they differ from those it has.
fn plan(role: &ClusterRole, roles: &[Arc<ClusterRole>]) -> Option<Vec<PolicyRule>> {
    let selectors = role.aggregation_rule.as_ref()?.cluster_role_selectors.as_deref().unwrap_or_default();
    let mut rules: Vec<PolicyRule> = Vec::new();
    for selector in selectors {
        let mut chosen: Vec<_> =
            roles.iter().filter(|other| selects(Some(selector), other.metadata.labels.as_ref())).collect();
        chosen.sort_by_key(|other| name(&other.metadata));
        for other in chosen.into_iter().filter(|other| other.metadata.name != role.metadata.name) {
            for rule in other.rules.iter().flatten() {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
    }
    (role.rules.as_deref().unwrap_or_default() != rules).then_some(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: CT-26
    #[test]
    fn a_role_collects_the_rules_of_the_roles_it_selects() {
        let role = |value| Arc::new(serde_json::from_value::<ClusterRole>(value).unwrap());
        let part = |name: &str, verb: &str| {
            role(
                json!({"metadata": {"name": name, "labels": {"to": "x"}}, "rules": [{"verbs": [verb], "resources": ["pods"]}]}),
            )
        };
        let whole = json!({"metadata": {"name": "whole"}, "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "x"}}]}});
        let roles = [part("b", "list"), part("a", "get"), part("c", "get"), role(whole.clone())];
        let rules = plan(&roles[3], &roles).unwrap();
        assert_eq!(rules.iter().map(|rule| rule.verbs[0].as_str()).collect::<Vec<_>>(), ["get", "list"]);
        let mut done = whole;
        done["rules"] = serde_json::to_value(rules).unwrap();
        assert_eq!(plan(&role(done), &roles), None);
        assert_eq!(plan(&roles[0], &roles), None, "a role without a rule of aggregation is left alone");
    }
}
