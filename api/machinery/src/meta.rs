//! `ObjectMeta` of a [`serde_json::Value`]: reading, writing, validation.

mod access;
mod validate;

pub use access::{
    OwnerReference, add_finalizer, annotation, annotations, api_version, bump_generation, controller_of,
    creation_timestamp, dedup_owner_references, deletion_grace_period_seconds, deletion_timestamp, finalizers,
    generate_name, generation, has_finalizer, kind, label, labels, metadata, metadata_mut, name, namespace,
    owner_references, remove_finalizer, resource_version, set_annotation, set_finalizers, set_gvk, set_label, set_name,
    set_namespace, set_resource_version, uid,
};
pub use validate::{
    ANNOTATIONS_BYTES_MAX, FIELD_IS_IMMUTABLE, validate, validate_annotations, validate_finalizer_names,
    validate_immutable_field, validate_labels, validate_nonnegative, validate_update,
};

/// Finalizer of a delete that lets dependents live.
pub const FINALIZER_ORPHAN: &str = "orphan";
/// Finalizer of a delete that waits for dependents.
pub const FINALIZER_FOREGROUND: &str = "foregroundDeletion";
