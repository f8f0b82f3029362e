//! What a kind adds to the generic registry: facts ([`KindInfo`]) and behaviour ([`Strategy`]).
//!
//! A strategy is a stateless value over `serde_json::Value`. It never talks to the store: what needs other objects
//! (allocation, escalation checks) happens in its [`Hooks`], whose [`Reservation`] is undone unless the write succeeds.
//!
//! Order of a create: decode, [`Strategy::default`], admission, system metadata, [`Strategy::prepare_for_create`],
//! [`Hooks::begin_create`], [`Strategy::validate`], [`Strategy::canonicalize`], store. An update is the same with the
//! `_update` functions and the stored object as `old`.

use crate::auth::UserInfo;
use crate::registry::Registry;
use crate::registry::form::Form;
use api_machinery::field::ErrorList;
use api_machinery::status::Status;
pub use api_machinery::table::Column;
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

/// Every verb of an ordinary kind, in the order discovery lists them.
pub const ALL_VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
/// Every verb of a kind whose collection cannot be deleted (Namespace).
pub const ALL_BUT_DELETE_COLLECTION: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
/// Reviews, bindings, tokens.
pub const CREATE_ONLY: &[&str] = &["create"];
/// `status` and `scale`.
pub const GET_PATCH_UPDATE: &[&str] = &["get", "patch", "update"];
/// `log`.
pub const GET_ONLY: &[&str] = &["get"];
/// `finalize`.
pub const UPDATE_ONLY: &[&str] = &["update"];

/// Facts of a served kind: what discovery, routing and storage need to know.
#[derive(Debug)]
pub struct KindInfo {
    /// API group, "" for core.
    pub group: &'static str,
    /// API version, as `v1`.
    pub version: &'static str,
    /// Kind, as `Pod`.
    pub kind: &'static str,
    /// Plural as in paths.
    pub resource: &'static str,
    /// Singular, lower case.
    pub singular: &'static str,
    /// Short names for kubectl.
    pub short_names: &'static [&'static str],
    /// Categories, as `all`.
    pub categories: &'static [&'static str],
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Verbs served, from the constants of this module.
    pub verbs: &'static [&'static str],
    /// What is served below an object.
    pub subresources: &'static [Subresource],
    /// Which names are allowed.
    pub name_rule: NameRule,
    /// False for reviews: created, answered, never stored.
    pub stored: bool,
}

impl KindInfo {
    /// `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The subresource of that name.
    pub fn subresource(&self, name: &str) -> Option<&'static Subresource> {
        self.subresources.iter().find(|sub| sub.name == name)
    }
}

/// A subresource: which path, which kind travels there, which verbs.
#[derive(Debug)]
pub struct Subresource {
    /// Path segment below the object's name.
    pub name: &'static str,
    /// Group, version and kind of the body; `None` means the parent's own.
    pub body: Option<(&'static str, &'static str, &'static str)>,
    /// Verbs served.
    pub verbs: &'static [&'static str],
}

impl Subresource {
    /// `status`: the parent's own kind.
    pub const STATUS: Self = Self { name: "status", body: None, verbs: GET_PATCH_UPDATE };
    /// `scale`: autoscaling/v1 Scale.
    pub const SCALE: Self = Self { name: "scale", body: Some(("autoscaling", "v1", "Scale")), verbs: GET_PATCH_UPDATE };
    /// `pods/binding`.
    pub const BINDING: Self = Self { name: "binding", body: Some(("", "v1", "Binding")), verbs: CREATE_ONLY };
    /// `pods/eviction`.
    pub const EVICTION: Self = Self { name: "eviction", body: Some(("policy", "v1", "Eviction")), verbs: CREATE_ONLY };
    /// `pods/log`.
    pub const LOG: Self = Self { name: "log", body: None, verbs: GET_ONLY };
    /// `serviceaccounts/token`.
    pub const TOKEN: Self =
        Self { name: "token", body: Some(("authentication.k8s.io", "v1", "TokenRequest")), verbs: CREATE_ONLY };
    /// `namespaces/finalize`.
    pub const FINALIZE: Self = Self { name: "finalize", body: None, verbs: UPDATE_ONLY };
}

