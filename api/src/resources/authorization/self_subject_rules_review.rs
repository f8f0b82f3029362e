//! SelfSubjectRulesReview: what may I do in a namespace?

use crate::registry::strategy::{CREATE_ONLY, KindInfo, NameRule, Strategy};
use api_machinery::field::ErrorList;
use serde_json::Value;

static INFO: KindInfo = KindInfo {
    group: "authorization.k8s.io",
    version: "v1",
    kind: "SelfSubjectRulesReview",
    resource: "selfsubjectrulesreviews",
    singular: "selfsubjectrulesreview",
    short_names: &[],
    categories: &[],
    namespaced: false,
    verbs: CREATE_ONLY,
    subresources: &[],
    name_rule: NameRule::Subdomain,
    stored: false,
};

/// The strategy of SelfSubjectRulesReviews.
#[derive(Debug)]
pub struct SelfSubjectRulesReview;

impl Strategy for SelfSubjectRulesReview {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    fn validate(&self, _object: &Value) -> ErrorList {
        ErrorList::new()
    }
}
