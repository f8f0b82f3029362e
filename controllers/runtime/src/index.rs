//! The objects of one kind as last seen, ordered by key, and indexed by the controller that owns them.

use crate::Key;
use crate::informer::Delta;
use kube::Resource;
use parking_lot::RwLock;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A read-mostly view that one informer writes and everybody reads. Reads copy `Arc`s; no lock is held afterwards.
#[derive(Debug)]
pub struct Index<K> {
    inner: RwLock<Inner<K>>,
}

#[derive(Debug)]
struct Inner<K> {
    objects: BTreeMap<Key, Arc<K>>,
    by_owner: HashMap<String, BTreeSet<Key>>,
    /// Objects without a managing owner.
    orphans: BTreeSet<Key>,
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self {
            inner: RwLock::new(Inner { objects: BTreeMap::new(), by_owner: HashMap::new(), orphans: BTreeSet::new() }),
        }
    }
}

impl<K: Resource> Index<K> {
    /// The object, if there is one.
    pub fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.inner.read().objects.get(key).cloned()
    }

    /// All objects, in key order.
    pub fn list(&self) -> Vec<Arc<K>> {
        self.inner.read().objects.values().cloned().collect()
    }

    /// The objects of a namespace, in name order.
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<K>> {
        let inner = self.inner.read();
        let first = Key::new(namespace, "");
        let range = inner.objects.range(first..);
        range.take_while(|(key, _)| key.namespace == namespace).map(|(_, object)| Arc::clone(object)).collect()
    }

    /// The objects whose managing owner has this uid.
    pub fn owned_by(&self, uid: &str) -> Vec<Arc<K>> {
        let inner = self.inner.read();
        let Some(keys) = inner.by_owner.get(uid) else { return Vec::new() };
        keys.iter().filter_map(|key| inner.objects.get(key).cloned()).collect()
    }

    /// The objects of a namespace that have no managing owner, in name order.
    pub fn orphans_in(&self, namespace: &str) -> Vec<Arc<K>> {
        let inner = self.inner.read();
        let range = inner.orphans.range(Key::new(namespace, "")..);
        let keys = range.take_while(|key| key.namespace == namespace);
        keys.filter_map(|key| inner.objects.get(key).cloned()).collect()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.inner.read().objects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps `object`; says what changed. An identical resource version changes nothing.
    pub fn apply(&self, object: K) -> Option<Delta<K>> {
        let key = Key::of(&object);
        let new = Arc::new(object);
        let mut inner = self.inner.write();
        let old = inner.objects.insert(key.clone(), Arc::clone(&new));
        if let Some(old) = &old {
            if old.meta().resource_version == new.meta().resource_version && old.meta().uid == new.meta().uid {
                return None;
            }
            inner.forget_owner(&key, old.meta());
        }
        inner.remember_owner(key, new.meta());
        Some(Delta::Applied { old, new })
    }

    /// Forgets the object of this key.
    pub fn delete(&self, key: &Key) -> Option<Delta<K>> {
        let mut inner = self.inner.write();
        let old = inner.objects.remove(key)?;
        inner.forget_owner(key, old.meta());
        Some(Delta::Deleted(old))
    }

    /// The keys that are here and not in `seen`: what a full list no longer showed.
    pub(crate) fn missing_from(&self, seen: &BTreeSet<Key>) -> Vec<Key> {
        self.inner.read().objects.keys().filter(|key| !seen.contains(*key)).cloned().collect()
    }
}

type Meta = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

impl<K> Inner<K> {
    fn remember_owner(&mut self, key: Key, meta: &Meta) {
        if let Some(uid) = owner_uid(meta) {
            self.by_owner.entry(uid.to_owned()).or_default().insert(key);
        } else {
            self.orphans.insert(key);
        }
    }

    fn forget_owner(&mut self, key: &Key, meta: &Meta) {
        let Some(uid) = owner_uid(meta) else {
            self.orphans.remove(key);
            return;
        };
        if let Some(keys) = self.by_owner.get_mut(uid) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_owner.remove(uid);
            }
        }
    }
}

fn owner_uid(meta: &Meta) -> Option<&str> {
    let owners = meta.owner_references.as_deref().unwrap_or_default();
    owners.iter().find(|owner| owner.controller == Some(true)).map(|owner| owner.uid.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    fn object(namespace: &str, name: &str, version: &str, owner: Option<&str>) -> ConfigMap {
        let owners: Vec<_> = owner
            .map(|uid| json!({"apiVersion": "v1", "kind": "X", "name": "x", "uid": uid, "controller": true}))
            .into_iter()
            .collect();
        serde_json::from_value(json!({"metadata": {
            "namespace": namespace, "name": name, "resourceVersion": version, "ownerReferences": owners}}))
        .unwrap()
    }

    #[test]
    fn a_namespace_lists_its_own_objects_only() {
        let index = Index::default();
        for (namespace, name) in [("a", "x"), ("a", "y"), ("aa", "x"), ("b", "x")] {
            index.apply(object(namespace, name, "1", None));
        }
        let names: Vec<_> = index.in_namespace("a").iter().map(|object| Key::of(object.as_ref()).to_string()).collect();
        assert_eq!(names, ["a/x", "a/y"]);
    }

    #[test]
    fn an_adopted_object_moves_between_owners() {
        let index = Index::default();
        index.apply(object("a", "x", "0", None));
        index.apply(object("b", "y", "0", None));
        assert_eq!(index.orphans_in("a").len(), 1);
        index.apply(object("a", "x", "1", Some("u1")));
        assert_eq!((index.orphans_in("a").len(), index.orphans_in("b").len()), (0, 1));
        index.apply(object("a", "x", "2", Some("u2")));
        assert_eq!((index.owned_by("u1").len(), index.owned_by("u2").len()), (0, 1));
        index.delete(&Key::new("a", "x"));
        assert!(index.owned_by("u2").is_empty());
    }

    #[test]
    fn the_same_version_again_is_no_change() {
        let index = Index::default();
        assert!(index.apply(object("a", "x", "1", None)).is_some());
        assert!(index.apply(object("a", "x", "1", None)).is_none());
    }
}
