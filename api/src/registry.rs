//! The generic registry: one pipeline of create, update and delete for every kind.
//!
//! Step 4 of the path of a write. A kind adds a [`Strategy`] and nothing else; the table of strategies is
//! `resources::table`. Invariants: whatever is stored has passed defaulting, admission and validation as a whole, after
//! the last patch to it; metadata that the server owns never comes from a client; an update that changes nothing
//! writes nothing. Not here: HTTP (`handlers`), how objects are kept (`api-storage`), what a kind demands (`resources`).

pub mod alloc;
pub(crate) mod create;
mod delete;
mod delete_collection;
mod evict;
pub mod form;
pub mod kind;
pub mod metadata;
pub mod options;
pub mod strategy;
pub mod subresource;
mod update;

use crate::auth::authz::Authorizer;
use alloc::{Addresses, NodePorts};
use api_storage::{Storage, StorageError, Stored};
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;

pub use delete::Deleted;
pub use kind::{Kind, Kinds};
pub use strategy::{Column, Cx, Hooks, KindInfo, Strategy};
pub use update::Part;

/// What the registry is told at the start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where cluster addresses of services come from.
    pub service_cidr: ipnet::IpNet,
    /// Where node ports of services come from.
    pub node_ports: std::ops::RangeInclusive<u16>,
}

/// All kinds with their storage, and what their hooks need.
#[derive(Debug)]
pub struct Registry {
    kinds: Kinds,
    authorizer: Arc<Authorizer>,
    addresses: Addresses,
    node_ports: NodePorts,
    /// Makes a name of a base; random but in tests of collisions.
    name_generator: fn(&str) -> String,
}

impl Registry {
    /// Opens the storage of every kind in the table.
    pub fn new(
        table: &[&'static dyn Strategy],
        storage: &Storage,
        authorizer: Arc<Authorizer>,
        settings: &Settings,
    ) -> Self {
        Self {
            kinds: Kinds::new(table, storage),
            authorizer,
            addresses: Addresses::new(storage, settings.service_cidr),
            node_ports: NodePorts::new(storage, settings.node_ports.clone()),
            name_generator: metadata::generate_name,
        }
    }

    /// The same with another generator of names.
    #[cfg(test)]
    pub(crate) fn with_name_generator(self, name_generator: fn(&str) -> String) -> Self {
        Self { name_generator, ..self }
    }

    /// The table.
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// Who may what: for escalation checks and access reviews.
    pub fn authorizer(&self) -> &Authorizer {
        &self.authorizer
    }

    /// Cluster addresses of services.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Node ports of services.
    pub fn node_ports(&self) -> &NodePorts {
        &self.node_ports
    }
}

/// An object to answer with.
#[derive(Clone, Debug)]
pub enum Object {
    /// As it is stored.
    Stored(Arc<Stored>),
    /// As it would be stored after a dry run, or something that never is (Scale, reviews).
    Imagined(Value),
}

impl Object {
    /// The JSON to send.
    pub fn to_json(&self) -> Bytes {
        match self {
            Self::Stored(stored) => stored.to_json(),
            Self::Imagined(value) => api_machinery::codec::encode(value),
        }
    }

    /// The object as a value, for views that need one.
    ///
    /// # Errors
    /// What is stored cannot be read.
    pub fn decode(&self) -> Result<Value, StorageError> {
        match self {
            Self::Stored(stored) => stored.decode(),
            Self::Imagined(value) => Ok(value.clone()),
        }
    }
}

/// The outcome of a create or an update.
#[derive(Clone, Debug)]
pub struct Written {
    /// What the client gets.
    pub object: Object,
    /// Texts for Warning headers.
    pub warnings: Vec<String>,
    /// Whether the object is new: 201 instead of 200.
    pub created: bool,
}

impl Written {
    fn stored(stored: Arc<Stored>, created: bool) -> Self {
        Self { object: Object::Stored(stored), warnings: Vec::new(), created }
    }

    fn imagined(value: Value) -> Self {
        Self { object: Object::Imagined(value), warnings: Vec::new(), created: false }
    }
}
