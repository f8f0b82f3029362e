//! Binding at its old place, `namespaces/N/bindings`: what `pods/binding` takes, with the pod's name in the body only.

use crate::resources::question::{Question, info, unchecked};

/// What it asks for is checked where pods are bound.
pub static BINDING: Question =
    Question { info: &info("", "Binding", "bindings", "binding", true), validate: unchecked };
