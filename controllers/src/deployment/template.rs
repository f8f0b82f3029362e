//! Which ReplicaSet carries the current template, and the bookkeeping of revisions.

use super::numbers::{DESIRED_REPLICAS, MAX_REPLICAS, max_surge, replicas};
use crate::objects::{Labels, annotation, controller_reference, created, name};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, ReplicaSetSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::sync::Arc;

/// Label that keeps the pods of two templates apart.
pub const POD_TEMPLATE_HASH: &str = "pod-template-hash";
/// Annotation with the number of a rollout.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
/// Annotation with the numbers that a template had before it came back.
pub const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";

/// Annotations that a ReplicaSet does not take over from its Deployment.
const NOT_COPIED: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
];

/// Letters of names that upstream generates: no vowels, nothing that looks like another.
const SAFE_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The set with the Deployment's template (the oldest, if there are several) and the others.
pub fn split(deployment: &Deployment, sets: &[Arc<ReplicaSet>]) -> (Option<Arc<ReplicaSet>>, Vec<Arc<ReplicaSet>>) {
    let mut sorted = sets.to_vec();
    sorted.sort_by(|left, right| {
        (created(&left.metadata), name(&left.metadata)).cmp(&(created(&right.metadata), name(&right.metadata)))
    });
    let wanted = without_hash(template(deployment));
    let new = sorted.iter().find(|set| set_template(set).map(without_hash) == Some(wanted.clone())).cloned();
    let new_name = new.as_ref().map(|set| set.metadata.name.clone());
    let old = sorted.into_iter().filter(|set| Some(&set.metadata.name) != new_name.as_ref()).collect();
    (new, old)
}

/// A set for the Deployment's template, asking for `set_replicas`.
pub fn new_set(deployment: &Deployment, revision: i64, set_replicas: i32) -> ReplicaSet {
    let spec = deployment.spec.clone();
    let collisions = deployment.status.as_ref().and_then(|status| status.collision_count).unwrap_or(0);
    let hash = hash(template(deployment), collisions);
    let mut template = spec.template;
    let metadata = template.metadata.get_or_insert_default();
    metadata.labels.get_or_insert_default().insert(POD_TEMPLATE_HASH.to_owned(), hash.clone());
    let labels: Option<Labels> = metadata.labels.clone();
    let mut selector = spec.selector;
    selector.match_labels.get_or_insert_default().insert(POD_TEMPLATE_HASH.to_owned(), hash.clone());
    let mut annotations = copied_annotations(deployment);
    annotations.insert(REVISION.to_owned(), revision.to_string());
    annotations.extend(scale_annotations(deployment));
    ReplicaSet {
        metadata: ObjectMeta {
            name: Some(format!("{}-{hash}", name(&deployment.metadata))),
            namespace: deployment.metadata.namespace.clone(),
            labels,
            annotations: Some(annotations),
            owner_references: Some(vec![controller_reference(deployment)]),
            ..ObjectMeta::default()
        },
        spec: ReplicaSetSpec {
            min_ready_seconds: spec.min_ready_seconds,
            replicas: Some(set_replicas),
            selector,
            template: Some(template),
        },
        status: None,
    }
}

/// The annotations that a set should have for this revision, if they differ from those it has.
pub fn set_annotations(deployment: &Deployment, set: &ReplicaSet, revision: i64) -> Option<Labels> {
    let mut wanted = set.metadata.annotations.clone().unwrap_or_default();
    wanted.extend(copied_annotations(deployment));
    let old = self::revision(&set.metadata);
    if old < revision {
        if old > 0 {
            let history = annotation(&set.metadata, REVISION_HISTORY).unwrap_or_default();
            let mut numbers: Vec<String> =
                history.split(',').filter(|entry| !entry.is_empty()).map(str::to_owned).collect();
            if !numbers.contains(&old.to_string()) {
                numbers.push(old.to_string());
            }
            wanted.insert(REVISION_HISTORY.to_owned(), numbers.join(","));
        }
        wanted.insert(REVISION.to_owned(), revision.to_string());
    }
    Some(wanted).filter(|wanted| Some(wanted) != set.metadata.annotations.as_ref())
}

/// The two annotations that say for which size of the Deployment a set was scaled.
pub fn scale_annotations(deployment: &Deployment) -> Labels {
    let desired = replicas(deployment);
    [
        (DESIRED_REPLICAS.to_owned(), desired.to_string()),
        (MAX_REPLICAS.to_owned(), (desired + max_surge(deployment)).to_string()),
    ]
    .into()
}

/// The number of the rollout; 0 without one.
pub fn revision(meta: &ObjectMeta) -> i64 {
    annotation(meta, REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The highest number among sets.
pub fn max_revision(sets: &[Arc<ReplicaSet>]) -> i64 {
    sets.iter().map(|set| revision(&set.metadata)).max().unwrap_or(0)
}

/// The suffix of a set's name: a hash of the template, made of letters that spell nothing.
pub fn hash(template: &PodTemplateSpec, collisions: i32) -> String {
    const OFFSET: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let mut text = serde_json::to_vec(template).expect("a template has string keys only");
    if collisions > 0 {
        text.extend(collisions.to_le_bytes());
    }
    let sum = text.iter().fold(OFFSET, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(PRIME));
    let letter = |digit: u8| char::from(SAFE_LETTERS[usize::from(digit) % SAFE_LETTERS.len()]);
    sum.to_string().bytes().map(letter).collect()
}

fn template(deployment: &Deployment) -> &PodTemplateSpec {
    &deployment.spec.template
}

fn set_template(set: &ReplicaSet) -> Option<&PodTemplateSpec> {
    set.spec.template.as_ref()
}

fn without_hash(template: &PodTemplateSpec) -> PodTemplateSpec {
    let mut template = template.clone();
    if let Some(labels) = template.metadata.as_mut().and_then(|metadata| metadata.labels.as_mut()) {
        labels.remove(POD_TEMPLATE_HASH);
    }
    template
}

fn copied_annotations(deployment: &Deployment) -> Labels {
    let all = deployment.metadata.annotations.iter().flatten();
    all.filter(|(key, _)| !NOT_COPIED.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
