//! What Pods and pod templates share: defaults and validation of a PodSpec, split by topic.
//!
//! Paths and texts are those of upstream's `pkg/apis/core/validation`, since clients match on them. Everything works on
//! a defaulted object.

pub(crate) mod affinity;
pub(crate) mod annotations;
pub(crate) mod containers;
pub(crate) mod defaults;
pub(crate) mod env;
pub(crate) mod images;
pub(crate) mod mounts;
pub(crate) mod probes;
pub(crate) mod projected;
pub(crate) mod quantities;
pub(crate) mod scheduling;
pub(crate) mod security;
pub(crate) mod spec;
pub(crate) mod template;
pub(crate) mod volume_files;
pub(crate) mod volumes;
pub(crate) mod whole;
mod windows;

pub(crate) use defaults::default_pod_spec;
pub(crate) use spec::validate_pod_spec;
pub(crate) use template::{default_template, validate_template};

#[cfg(test)]
mod tests;
