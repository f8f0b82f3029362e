//! SelfSubjectReview: who am I?

use crate::registry::strategy::{CREATE_ONLY, KindInfo, NameRule, Strategy};
use api_machinery::field::ErrorList;
use serde_json::Value;

static INFO: KindInfo = KindInfo {
    group: "authentication.k8s.io",
    version: "v1",
    kind: "SelfSubjectReview",
    resource: "selfsubjectreviews",
    singular: "selfsubjectreview",
    short_names: &[],
    categories: &[],
    namespaced: false,
    verbs: CREATE_ONLY,
    subresources: &[],
    name_rule: NameRule::Subdomain,
    stored: false,
};

/// The strategy of SelfSubjectReviews.
#[derive(Debug)]
pub struct SelfSubjectReview;

impl Strategy for SelfSubjectReview {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    fn validate(&self, _object: &Value) -> ErrorList {
        ErrorList::new()
    }
}
