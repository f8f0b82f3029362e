//! SubjectAccessReview: may somebody do this?

use crate::registry::strategy::{CREATE_ONLY, KindInfo, NameRule, Strategy};
use crate::resources::authorization::review;
use api_machinery::field::ErrorList;
use serde_json::Value;

static INFO: KindInfo = KindInfo {
    group: "authorization.k8s.io",
    version: "v1",
    kind: "SubjectAccessReview",
    resource: "subjectaccessreviews",
    singular: "subjectaccessreview",
    short_names: &[],
    categories: &[],
    namespaced: false,
    verbs: CREATE_ONLY,
    subresources: &[],
    name_rule: NameRule::Subdomain,
    stored: false,
};

/// The strategy of SubjectAccessReviews.
#[derive(Debug)]
pub struct SubjectAccessReview;

impl Strategy for SubjectAccessReview {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    fn validate(&self, object: &Value) -> ErrorList {
        review::validate(object, review::Asked::Subject)
    }
}
