//! Token Secrets of service accounts: a Secret of type `kubernetes.io/service-account-token` that names an account gets a
//! token that does not expire, and goes when its account goes (upstream: `pkg/controller/serviceaccount`, tokens).

mod controller;
pub mod plan;

#[cfg(test)]
mod tests;

pub use controller::start;
pub use plan::Claims;
