//! What storage knows of a resource, and the key layout, which nothing outside this crate may depend on.
//!
//! Keys are `/registry/<resource>[.<group>]/[<namespace>/]<name>`. The first segment carries the group, so no two
//! resources share a prefix; segments never contain a slash, so no key of one resource is inside another's range.

use crate::error::StorageError;
use bytes::Bytes;
use std::borrow::Cow;
use store_types::KeyRange;

const ROOT: &str = "/registry/";
/// Room for a key of usual length; a longer one costs a reallocation.
const KEY_BYTES_GUESS: usize = 96;

/// A resource as storage sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: Cow<'static, str>,
    /// Version of the stored form.
    pub version: Cow<'static, str>,
    /// Plural name, lower case.
    pub resource: Cow<'static, str>,
    /// Kind of the stored form; bookmarks carry it.
    pub kind: Cow<'static, str>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Selectable fields with an index: a list or watch that selects one value of such a field costs nothing for
    /// objects with other values.
    pub indexed_fields: &'static [&'static str],
    /// Whether a watch cache serves lists and watches; otherwise each of them goes to the store.
    pub cached: bool,
}

impl Resource {
    /// A cached resource without indexed fields.
    pub fn new(
        group: impl Into<Cow<'static, str>>,
        version: impl Into<Cow<'static, str>>,
        resource: impl Into<Cow<'static, str>>,
        kind: impl Into<Cow<'static, str>>,
        namespaced: bool,
    ) -> Self {
        Self {
            group: group.into(),
            version: version.into(),
            resource: resource.into(),
            kind: kind.into(),
            namespaced,
            indexed_fields: &[],
            cached: true,
        }
    }

    /// Indexes these selectable fields.
    pub fn indexed(mut self, fields: &'static [&'static str]) -> Self {
        self.indexed_fields = fields;
        self
    }

    /// Serves lists and watches from the store alone: for resources with many objects that few clients watch.
    pub fn uncached(mut self) -> Self {
        self.cached = false;
        self
    }

    /// `v1` or `group/version`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_string() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `pods` or `deployments.apps`: a name for logs and messages.
    pub fn qualified_name(&self) -> String {
        if self.group.is_empty() { self.resource.to_string() } else { format!("{}.{}", self.resource, self.group) }
    }

    /// Start of every key of this resource, ending in a slash.
    pub(crate) fn prefix(&self) -> Bytes {
        format!("{ROOT}{}/", self.qualified_name()).into()
    }

    /// Key of one object.
    pub(crate) fn key(&self, namespace: Option<&str>, name: &str) -> Result<Bytes, StorageError> {
        check_segment(name).map_err(|problem| match problem {
            Segment::Missing => StorageError::BadRequest("Name parameter required.".into()),
            Segment::Bad(detail) => StorageError::BadRequest(format!("Name parameter invalid: {name:?}: {detail}")),
        })?;
        let mut key = self.namespace_prefix(namespace, true)?;
        key.push_str(name);
        Ok(key.into())
    }

    /// All keys of a namespace, or all of the resource.
    pub(crate) fn range(&self, namespace: Option<&str>) -> Result<KeyRange, StorageError> {
        Ok(KeyRange::prefix(self.namespace_prefix(namespace, false)?.into()))
    }

    fn namespace_prefix(&self, namespace: Option<&str>, required: bool) -> Result<String, StorageError> {
        let mut key = String::with_capacity(KEY_BYTES_GUESS);
        key.push_str(ROOT);
        key.push_str(&self.resource);
        if !self.group.is_empty() {
            key.push('.');
            key.push_str(&self.group);
        }
        key.push('/');
        match (self.namespaced, namespace) {
            (true, Some(namespace)) => {
                check_segment(namespace).map_err(|problem| match problem {
                    Segment::Missing => StorageError::BadRequest("Namespace parameter required.".into()),
                    Segment::Bad(detail) => {
                        StorageError::BadRequest(format!("Namespace parameter invalid: {namespace:?}: {detail}"))
                    }
                })?;
                key.push_str(namespace);
                key.push('/');
            }
            (true, None) if required => {
                return Err(StorageError::BadRequest("Namespace parameter required.".into()));
            }
            _ => {}
        }
        Ok(key)
    }

    /// Offset of the name within a key of this resource; the namespace ends one byte before it.
    pub(crate) fn name_start(&self, key: &[u8], prefix_bytes: usize) -> Option<usize> {
        let rest = key.get(prefix_bytes..)?;
        if !self.namespaced {
            return Some(prefix_bytes);
        }
        memchr::memchr(b'/', rest).map(|slash| prefix_bytes + slash + 1)
    }

    /// The key as upstream's messages show it.
    pub(crate) fn display_key(&self, namespace: Option<&str>, name: &str) -> String {
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{ROOT}{}/{namespace}/{name}", self.resource),
            None => format!("{ROOT}{}/{name}", self.resource),
        }
    }
}

enum Segment {
    Missing,
    Bad(&'static str),
}

/// Upstream's path segment rules, so that no name can leave its place in the key space.
fn check_segment(segment: &str) -> Result<(), Segment> {
    match segment {
        "" => Err(Segment::Missing),
        "." => Err(Segment::Bad("may not be '.'")),
        ".." => Err(Segment::Bad("may not be '..'")),
        _ if segment.contains('/') => Err(Segment::Bad("may not contain '/'")),
        _ if segment.contains('%') => Err(Segment::Bad("may not contain '%'")),
        _ if segment.contains('\0') => Err(Segment::Bad("may not contain NUL")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods() -> Resource {
        Resource::new("", "v1", "pods", "Pod", true)
    }

    #[test]
    fn keys_of_two_resources_never_share_a_range() {
        let core = Resource::new("", "v1", "events", "Event", true);
        let other = Resource::new("events.k8s.io", "v1", "events", "Event", true);
        let key = other.key(Some("a"), "x").unwrap();
        assert_eq!(key, "/registry/events.events.k8s.io/a/x");
        assert!(!core.range(None).unwrap().contains(&key));
        assert!(core.range(Some("a")).unwrap().contains(&core.key(Some("a"), "x").unwrap()));
        assert!(!core.range(Some("a")).unwrap().contains(&core.key(Some("ab"), "x").unwrap()));
    }

    #[test]
    fn names_cannot_leave_their_segment() {
        for bad in ["", ".", "..", "a/b", "a%2fb", "a\0"] {
            assert!(pods().key(Some("default"), bad).is_err(), "{bad:?}");
            assert!(pods().key(Some(bad), "x").is_err(), "{bad:?}");
        }
        assert!(pods().key(None, "x").is_err());
    }

    #[test]
    fn the_name_starts_behind_the_namespace() {
        let key = pods().key(Some("default"), "web").unwrap();
        let start = pods().name_start(&key, pods().prefix().len()).unwrap();
        assert_eq!(&key[start..], b"web");
    }
}
