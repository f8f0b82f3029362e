//! What many kinds do around a write: start at generation 1, bump it when the wish changes, keep status apart.

use crate::resources::value::{keep, remove, same, set};
use serde_json::{Value, json};

/// At creation: generation 1, and a status that only the server and controllers write.
pub(crate) fn create_with_status(object: &mut Value) {
    set(object, "status", json!({}));
    set_generation(object, 1);
}

/// At an update: status as stored, generation bumped if anything besides metadata and status changed.
pub(crate) fn update_with_status(new: &mut Value, old: &Value) {
    keep(new, old, "status");
    bump_generation(new, old, &["spec"]);
}

/// Bumps the generation if any of `keys` changed.
pub(crate) fn bump_generation(new: &mut Value, old: &Value, keys: &[&str]) {
    let changed = keys.iter().any(|key| !same(&new[*key], &old[*key]));
    bump_generation_if(changed, new, old);
}

/// Makes the generation that of `old`, or the next one.
pub(crate) fn bump_generation_if(changed: bool, new: &mut Value, old: &Value) {
    let generation = old["metadata"]["generation"].as_i64().unwrap_or(0);
    match generation + i64::from(changed) {
        0 => remove_generation(new),
        generation => set_generation(new, generation),
    }
}

/// Sets `metadata.generation`.
pub(crate) fn set_generation(object: &mut Value, generation: i64) {
    if let Some(metadata) = object.get_mut("metadata") {
        set(metadata, "generation", generation);
    }
}

fn remove_generation(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata") {
        remove(metadata, "generation");
    }
}
