//! The process's metrics in Prometheus text. Each module registers its own in [`registry`].

use prometheus::{Encoder, Registry, TextEncoder};
use std::sync::OnceLock;

/// The registry of this process.
pub fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(Registry::new)
}

/// Everything registered, in Prometheus text format 0.0.4.
pub fn render() -> Vec<u8> {
    let mut out = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&registry().gather(), &mut out) {
        tracing::error!(%error, "metrics could not be encoded");
    }
    out
}
