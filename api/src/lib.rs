//! The API server: a versioned server of Kubernetes objects over the store.
//!
//! In the order a request meets them: [`http`] (socket, TLS, bodies), [`filters`] (who, may they, is there room),
//! [`handlers`] (verbs), [`registry`] (the pipeline of a write), [`resources`] (what each kind adds). [`server`] puts
//! them together.

pub mod admission;
pub mod auth;
pub mod bootstrap;
pub mod config;
pub mod discovery;
pub mod filters;
pub mod handlers;
pub mod health;
pub mod http;
pub mod metrics;
pub mod openapi;
pub mod registry;
pub mod resources;
pub mod server;
pub mod version;