/// The rule a kind's names obey; texts come from `api_machinery::names`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// DNS-1123 subdomain: most kinds.
    Subdomain,
    /// DNS-1123 label: namespaces, and since 1.36 services.
    Label,
    /// Any path segment: RBAC kinds.
    PathSegment,
}

/// Values of selectable fields besides `metadata.name` and `metadata.namespace`, by label. Absent means "".
pub type SelectableFields = api_storage::Fields;

/// Who writes, when, and what for.
#[derive(Clone, Copy, Debug)]
pub struct Cx<'a> {
    /// The moment of the request, for every timestamp it sets.
    pub now: Timestamp,
    /// The authenticated user.
    pub user: &'a UserInfo,
    /// Namespace of the request, "" for cluster-scoped kinds.
    pub namespace: &'a str,
    /// The subresource written through, if any.
    pub subresource: Option<&'a str>,
    /// Nothing may be kept: reservations must not persist.
    pub dry_run: bool,
}

/// What a graceful deletion decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grace {
    /// The kind knows none: delete at once (unless finalizers hold it).
    None,
    /// Give it these seconds; 0 deletes at once.
    Seconds(i64),
}

/// Something claimed outside the object during a write (an address, a port). `release` runs if the write fails.
#[async_trait]
pub trait Claim: Send {
    /// The write failed: give back what was claimed.
    async fn release(self: Box<Self>);
    /// The write succeeded: give back what the old object no longer needs.
    async fn commit(self: Box<Self>) {}
}

/// The claims of one write.
pub type Reservation = Vec<Box<dyn Claim>>;

/// What a write of a kind does beside the object itself: allocation, escalation checks.
#[async_trait]
pub trait Hooks: Send + Sync {
    /// Before a creation is validated.
    async fn begin_create(
        &self,
        _cx: &Cx<'_>,
        _registry: &Registry,
        _object: &mut Value,
    ) -> Result<Reservation, Status> {
        Ok(Reservation::new())
    }

    /// Before an update is validated; again for every attempt when others change the object meanwhile.
    async fn begin_update(
        &self,
        _cx: &Cx<'_>,
        _registry: &Registry,
        _new: &mut Value,
        _old: &Value,
    ) -> Result<Reservation, Status> {
        Ok(Reservation::new())
    }

    /// After the object is gone for good: give back what it claimed.
    async fn after_delete(&self, _registry: &Registry, _object: &Value) {}
}

/// The behaviour of a kind. Only [`Self::info`] and [`Self::validate`] are required.
pub trait Strategy: Send + Sync {
    /// Facts.
    fn info(&self) -> &'static KindInfo;

    /// Upstream's defaults, exactly; runs on every write, before preparation.
    fn default(&self, _object: &mut Value) {}

    /// Drops what a client may not set at creation (status) and sets what the server owns (`metadata.generation`).
    fn prepare_for_create(&self, _cx: &Cx<'_>, _object: &mut Value) {}

    /// Keeps what an update may not change (status) and bumps `metadata.generation` when the spec changes.
    fn prepare_for_update(&self, _cx: &Cx<'_>, _new: &mut Value, _old: &Value) {}

    /// Errors of an object to create, without those of metadata (the registry checks metadata).
    fn validate(&self, object: &Value) -> ErrorList;

    /// Errors of a change, without those of metadata. Both sides are defaulted.
    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let _ = old;
        self.validate(new)
    }

    /// Texts for Warning headers. `old` is absent at creation.
    fn warnings(&self, _object: &Value, _old: Option<&Value>) -> Vec<String> {
        Vec::new()
    }

    /// The text that warns every client of a kind that is on its way out.
    fn deprecation(&self) -> Option<&'static str> {
        None
    }

    /// Last normalisation after validation.
    fn canonicalize(&self, _object: &mut Value) {}

