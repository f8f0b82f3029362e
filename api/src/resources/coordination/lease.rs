//! Lease: who holds something, and since when. Nodes and elected leaders renew theirs all the time.

use crate::registry::strategy::{ALL_VERBS, Column, Cx, KindInfo, NameRule, Strategy};
use crate::resources::cells;
use crate::resources::check;
use crate::resources::value::{child, has, int, name, remove, text};
use api_machinery::field::{Error, ErrorList, Path};
use jiff::Timestamp;
use serde_json::Value;

static INFO: KindInfo = KindInfo {
    group: "coordination.k8s.io",
    version: "v1",
    kind: "Lease",
    resource: "leases",
    singular: "lease",
    short_names: &[],
    categories: &[],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[],
    name_rule: NameRule::Subdomain,
    stored: true,
};

/// Fields of coordinated leader election.
const COORDINATED: [&str; 2] = ["strategy", "preferredHolder"];

/// The strategy of Leases.
#[derive(Debug)]
pub struct Lease;

impl Strategy for Lease {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    fn default(&self, object: &mut Value) {
        child(object, "spec");
    }

    /// Coordinated leader election is off, as upstream has it by default: what belongs to it is dropped without a word.
    fn prepare_for_create(&self, _cx: &Cx<'_>, object: &mut Value) {
        if let Some(spec) = child(object, "spec") {
            COORDINATED.iter().for_each(|key| remove(spec, key));
        }
    }

    fn prepare_for_update(&self, _cx: &Cx<'_>, new: &mut Value, old: &Value) {
        if let Some(spec) = child(new, "spec") {
            COORDINATED.iter().filter(|key| !has(&old["spec"], key)).for_each(|key| remove(spec, key));
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let (spec, path) = (&object["spec"], Path::root("spec"));
        if let Some(seconds) = int(spec, "leaseDurationSeconds")
            && seconds <= 0
        {
            errors.push(Error::invalid(&path.child("leaseDurationSeconds"), seconds, "must be greater than 0"));
        }
        let transitions = int(spec, "leaseTransitions").unwrap_or(0);
        check::not_negative(transitions, &path.child("leaseTransitions"), &mut errors);
        if !text(spec, "preferredHolder").is_empty() && text(spec, "strategy").is_empty() {
            let text = "may only be specified when `strategy` is defined";
            errors.push(Error::forbidden(&path.child("preferredHolder"), text));
        }
        errors
    }

    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[Column::NAME, Column::new("Holder", "string"), Column::AGE];
        COLUMNS
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        vec![name(object).into(), text(&object["spec"], "holderIdentity").into(), cells::age(object, now)]
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::testing::{created, messages, updated};
    use serde_json::json;

    // proves: AM-33
    #[test]
    fn durations_are_positive_and_transitions_counted() {
        let lease = |spec: Value| json!({"metadata": {"name": "a", "namespace": "b"}, "spec": spec});
        assert_eq!(messages(Lease.validate(&lease(json!({"leaseDurationSeconds": 15})))), [""; 0]);
        let bad = lease(json!({"leaseDurationSeconds": 0, "leaseTransitions": -1, "preferredHolder": "x"}));
        assert_eq!(
            messages(Lease.validate(&bad)),
            [
                "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
                "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
                "spec.preferredHolder: Forbidden: may only be specified when `strategy` is defined",
            ]
        );
    }

    #[test]
    fn what_belongs_to_coordinated_election_is_dropped_unless_it_is_there() {
        let coordinated = json!({"spec": {"strategy": "OldestEmulationVersion", "preferredHolder": "x"}});
        assert_eq!(created(&Lease, coordinated.clone())["spec"], json!({}));
        let old = json!({"spec": {"strategy": "OldestEmulationVersion"}});
        let new = updated(&Lease, coordinated, &old);
        assert_eq!(new["spec"], json!({"strategy": "OldestEmulationVersion"}));
    }

    // proves: AM-30
    #[test]
    fn a_row_shows_the_holder() {
        let now: Timestamp = "2026-01-01T03:00:00Z".parse().unwrap();
        let lease = json!({
            "metadata": {"name": "n", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"holderIdentity": "node-1"},
        });
        assert_eq!(Lease.row(&lease, now), [json!("n"), json!("node-1"), json!("3h")]);
    }
}
