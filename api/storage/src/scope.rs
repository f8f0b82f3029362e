//! Which part of a resource a list or watch looks at: a key range, and the topic whose log and index cover it best.

use crate::cache::topics::TopicKey;
use crate::error::StorageError;
use crate::predicate::Predicate;
use crate::resource::Resource;
use store_types::KeyRange;

/// A part of a resource.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// Keys that can belong to it.
    pub(crate) range: KeyRange,
    /// The most specific topic that has all its changes.
    pub(crate) topic: TopicKey,
    /// What range and topic do not say.
    pub(crate) predicate: Predicate,
}

impl Scope {
    pub(crate) fn new(
        resource: &Resource,
        namespace: Option<&str>,
        predicate: &Predicate,
    ) -> Result<Self, StorageError> {
        let namespace = namespace.filter(|_| resource.namespaced);
        let range = resource.range(namespace)?;
        let predicate = predicate.clone();
        if namespace.is_some() || !resource.namespaced {
            // A name that cannot be a key selects nothing, and the whole range with the predicate says just that.
            let key = predicate.exact_field("metadata.name").and_then(|name| resource.key(namespace, name).ok());
            if let Some(key) = key {
                return Ok(Self { range: KeyRange::One(key.clone()), topic: TopicKey::Name(key), predicate });
            }
        }
        for (index, field) in resource.indexed_fields.iter().enumerate() {
            if let Some(value) = predicate.exact_field(field) {
                let topic = TopicKey::Field(index, value.into());
                let predicate = match namespace {
                    Some(namespace) => predicate.in_namespace(namespace),
                    None => predicate,
                };
                return Ok(Self { range, topic, predicate });
            }
        }
        let topic = namespace.map_or(TopicKey::All, |namespace| TopicKey::Namespace(namespace.into()));
        Ok(Self { range, topic, predicate })
    }
}
