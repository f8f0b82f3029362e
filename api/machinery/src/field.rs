//! Field-level validation errors: where ([`Path`]), what ([`Error`]), and all of them together ([`ErrorList`]).
//!
//! Texts are those of upstream's `k8s.io/apimachinery/pkg/util/validation/field`; clients and users match on them.
//! A path is a chain of shared nodes, so that `path.child("x")` costs one small allocation and the text is built
//! only when there is an error to report.

mod error;
mod path;

pub use error::{Error, ErrorKind, ErrorList};
pub use path::Path;
