//! Kinds of the authentication.k8s.io group. None of them is stored.

pub mod self_subject_review;
pub mod token_review;
