//! The kinds this server serves: defaults, validation, what an update may change, selectable fields, columns.
//!
//! Each kind is one [`Strategy`](crate::registry::Strategy), stateless, over `serde_json::Value`. Nothing here knows
//! HTTP or how objects are kept; what needs other objects (addresses of services, rights of roles) goes through the
//! hooks that the registry offers. Texts and paths of errors are upstream's: clients and people match on them.
//!
//! To add a kind:
//! 1. Write `resources/<group>/<kind>.rs`: a `static INFO: KindInfo` with its facts and a unit struct that implements
//!    `Strategy`. Only `info` and `validate` are required; `core/service_account.rs` is a short one to begin from.
//!    Use [`value`] to read and default, [`check`] for rules that others have too, [`lifecycle`] for generations and
//!    [`cells`] for columns. A kind with a pod template takes it from [`pod_spec`].
//! 2. Declare the module in the file of its group.
//! 3. Add one line to [`TABLE`].
//!
//! Its schema comes from the facts table of `api-machinery`; routes, discovery and OpenAPI follow from `INFO`.

pub mod apps;
pub mod authentication;
pub mod authorization;
pub mod coordination;
pub mod core;
pub mod discovery;
pub mod events;
pub mod rbac;
pub mod scheduling;

pub(crate) mod cells;
mod check;
mod lifecycle;
mod pod_spec;
mod question;
mod value;

#[cfg(test)]
mod testing;

use crate::registry::Strategy;

/// Every served kind, in the order of discovery: by group, then by resource.
pub static TABLE: &[&dyn Strategy] = &[
    &core::binding::BINDING,
    &core::config_map::ConfigMap,
    &core::endpoints::Endpoints,
    &core::event::Event,
    &core::namespace::Namespace,
    &core::node::Node,
    &core::pod::Pod,
    &core::secret::Secret,
    &core::service_account::ServiceAccount,
    &core::service::Service,
    &apps::deployment::Deployment,
    &apps::replica_set::ReplicaSet,
    &authentication::SELF_SUBJECT_REVIEW,
    &authentication::TOKEN_REVIEW,
    &authorization::LOCAL_SUBJECT_ACCESS_REVIEW,
    &authorization::SELF_SUBJECT_ACCESS_REVIEW,
    &authorization::SELF_SUBJECT_RULES_REVIEW,
    &authorization::SUBJECT_ACCESS_REVIEW,
    &coordination::lease::Lease,
    &discovery::endpoint_slice::EndpointSlice,
    &events::event::Event,
    &rbac::binding::CLUSTER_ROLE_BINDING,
    &rbac::cluster_role::ClusterRole,
    &rbac::binding::ROLE_BINDING,
    &rbac::role::Role,
    &scheduling::priority_class::PriorityClass,
];

#[cfg(test)]
mod tests {
    use super::TABLE;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_has_one_place_in_the_table() {
        let mut paths = BTreeSet::new();
        for kind in TABLE {
            let info = kind.info();
            assert!(paths.insert((info.group, info.version, info.resource)), "{} is there twice", info.kind);
            assert_eq!(info.singular, info.kind.to_lowercase());
        }
        assert_eq!(paths.len(), 26);
    }

    // proves: AM-13
    #[test]
    fn every_field_label_has_a_value() {
        for kind in TABLE {
            let fields = kind.fields(&serde_json::json!({}));
            let labels: Vec<&str> = fields.iter().map(|(label, _)| *label).collect();
            assert_eq!(labels, kind.field_labels(), "{}", kind.info().kind);
            assert!(kind.indexed_fields().iter().all(|label| labels.contains(label)));
        }
    }

    // proves: AM-30
    #[test]
    fn every_kind_fills_each_of_its_columns() {
        for kind in TABLE {
            let row = kind.row(&serde_json::json!({"metadata": {"name": "a"}}), jiff::Timestamp::UNIX_EPOCH);
            assert_eq!(row.len(), kind.columns().len(), "{}", kind.info().kind);
        }
    }
}
