//! Kinds of the authorization.k8s.io group: questions about rights. None of them is stored.

pub mod review;

use super::question::{Question, info, unchecked};
use review::Asked;

const GROUP: &str = "authorization.k8s.io";

/// May somebody do this in a namespace?
pub static LOCAL_SUBJECT_ACCESS_REVIEW: Question = Question {
    info: &info(GROUP, "LocalSubjectAccessReview", "localsubjectaccessreviews", "localsubjectaccessreview", true),
    validate: |object| review::validate(object, Asked::SubjectInNamespace),
};

/// May I do this?
pub static SELF_SUBJECT_ACCESS_REVIEW: Question = Question {
    info: &info(GROUP, "SelfSubjectAccessReview", "selfsubjectaccessreviews", "selfsubjectaccessreview", false),
    validate: |object| review::validate(object, Asked::Oneself),
};

/// What may I do in a namespace?
pub static SELF_SUBJECT_RULES_REVIEW: Question = Question {
    info: &info(GROUP, "SelfSubjectRulesReview", "selfsubjectrulesreviews", "selfsubjectrulesreview", false),
    validate: unchecked,
};

/// May somebody do this?
pub static SUBJECT_ACCESS_REVIEW: Question = Question {
    info: &info(GROUP, "SubjectAccessReview", "subjectaccessreviews", "subjectaccessreview", false),
    validate: |object| review::validate(object, Asked::Subject),
};
