//! Kinds of the authorization.k8s.io group: questions about rights. None of them is stored.

pub mod local_subject_access_review;
pub mod review;
pub mod self_subject_access_review;
pub mod self_subject_rules_review;
pub mod subject_access_review;