    /// Claims and checks that need other objects; none for most kinds.
    fn hooks(&self) -> Option<&dyn Hooks> {
        None
    }

    /// Whether a deletion answers with the last object instead of a Status (pods, services).
    fn returns_deleted_object(&self) -> bool {
        false
    }

    /// Through `status`: what a client may not change there. The default takes everything but `status` and
    /// `metadata` from the stored object.
    fn prepare_for_status_update(&self, _cx: &Cx<'_>, new: &mut Value, old: &Value) {
        keep_all_but_status(new, old);
    }

    /// Errors of a change through `status`.
    fn validate_status_update(&self, _new: &Value, _old: &Value) -> ErrorList {
        ErrorList::default()
    }

    /// How a deletion with `requested` grace seconds goes for this object. Pods use it.
    fn grace(&self, _object: &Value, _requested: Option<i64>) -> Grace {
        Grace::None
    }

    /// Whether something besides `metadata.finalizers` holds the object (a namespace's `spec.finalizers`).
    fn held(&self, _object: &Value) -> bool {
        false
    }

    /// Whether `metadata.generation` counts that a deletion begins; a namespace keeps what its client wrote.
    fn counts_deletion(&self) -> bool {
        true
    }

    /// Called when the deletion timestamp is set (a namespace turns Terminating).
    fn mark_deleting(&self, _object: &mut Value) {}

    /// Labels of selectable fields besides `metadata.name` and `metadata.namespace`.
    fn field_labels(&self) -> &'static [&'static str] {
        &[]
    }

    /// Those of the labels that storage indexes: a watch of one value costs nothing for objects with others.
    fn indexed_fields(&self) -> &'static [&'static str] {
        &[]
    }

    /// Upstream's text for an unknown field label.
    fn field_label_error(&self, label: &str) -> String {
        if self.field_labels().is_empty() {
            format!("{label:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
        } else {
            format!("field label not supported: {label}")
        }
    }

    /// Values of the selectable fields.
    fn fields(&self, _object: &Value) -> SelectableFields {
        SelectableFields::new()
    }

    /// Table columns.
    fn columns(&self) -> &'static [Column] {
        &[Column::NAME, CREATED_AT]
    }

    /// Cells of a Table row, one for each column.
    fn row(&self, object: &Value, _now: Timestamp) -> Vec<Value> {
        vec![object["metadata"]["name"].clone(), object["metadata"]["creationTimestamp"].clone()]
    }

    /// Set where the kind is another one under other names. Then objects are the other's: only [`Self::info`] and the
    /// form are this kind's.
    fn form(&self) -> Option<&'static Form> {
        None
    }

    /// Whether deletions know propagation. False: orphaning and foreground deletion leave no finalizer.
    fn collects_garbage(&self) -> bool {
        true
    }

    /// Whether PUT may create.
    fn allow_create_on_update(&self) -> bool {
        false
    }

    /// Whether an update without a resourceVersion overwrites. False: it is refused.
    fn allow_unconditional_update(&self) -> bool {
        true
    }

    /// Seconds after which objects expire by themselves, counted from the last write. Events use it.
    fn ttl_seconds(&self) -> Option<u64> {
        None
    }

    /// The label selector of `status.selector` in Scale, in string form; `None` where the kind has no scale.
    fn scale_selector(&self, _object: &Value) -> Option<String> {
        None
    }
}

/// Upstream's second column of kinds without a printer of their own.
pub const CREATED_AT: Column = Column { name: "Created At", kind: "date", format: "", description: "", priority: 0 };

/// Replaces everything in `new` except `status` and `metadata` by what `old` holds.
pub fn keep_all_but_status(new: &mut Value, old: &Value) {
    let (Some(new), Some(old)) = (new.as_object_mut(), old.as_object()) else { return };
    new.retain(|key, _| matches!(key.as_str(), "status" | "metadata" | "kind" | "apiVersion"));
    for (key, value) in old {
        if !matches!(key.as_str(), "status" | "metadata" | "kind" | "apiVersion") {
            new.insert(key.clone(), value.clone());
        }
    }
}
