//! LocalSubjectAccessReview: may somebody do this in a namespace?

use crate::registry::strategy::{CREATE_ONLY, KindInfo, NameRule, Strategy};
use crate::resources::authorization::review;
use api_machinery::field::ErrorList;
use serde_json::Value;

static INFO: KindInfo = KindInfo {
    group: "authorization.k8s.io",
    version: "v1",
    kind: "LocalSubjectAccessReview",
    resource: "localsubjectaccessreviews",
    singular: "localsubjectaccessreview",
    short_names: &[],
    categories: &[],
    namespaced: true,
    verbs: CREATE_ONLY,
    subresources: &[],
    name_rule: NameRule::Subdomain,
    stored: false,
};

/// The strategy of LocalSubjectAccessReviews.
#[derive(Debug)]
pub struct LocalSubjectAccessReview;

impl Strategy for LocalSubjectAccessReview {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    fn validate(&self, object: &Value) -> ErrorList {
        review::validate(object, review::Asked::SubjectInNamespace)
    }
}
