//! One version of one object, as bytes. Shared by everyone as `Arc<Stored>`; never parsed to be read.

use crate::envelope::{self, EnvelopeError, Layout};
use crate::error::StorageError;
use crate::resource::Resource;
use api_machinery::codec;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;
use store_types::KeyValue;

/// Bytes that a resourceVersion adds to the stored JSON, at most.
const SPLICED_BYTES_MAX: usize = "\"resourceVersion\":\"\",".len() + 20;

/// Names one derived encoding of an object version, such as a Table row. One constant per encoding; the number of
/// constants in the program bounds what is kept per object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodingKey(pub &'static str);

/// One version of one object. The JSON lacks the resourceVersion; [`Stored::write_json`] puts it in.
pub struct Stored {
    resource_version: i64,
    key: Bytes,
    name_start: u32,
    namespaced: bool,
    layout: Layout,
    envelope: Bytes,
    encodings: Encodings,
}

impl Stored {
    /// Reads what the store holds; the header is checked, the JSON is left alone.
    pub(crate) fn from_store(
        resource: &Resource,
        prefix_bytes: usize,
        kv: &KeyValue,
    ) -> Result<Arc<Self>, StorageError> {
        Self::new(resource, prefix_bytes, kv.key.clone(), kv.value.clone(), kv.mod_revision)
    }

    pub(crate) fn new(
        resource: &Resource,
        prefix_bytes: usize,
        key: Bytes,
        envelope: Bytes,
        resource_version: i64,
    ) -> Result<Arc<Self>, StorageError> {
        let corrupt = |source| StorageError::Corrupt { key: String::from_utf8_lossy(&key).into_owned(), source };
        let layout = Layout::parse(&envelope).map_err(corrupt)?;
        let name_start = match std::str::from_utf8(&key) {
            Ok(_) => resource.name_start(&key, prefix_bytes).ok_or(EnvelopeError::Damaged(0)).map_err(corrupt)?,
            Err(error) => return Err(corrupt(EnvelopeError::Damaged(error.valid_up_to()))),
        };
        Ok(Arc::new(Self {
            resource_version,
            name_start: name_start as u32,
            namespaced: resource.namespaced,
            key,
            layout,
            envelope,
            encodings: Encodings::default(),
        }))
    }

    /// The same state under another revision: the last state of an object, at the revision of its deletion.
    pub(crate) fn at_revision(&self, resource_version: i64) -> Arc<Self> {
        Arc::new(Self {
            resource_version,
            key: self.key.clone(),
            name_start: self.name_start,
            namespaced: self.namespaced,
            layout: self.layout,
            envelope: self.envelope.clone(),
            encodings: Encodings::default(),
        })
    }

    /// Revision of the write that made this version.
    pub fn resource_version(&self) -> i64 {
        self.resource_version
    }

    /// Name of the object.
    pub fn name(&self) -> &str {
        self.key_text(self.name_start as usize, self.key.len())
    }

    /// Namespace; `None` for cluster-scoped resources.
    pub fn namespace(&self) -> Option<&str> {
        let end = self.name_start as usize - 1;
        let start = memchr::memrchr(b'/', &self.key[..end])? + 1;
        self.namespaced.then(|| self.key_text(start, end))
    }

    /// `metadata.uid`.
    pub fn uid(&self) -> &str {
        self.layout.uid(&self.envelope)
    }

    /// `metadata.creationTimestamp` as it is written in the object.
    pub fn creation_timestamp(&self) -> &str {
        self.layout.created(&self.envelope)
    }

    /// Whether `metadata.deletionTimestamp` is set.
    pub fn is_deleting(&self) -> bool {
        self.layout.flags & envelope::FLAG_DELETING != 0
    }

    /// Whether `metadata.finalizers` holds anything.
    pub fn has_finalizers(&self) -> bool {
        self.layout.flags & envelope::FLAG_FINALIZERS != 0
    }

    /// Value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.layout.labels(&self.envelope).find(key)
    }

    /// All labels.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.layout.labels(&self.envelope)
    }

    /// Value of a selectable field, `metadata.name` and `metadata.namespace` included.
    pub fn field(&self, name: &str) -> Option<&str> {
        match name {
            "metadata.name" => Some(self.name()),
            "metadata.namespace" => Some(self.namespace().unwrap_or_default()),
            _ => self.layout.fields(&self.envelope).find(name),
        }
    }

    /// The JSON as stored, without the resourceVersion.
    pub fn stored_json(&self) -> Bytes {
        self.envelope.slice(self.layout.json_start()..)
    }

    /// Bytes that [`Self::write_json`] appends, at most.
    pub fn json_bytes_max(&self) -> usize {
        self.envelope.len() - self.layout.json_start() + SPLICED_BYTES_MAX
    }

    /// Appends the JSON with the resourceVersion in place. Copies, never parses.
    pub fn write_json(&self, out: &mut BytesMut) {
        out.reserve(self.json_bytes_max());
        let start = self.layout.json_start();
        codec::splice_into(&self.envelope[start..], self.layout.splice() - start, self.resource_version, out);
    }

    /// Appends the JSON as an item of a list, which says kind and version once for all its items. Copies, never parses.
    pub fn write_json_item(&self, out: &mut BytesMut) {
        out.reserve(self.json_bytes_max());
        let start = self.layout.json_start();
        codec::splice_item_into(&self.envelope[start..], self.layout.splice() - start, self.resource_version, out);
    }

    /// The JSON with the resourceVersion in place, in a buffer of its own. Not kept: most objects are read rarely, and
    /// one copy costs less than holding every object twice.
    pub fn to_json(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.write_json(&mut out);
        out.freeze()
    }

    /// Parses the object, resourceVersion included. For writes, which change it; reads have no need to.
    pub fn decode(&self) -> Result<Value, StorageError> {
        let json = &self.envelope[self.layout.json_start()..];
        let mut value = codec::decode_json(json).map_err(|error| StorageError::Undecodable {
            key: String::from_utf8_lossy(&self.key).into_owned(),
            message: error.to_string(),
        })?;
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".into(), self.resource_version.to_string().into());
        }
        Ok(value)
    }

    /// A derived encoding: made by the first who asks, shared by all who follow.
    pub fn encoded(&self, key: EncodingKey, make: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.encodings.get_or_make(key, || make(self))
    }

    pub(crate) fn key(&self) -> &Bytes {
        &self.key
    }

    pub(crate) fn envelope(&self) -> &Bytes {
        &self.envelope
    }

    fn key_text(&self, start: usize, end: usize) -> &str {
        std::str::from_utf8(&self.key[start..end]).expect("the key was checked to be UTF-8, slashes are boundaries")
    }
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the content: it may be a secret.
        write!(formatter, "Stored({}@{})", String::from_utf8_lossy(&self.key), self.resource_version)
    }
}

/// Derived encodings of one value, empty until asked for.
#[derive(Default)]
pub(crate) struct Encodings(Mutex<Vec<(EncodingKey, Bytes)>>);

impl Encodings {
    pub(crate) fn get_or_make(&self, key: EncodingKey, make: impl FnOnce() -> Bytes) -> Bytes {
        let mut made = self.0.lock();
        if let Some((_, bytes)) = made.iter().find(|(candidate, _)| *candidate == key) {
            return bytes.clone();
        }
        let bytes = make();
        made.push((key, bytes.clone()));
        bytes
    }
}

#[cfg(test)]
mod tests;
