//! The API server: a versioned server of Kubernetes objects over the store.
//!
//! In the order a request meets them: [`http`] (socket, TLS, bodies), [`filters`] (who, may they, is there room).

pub mod auth;
pub mod filters;
pub mod health;
pub mod http;
pub mod metrics;
pub mod registry;
pub mod version;
