//! SelfSubjectAccessReview: may I do this?

use crate::registry::strategy::{CREATE_ONLY, KindInfo, NameRule, Strategy};
use crate::resources::authorization::review;
use api_machinery::field::ErrorList;
use serde_json::Value;

static INFO: KindInfo = KindInfo {
    group: "authorization.k8s.io",
    version: "v1",
    kind: "SelfSubjectAccessReview",
    resource: "selfsubjectaccessreviews",
    singular: "selfsubjectaccessreview",
    short_names: &[],
    categories: &[],
    namespaced: false,
    verbs: CREATE_ONLY,
    subresources: &[],
    name_rule: NameRule::Subdomain,
    stored: false,
};

/// The strategy of SelfSubjectAccessReviews.
#[derive(Debug)]
pub struct SelfSubjectAccessReview;

impl Strategy for SelfSubjectAccessReview {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    fn validate(&self, object: &Value) -> ErrorList {
        review::validate(object, review::Asked::Oneself)
    }
}
