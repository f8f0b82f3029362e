//! Kinds of the authentication.k8s.io group. None of them is stored.

use super::question::{Question, info, unchecked};

const GROUP: &str = "authentication.k8s.io";

/// Who am I?
pub static SELF_SUBJECT_REVIEW: Question = Question {
    info: &info(GROUP, "SelfSubjectReview", "selfsubjectreviews", "selfsubjectreview", false),
    validate: unchecked,
};

/// Whose token is this?
pub static TOKEN_REVIEW: Question =
    Question { info: &info(GROUP, "TokenReview", "tokenreviews", "tokenreview", false), validate: unchecked };
