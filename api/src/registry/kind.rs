//! The table of kinds: every strategy with its storage, found by path.

use super::strategy::{KindInfo, NameRule, Strategy};
use api_machinery::gvk::{GroupKind, GroupResource};
use api_machinery::names::{self, NameCheck};
use api_machinery::status::Status;
use api_storage::{Resource, ResourceStore, Storage, StorageError};
use std::collections::HashMap;
use std::time::Duration;

/// A served kind: its strategy and where its objects are.
pub struct Kind {
    /// Behaviour.
    pub strategy: &'static dyn Strategy,
    /// Facts; the same as `strategy.info()`.
    pub info: &'static KindInfo,
    /// `v1` or `group/version`.
    pub api_version: String,
    /// Absent for kinds that are never stored.
    store: Option<ResourceStore>,
}

impl Kind {
    fn new(strategy: &'static dyn Strategy, storage: &Storage) -> Self {
        let info = strategy.info();
        let store = (info.stored && strategy.form().is_none()).then(|| {
            let resource = Resource::new(info.group, info.version, info.resource, info.kind, info.namespaced);
            storage.resource(resource.indexed(strategy.indexed_fields()))
        });
        Self { strategy, info, api_version: info.api_version(), store }
    }

    /// Where the objects are.
    ///
    /// # Errors
    /// The kind is never stored: 405, as for every verb that a kind does not serve.
    pub fn store(&self) -> Result<&ResourceStore, Status> {
        self.store.as_ref().ok_or_else(|| Status::method_not_supported(self.resource(), "get"))
    }

    /// `pods`, `deployments.apps`.
    pub fn resource(&self) -> GroupResource<'static> {
        GroupResource { group: self.info.group, resource: self.info.resource }
    }

    /// `Pod`, `Deployment.apps`.
    pub fn group_kind(&self) -> GroupKind<'static> {
        GroupKind { group: self.info.group, kind: self.info.kind }
    }

    /// The namespace as storage wants it.
    pub fn scope<'a>(&self, namespace: &'a str) -> Option<&'a str> {
        (self.info.namespaced && !namespace.is_empty()).then_some(namespace)
    }

    /// The check of this kind's names.
    pub fn name_check(&self) -> NameCheck {
        match self.info.name_rule {
            NameRule::Subdomain => names::name_is_dns_subdomain,
            NameRule::Label => names::name_is_dns_label,
            NameRule::PathSegment => names::name_is_path_segment,
        }
    }

    /// How long objects live after they were last written, if not until they are deleted.
    pub fn ttl(&self) -> Option<Duration> {
        self.strategy.ttl_seconds().map(Duration::from_secs)
    }

    /// What a storage failure answers.
    pub fn status(&self, error: &StorageError, name: &str) -> Status {
        error.status(self.resource(), name)
    }

    /// 422 with these errors, each of them once: what several checks found alike is one cause, as upstream tells it.
    pub fn invalid(&self, name: &str, errors: &api_machinery::field::ErrorList) -> Status {
        Status::invalid(self.group_kind(), name, &errors.distinct())
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.group_kind())
    }
}

/// All kinds, in the order of the table.
#[derive(Debug)]
pub struct Kinds {
    kinds: Vec<Kind>,
    by_resource: HashMap<&'static str, Vec<usize>>,
}

impl Kinds {
    /// Opens the storage of every kind in the table.
    pub fn new(table: &[&'static dyn Strategy], storage: &Storage) -> Self {
        let kinds: Vec<Kind> = table.iter().map(|strategy| Kind::new(*strategy, storage)).collect();
        let mut by_resource: HashMap<&'static str, Vec<usize>> = HashMap::new();
        for (at, kind) in kinds.iter().enumerate() {
            by_resource.entry(kind.info.resource).or_default().push(at);
        }
        Self { kinds, by_resource }
    }

    /// The kind served at a path.
    pub fn find(&self, group: &str, version: &str, resource: &str) -> Option<&Kind> {
        let candidates = self.by_resource.get(resource)?;
        candidates
            .iter()
            .map(|at| &self.kinds[*at])
            .find(|kind| kind.info.group == group && kind.info.version == version)
    }

    /// The kind of a group, in the version it is stored in.
    pub fn stored(&self, group: &str, resource: &str) -> Option<&Kind> {
        let candidates = self.by_resource.get(resource)?;
        candidates.iter().map(|at| &self.kinds[*at]).find(|kind| kind.info.group == group && kind.store.is_some())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.iter()
    }
}
