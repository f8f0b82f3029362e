//! Tables: what `kubectl get` prints, made by the server with the kind's columns. Rows need the whole object and the
//! time of day, so they are made for each request.

use super::query::Query;
use super::{list_body, partial};
use crate::registry::{Kind, Object};
use crate::resources::cells;
use api_machinery::list::ListMeta;
use api_machinery::meta;
use api_machinery::partial::MetaVersion;
use api_machinery::status::Status;
use api_machinery::table::{self, Column, IncludeObject};
use api_machinery::value;
use api_storage::{ListPage, StorageError, WatchItem};
use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What a table of Scales shows.
const SCALE_COLUMNS: &[Column] =
    &[Column::NAME, Column::new("Desired", "integer"), Column::new("Available", "integer"), Column::AGE];

/// What a row needs beside its object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    pub(super) kind: &'a Kind,
    /// What the table is written in.
    pub(super) version: MetaVersion,
    /// Whether the objects are Scales of the kind.
    pub(super) of_scales: bool,
    pub(super) include: IncludeObject,
    pub(super) now: Timestamp,
}

/// The request's `includeObject`.
pub(super) fn include_object(query: Query<'_>) -> Result<IncludeObject, Status> {
    IncludeObject::parse(&query.text("includeObject"))
        .map_err(|error| Status::bad_request(format!("Unable to convert to Table as requested: {error}")))
}

impl Rows<'_> {
    /// A table of one object; its resourceVersion is the object's.
    pub(super) fn one(&self, object: &Object) -> Result<BytesMut, StorageError> {
        let mut out = BytesMut::with_capacity(2048);
        let resource_version = match object {
            Object::Stored(stored) => stored.resource_version(),
            Object::Imagined(object) => meta::resource_version(object).parse().unwrap_or(0),
        };
        let meta = ListMeta { resource_version, ..ListMeta::default() };
        table::write_head(self.version, Some(self.columns()), &meta, &mut out);
        self.row(object, &mut out)?;
        table::write_tail(&mut out);
        Ok(out)
    }

    /// A table of a page.
    pub(super) fn page(&self, page: &ListPage) -> Result<BytesMut, StorageError> {
        let mut out = BytesMut::with_capacity(2048 + page.items.len() * 1024);
        table::write_head(self.version, Some(self.columns()), &list_body::meta(page), &mut out);
        for (at, item) in page.items.iter().enumerate() {
            if at > 0 {
                out.put_u8(b',');
            }
            self.row(&Object::Stored(item.clone()), &mut out)?;
        }
        table::write_tail(&mut out);
        Ok(out)
    }

    /// The table within a watch event: one row, the columns only where they are asked for. A bookmark has no cells, but
    /// an object whose revision the client remembers.
    pub(super) fn event(&self, item: &WatchItem, columns: bool) -> Option<Bytes> {
        let mut out = BytesMut::with_capacity(2048);
        let meta = ListMeta { resource_version: item.revision(), ..ListMeta::default() };
        table::write_head(self.version, columns.then(|| self.columns()), &meta, &mut out);
        match item.object() {
            Some(object) => self.row(&Object::Stored(object.clone()), &mut out).ok()?,
            None => table::write_row(&[], &bookmark(&self.kind.api_version, self.kind.info.kind, item), &mut out),
        }
        table::write_tail(&mut out);
        Some(out.freeze())
    }

    fn columns(&self) -> &'static [Column] {
        if self.of_scales { SCALE_COLUMNS } else { self.kind.strategy.columns() }
    }

    fn row(&self, object: &Object, out: &mut BytesMut) -> Result<(), StorageError> {
        let decoded = object.decode()?;
        let cells = match self.of_scales {
            true => scale_row(&decoded, self.now),
            false => self.kind.strategy.row(&decoded, self.now),
        };
        match self.include {
            IncludeObject::None => table::write_row(&cells, b"null", out),
            IncludeObject::Object => table::write_row(&cells, &object.to_json(), out),
            IncludeObject::Metadata => table::write_row(&cells, &partial::object(self.version, object), out),
        }
        Ok(())
    }
}

/// The cells of a Scale.
fn scale_row(scale: &Value, now: Timestamp) -> Vec<Value> {
    let replicas = |part| Value::from(value::i64_at(scale, &[part, "replicas"]).unwrap_or(0));
    vec![meta::name(scale).into(), replicas("spec"), replicas("status"), cells::age(scale, now)]
}

/// The object of a bookmark, as an object of this kind.
pub(super) fn bookmark(api_version: &str, kind: &str, item: &WatchItem) -> Bytes {
    let mut metadata = json!({"resourceVersion": item.revision().to_string()});
    if item.is_initial_events_end() {
        metadata["annotations"] = json!({api_storage::INITIAL_EVENTS_END: "true"});
    }
    api_machinery::codec::encode(&json!({"kind": kind, "apiVersion": api_version, "metadata": metadata}))
}
