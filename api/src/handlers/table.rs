//! Tables: what `kubectl get` prints, made by the server with the kind's columns.

use super::answer::encode;
use super::query::Query;
use super::{list_body, partial};
use crate::registry::Kind;
use api_machinery::field::{Error, Path};
use api_machinery::gvk::GroupKind;
use api_machinery::status::Status;
use api_storage::{ListPage, StorageError};
use bytes::{BufMut, BytesMut};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What a row carries beside its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IncludeObject {
    Metadata,
    Object,
    None,
}

/// The request's `includeObject`.
pub(super) fn include_object(query: Query<'_>) -> Result<IncludeObject, Status> {
    match &*query.text("includeObject") {
        "" | "Metadata" => Ok(IncludeObject::Metadata),
        "Object" => Ok(IncludeObject::Object),
        "None" => Ok(IncludeObject::None),
        other => {
            let supported = ["", "Metadata", "None", "Object"];
            let errors = Error::not_supported(&Path::root("includeObject"), other, &supported).into();
            Err(Status::invalid(GroupKind { group: "meta.k8s.io", kind: "TableOptions" }, "", &errors))
        }
    }
}

/// A table of one object; its resourceVersion is the object's.
pub(super) fn of_one(kind: &Kind, object: &Value, include: IncludeObject, now: Timestamp) -> BytesMut {
    let mut out = BytesMut::with_capacity(2048);
    let revision = &object["metadata"]["resourceVersion"];
    let metadata = if revision.is_null() { json!({}) } else { json!({"resourceVersion": revision}) };
    begin(&mut out, &encode(&metadata), Some(kind));
    row(&mut out, kind, object, include, now);
    out.put_slice(b"]}");
    out
}

/// A table of a page.
pub(super) fn of_page(
    kind: &Kind,
    page: &ListPage,
    include: IncludeObject,
    now: Timestamp,
) -> Result<BytesMut, StorageError> {
    let mut out = BytesMut::with_capacity(2048 + page.items.len() * 1024);
    let mut metadata = BytesMut::with_capacity(128);
    list_body::metadata(page, &mut metadata);
    begin(&mut out, &metadata, Some(kind));
    for (at, item) in page.items.iter().enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        row(&mut out, kind, &item.decode()?, include, now);
    }
    out.put_slice(b"]}");
    Ok(out)
}

/// A table of one object within a watch: only the first one has the columns.
pub(super) fn of_event(kind: &Kind, object: &Value, include: IncludeObject, columns: bool, now: Timestamp) -> BytesMut {
    let mut out = BytesMut::with_capacity(2048);
    let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
    begin(&mut out, &encode(&metadata), columns.then_some(kind));
    row(&mut out, kind, object, include, now);
    out.put_slice(b"]}");
    out
}

/// The table of a bookmark: no cells, but an object whose revision the client remembers.
pub(super) fn of_bookmark(bookmark: &Value, columns: Option<&Kind>) -> BytesMut {
    let mut out = BytesMut::with_capacity(2048);
    let metadata = json!({"resourceVersion": bookmark["metadata"]["resourceVersion"]});
    begin(&mut out, &encode(&metadata), columns);
    out.put_slice(b"{\"cells\":[],\"object\":");
    out.put_slice(&encode(bookmark));
    out.put_slice(b"}]}");
    out
}

fn begin(out: &mut BytesMut, metadata: &[u8], columns: Option<&Kind>) {
    out.put_slice(br#"{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":"#);
    out.put_slice(metadata);
    out.put_slice(b",\"columnDefinitions\":");
    match columns {
        None => out.put_slice(b"null"),
        Some(kind) => {
            let columns: Vec<Value> = kind
                .strategy
                .columns()
                .iter()
                .map(|column| {
                    json!({"name": column.name, "type": column.kind, "format": column.format,
                        "description": column.description, "priority": column.priority})
                })
                .collect();
            out.put_slice(&encode(&Value::Array(columns)));
        }
    }
    out.put_slice(b",\"rows\":[");
}

fn row(out: &mut BytesMut, kind: &Kind, object: &Value, include: IncludeObject, now: Timestamp) {
    out.put_slice(b"{\"cells\":");
    out.put_slice(&encode(&Value::Array(kind.strategy.row(object, now))));
    match include {
        IncludeObject::None => out.put_slice(b",\"object\":null"),
        IncludeObject::Object => {
            out.put_slice(b",\"object\":");
            out.put_slice(&encode(object));
        }
        IncludeObject::Metadata => {
            out.put_slice(b",\"object\":");
            out.put_slice(&encode(&partial::value(object)));
        }
    }
    out.put_u8(b'}');
}
