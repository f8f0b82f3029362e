//! Token Secrets of service accounts: a Secret of type `kubernetes.io/service-account-token` that names an account gets a
//! token that does not expire, and goes when its account goes (upstream: `pkg/controller/serviceaccount`, tokens).

mod cleaner;
mod controller;
pub mod plan;
pub mod unused;

#[cfg(test)]
mod tests;

pub use plan::Claims;

/// Starts the controller that fills and deletes them, and the one that takes away those that nobody uses.
pub fn start(context: &crate::Context) {
    controller::start(context);
    cleaner::start(context);
}
