//! Who asks (x509 certificates, bound service-account tokens) and what they may do (`authz`: RBAC).
//!
//! Nothing here writes: tokens are signed for the handlers of TokenRequest, reviews are evaluated for theirs.

pub mod authz;
pub mod jwks;
pub mod keys;
pub mod objects;
pub mod tokens;
pub mod user;
pub mod x509;

pub use user::UserInfo;
