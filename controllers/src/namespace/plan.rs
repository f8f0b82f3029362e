//! What the conditions of a namespace on its way out say. Pure (upstream: `status_condition_utils.go`).

use jiff::Timestamp;
use k8s_openapi::api::core::v1::NamespaceCondition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeMap;

/// What one pass over a namespace found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Why the kinds could not be found out.
    pub discovery: Option<String>,
    /// Why objects could not be deleted.
    pub deletion: Vec<String>,
    /// Objects left, by `RESOURCE.GROUP`.
    pub remaining: BTreeMap<String, usize>,
    /// Objects left that a finalizer keeps, by finalizer.
    pub finalizers: BTreeMap<String, usize>,
}

impl Findings {
    /// Whether the namespace may go: everything was looked at and nothing is left.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Type; reason and message where it is true; reason and message where it is not.
type Row = (&'static str, Option<(&'static str, String)>, (&'static str, &'static str));

/// The conditions after a pass, or `None` if they say so already. Conditions of other types are kept.
pub fn conditions(
    before: &[NamespaceCondition],
    findings: &Findings,
    now: Timestamp,
) -> Option<Vec<NamespaceCondition>> {
    let mut after = before.to_vec();
    for (type_, trouble, (fine_reason, fine_message)) in rows(findings) {
        let (status, reason, message) = match trouble {
            Some((reason, message)) => ("True", reason, message),
            None => ("False", fine_reason, fine_message.to_owned()),
        };
        let fresh = NamespaceCondition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message),
            last_transition_time: Some(Time(now)),
        };
        let says = |one: &NamespaceCondition| (one.status.clone(), one.reason.clone(), one.message.clone());
        match after.iter_mut().find(|condition| condition.type_ == type_) {
            None => after.push(fresh),
            Some(old) if says(old) == says(&fresh) => {}
            Some(old) => *old = fresh,
        }
    }
    (after != before).then_some(after)
}

fn rows(findings: &Findings) -> [Row; 5] {
    let listed = |counts: &BTreeMap<String, usize>, word: &str| {
        let parts = counts.iter().map(|(what, count)| format!("{what} {word} {count} resource instances"));
        parts.collect::<Vec<_>>().join(", ")
    };
    let failed = || {
        let mut errors = findings.deletion.clone();
        errors.sort();
        format!("Failed to delete all resource types, {} remaining: {}", errors.len(), errors.join(", "))
    };
    [
        (
            "NamespaceDeletionDiscoveryFailure",
            findings.discovery.clone().map(|error| ("DiscoveryFailed", error)),
            ("ResourcesDiscovered", "All resources successfully discovered"),
        ),
        (
            // Names that a server tells of its own groups are never malformed.
            "NamespaceDeletionGroupVersionParsingFailure",
            None,
            ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
        ),
        (
            "NamespaceDeletionContentFailure",
            (!findings.deletion.is_empty()).then(|| ("ContentDeletionFailed", failed())),
            ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
        ),
        (
            "NamespaceContentRemaining",
            (!findings.remaining.is_empty()).then(|| {
                ("SomeResourcesRemain", format!("Some resources are remaining: {}", listed(&findings.remaining, "has")))
            }),
            ("ContentRemoved", "All content successfully removed"),
        ),
        (
            "NamespaceFinalizersRemaining",
            (!findings.finalizers.is_empty()).then(|| {
                let list = listed(&findings.finalizers, "in");
                ("SomeFinalizersRemain", format!("Some content in the namespace has finalizers remaining: {list}"))
            }),
            ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(conditions: &[NamespaceCondition]) -> Vec<String> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        conditions
            .iter()
            .map(|one| format!("{} {} {}: {}", one.type_, one.status, text(&one.reason), text(&one.message)))
            .collect()
    }

    // proves: CT-10
    #[test]
    fn what_remains_is_told_in_upstreams_words() {
        let findings = Findings {
            deletion: vec!["b".into(), "a".into()],
            remaining: [("configmaps.".to_owned(), 1), ("deployments.apps".to_owned(), 2)].into(),
            finalizers: [("example.com/keep".to_owned(), 1)].into(),
            ..Findings::default()
        };
        let first = conditions(&[], &findings, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(
            texts(&first),
            [
                "NamespaceDeletionDiscoveryFailure False ResourcesDiscovered: All resources successfully discovered",
                "NamespaceDeletionGroupVersionParsingFailure False ParsedGroupVersions: All legacy kube types successfully parsed",
                "NamespaceDeletionContentFailure True ContentDeletionFailed: Failed to delete all resource types, 2 remaining: a, b",
                "NamespaceContentRemaining True SomeResourcesRemain: Some resources are remaining: configmaps. has 1 resource instances, deployments.apps has 2 resource instances",
                "NamespaceFinalizersRemaining True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/keep in 1 resource instances",
            ]
        );
        assert_eq!(conditions(&first, &findings, "2026-01-01T00:00:00Z".parse().unwrap()), None, "nothing new");
        let failed = Findings { discovery: Some("no answer".into()), ..Findings::default() };
        let second = conditions(&first, &failed, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(texts(&second)[0], "NamespaceDeletionDiscoveryFailure True DiscoveryFailed: no answer");
        assert_eq!(
            texts(&second)[3],
            "NamespaceContentRemaining False ContentRemoved: All content successfully removed"
        );
    }
}
