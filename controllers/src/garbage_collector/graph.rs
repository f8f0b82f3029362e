//! Who owns whom. Pure.

use crate::objects::uid;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use std::collections::{BTreeSet, HashMap};

/// Finalizer of foreground deletion: dependents go first.
pub const FOREGROUND: &str = "foregroundDeletion";
/// Finalizer of orphaning: dependents stay, without their owner.
pub const ORPHAN: &str = "orphan";

/// Where an object can be found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// `v1` or `apps/v1`.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
}

/// An object of the graph.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it is.
    pub identity: Identity,
    /// Whom it belongs to.
    pub owners: Vec<OwnerReference>,
    /// Deleted in the foreground: waits for its dependents.
    pub waits_for_dependents: bool,
    /// Deleted with orphaning: its dependents are to lose the reference.
    pub orphans_dependents: bool,
    /// Whether a watch has shown it; one that is only known from a reference may not exist.
    pub is_observed: bool,
}

impl Node {
    /// Whether a dependent's reference with this object's uid is to this object: namespaced objects own only within their
    /// namespace.
    pub fn is_meant_by(&self, reference: &OwnerReference, dependent: &Identity) -> bool {
        let own = &self.identity;
        own.api_version == reference.api_version
            && own.kind == reference.kind
            && own.name == reference.name
            && (own.namespace.is_empty() || own.namespace == dependent.namespace)
    }

    fn mistakes(&self, owner: &Node) -> bool {
        let mut references = self.owners.iter().filter(|reference| reference.uid == owner.identity.uid);
        references.any(|reference| !owner.is_meant_by(reference, &self.identity))
    }
}

/// An object to look at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Work {
    /// Delete it if its owners are gone.
    Collect(String),
    /// Take its reference away from its dependents.
    Orphan(String),
}

/// Objects by uid, and dependents by their owner's uid.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: HashMap<String, Node>,
    dependents: HashMap<String, BTreeSet<String>>,
}

impl Graph {
    /// The object of this uid.
    pub fn node(&self, uid: &str) -> Option<&Node> {
        self.nodes.get(uid)
    }

    /// The objects that name this one as an owner.
    pub fn dependents(&self, uid: &str) -> Vec<&Node> {
        self.dependents.get(uid).into_iter().flatten().filter_map(|uid| self.nodes.get(uid)).collect()
    }

    /// An object was added or changed.
    pub fn observe(&mut self, api_version: &str, kind: &str, meta: &ObjectMeta) -> Vec<Work> {
        let identity = Identity {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: uid(meta).to_owned(),
        };
        let own_uid = identity.uid.clone();
        let has = |finalizer: &str| meta.finalizers.iter().flatten().any(|name| name == finalizer);
        let is_leaving = meta.deletion_timestamp.is_some();
        let node = Node {
            owners: meta.owner_references.clone().unwrap_or_default(),
            waits_for_dependents: is_leaving && has(FOREGROUND),
            orphans_dependents: is_leaving && has(ORPHAN),
            is_observed: true,
            identity,
        };
        let mut work = BTreeSet::new();
        let old = self.nodes.insert(own_uid.clone(), node.clone());
        for gone in old.iter().flat_map(|old| &old.owners).filter(|owner| !node.owners.contains(owner)) {
            self.unlink(&gone.uid, &own_uid);
            // An owner that waits for its dependents may have one less to wait for.
            if self.nodes.get(&gone.uid).is_some_and(|owner| owner.waits_for_dependents) {
                work.insert(Work::Collect(gone.uid.clone()));
            }
        }
        for owner in &node.owners {
            self.dependents.entry(owner.uid.clone()).or_default().insert(own_uid.clone());
            // Never seen, it may not exist, or its watch is behind; seen elsewhere, it is not what the dependent means. The
            // dependent is looked at, which asks the server.
            let is_fine = |known: &Node| known.is_meant_by(owner, &node.identity) && !known.waits_for_dependents;
            if !self.nodes.get(&owner.uid).is_some_and(is_fine) {
                work.insert(Work::Collect(own_uid.clone()));
            }
        }
        if old.is_none() {
            let dependents = self.dependents.get(&own_uid).into_iter().flatten();
            let misled = dependents.filter(|uid| self.nodes.get(*uid).is_some_and(|one| one.mistakes(&node)));
            work.extend(misled.map(|uid| Work::Collect(uid.clone())));
        }
        if node.orphans_dependents {
            work.insert(Work::Orphan(own_uid.clone()));
        }
        if node.waits_for_dependents {
            work.extend(self.dependents.get(&own_uid).into_iter().flatten().map(|uid| Work::Collect(uid.clone())));
            work.insert(Work::Collect(own_uid));
        }
        work.into_iter().collect()
    }

    /// An object is gone.
    pub fn forget(&mut self, uid: &str) -> Vec<Work> {
        let Some(node) = self.nodes.remove(uid) else { return Vec::new() };
        let mut work: BTreeSet<Work> =
            self.dependents.get(uid).into_iter().flatten().map(|uid| Work::Collect(uid.clone())).collect();
        for owner in &node.owners {
            self.unlink(&owner.uid, uid);
            if self.nodes.get(&owner.uid).is_some_and(|owner| owner.waits_for_dependents) {
                work.insert(Work::Collect(owner.uid.clone()));
            }
        }
        work.into_iter().collect()
    }

    fn unlink(&mut self, owner: &str, dependent: &str) {
        if let Some(dependents) = self.dependents.get_mut(owner) {
            dependents.remove(dependent);
            if dependents.is_empty() {
                self.dependents.remove(owner);
            }
        }
    }
}

/// What is known of one owner of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It exists.
    Solid,
    /// It exists and waits for its dependents to go.
    Waiting,
    /// It does not exist, or is another one by that name.
    Absent,
}

/// What to do with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Leave it.
    Keep,
    /// Somebody still owns it: drop the references to these owners.
    Unlink(Vec<String>),
    /// Delete it, with this propagation policy; `None` is what its finalizers ask for.
    Delete(Option<&'static str>),
    /// Every dependent that blocks is gone: take the finalizer away.
    Release,
    /// Wait for these dependents, which have to be looked at first.
    Wait(Vec<String>),
}

/// Decides about an object whose owners have been classified in order.
pub fn judge(graph: &Graph, uid: &str, owners: &[(OwnerReference, Owner)]) -> Verdict {
    let Some(node) = graph.node(uid) else { return Verdict::Keep };
    let dependents = graph.dependents(uid);
    if node.waits_for_dependents {
        let blocks = |dependent: &&&Node| {
            dependent.owners.iter().any(|owner| owner.uid == uid && owner.block_owner_deletion == Some(true))
        };
        let blocking: Vec<String> = dependents.iter().filter(blocks).map(|node| node.identity.uid.clone()).collect();
        return if blocking.is_empty() { Verdict::Release } else { Verdict::Wait(blocking) };
    }
    if owners.is_empty() {
        return Verdict::Keep;
    }
    let of = |wanted: Owner| {
        owners.iter().filter(move |(_, owner)| *owner == wanted).map(|(reference, _)| reference.uid.clone())
    };
    if owners.iter().any(|(_, owner)| *owner == Owner::Solid) {
        let gone: Vec<String> = of(Owner::Absent).chain(of(Owner::Waiting)).collect();
        return if gone.is_empty() { Verdict::Keep } else { Verdict::Unlink(gone) };
    }
    if of(Owner::Waiting).next().is_some() && !dependents.is_empty() {
        return Verdict::Delete(Some("Foreground"));
    }
    Verdict::Delete(None)
}
