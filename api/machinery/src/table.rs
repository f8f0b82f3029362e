//! Table of `meta.k8s.io`: what `kubectl get` prints.
//!
//! A table is written as bytes, a row at a time, so that a row can be made once for each version of an object and shared
//! by every list and watch that shows it.

use bytes::BufMut;
use serde_json::{Value, json};

use crate::list::ListMeta;
use crate::partial::MetaVersion;

/// One column, with upstream's name, type and priority (0 always, 1 with `-o wide`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Heading.
    pub name: &'static str,
    /// OpenAPI type: `string`, `integer`, `date` ...
    pub kind: &'static str,
    /// OpenAPI format; `name` marks the name's column.
    pub format: &'static str,
    /// One line of help.
    pub description: &'static str,
    /// 0: always shown. Above: only in wide output.
    pub priority: i32,
}

impl Column {
    /// A column that is always shown.
    pub const fn new(name: &'static str, kind: &'static str) -> Self {
        Self { name, kind, format: "", description: "", priority: 0 }
    }

    /// A column that is shown only with `-o wide`.
    pub const fn wide(name: &'static str, kind: &'static str) -> Self {
        Self { name, kind, format: "", description: "", priority: 1 }
    }

    /// The name column.
    pub const NAME: Self = Self { name: "Name", kind: "string", format: "name", description: "", priority: 0 };
    /// The age column.
    pub const AGE: Self = Self::new("Age", "string");

    fn definition(&self) -> Value {
        json!({"name": self.name, "type": self.kind, "format": self.format, "description": self.description,
            "priority": self.priority})
    }
}

/// What a row carries beside its cells (`?includeObject=`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncludeObject {
    /// Nothing.
    None,
    /// Its PartialObjectMetadata.
    #[default]
    Metadata,
    /// The whole object.
    Object,
}

impl IncludeObject {
    /// Reads the query parameter; empty is the default. Anything else gets upstream's field error.
    pub fn parse(text: &str) -> Result<IncludeObject, crate::field::Error> {
        match text {
            "None" => Ok(IncludeObject::None),
            "" | "Metadata" => Ok(IncludeObject::Metadata),
            "Object" => Ok(IncludeObject::Object),
            other => Err(crate::field::Error::invalid(
                &crate::field::Path::root("includeObject"),
                other,
                "must be 'Metadata', 'Object', 'None', or empty",
            )),
        }
    }
}

/// Appends the table up to its first row. Without columns they are null, as in every watch event but the first.
pub fn write_head(version: MetaVersion, columns: Option<&[Column]>, meta: &ListMeta<'_>, out: &mut impl BufMut) {
    out.put_slice(br#"{"kind":"Table","apiVersion":""#);
    out.put_slice(version.api_version().as_bytes());
    out.put_slice(br#"","metadata":"#);
    meta.write(out);
    out.put_slice(br#","columnDefinitions":"#);
    match columns {
        None => out.put_slice(b"null"),
        Some(columns) => {
            let definitions: Value = columns.iter().map(Column::definition).collect();
            out.put_slice(definitions.to_string().as_bytes());
        }
    }
    out.put_slice(br#","rows":["#);
}

/// Appends one row; rows are separated by commas that the caller writes. `object` is JSON: the object, its
/// PartialObjectMetadata, or `null`.
pub fn write_row(cells: &[Value], object: &[u8], out: &mut impl BufMut) {
    out.put_slice(br#"{"cells":["#);
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.put_u8(b',');
        }
        out.put_slice(cell.to_string().as_bytes());
    }
    out.put_slice(br#"],"object":"#);
    out.put_slice(object);
    out.put_u8(b'}');
}

/// Appends the end of the table.
pub fn write_tail(out: &mut impl BufMut) {
    out.put_slice(b"]}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 2] = [
        Column { description: "The name.", ..Column::NAME },
        Column { description: "Where.", ..Column::wide("Node", "string") },
    ];

    // proves: AM-30
    #[test]
    fn a_table_has_columns_rows_and_list_metadata() {
        let mut out = Vec::new();
        write_head(MetaVersion::V1, Some(&COLUMNS), &ListMeta { resource_version: 7, ..ListMeta::default() }, &mut out);
        write_row(&[json!("a\"b"), json!(3)], b"null", &mut out);
        out.put_u8(b',');
        write_row(&[json!("c"), Value::Null], br#"{"kind":"PartialObjectMetadata"}"#, &mut out);
        write_tail(&mut out);
        let table: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            table,
            json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "7"},
                "columnDefinitions": [
                    {"name": "Name", "type": "string", "format": "name", "description": "The name.", "priority": 0},
                    {"name": "Node", "type": "string", "format": "", "description": "Where.", "priority": 1}],
                "rows": [{"cells": ["a\"b", 3], "object": null},
                    {"cells": ["c", null], "object": {"kind": "PartialObjectMetadata"}}]})
        );
    }

    // proves: AM-30
    #[test]
    fn rows_include_what_was_asked_for() {
        assert_eq!(IncludeObject::parse(""), Ok(IncludeObject::Metadata));
        assert_eq!(IncludeObject::parse("None"), Ok(IncludeObject::None));
        assert_eq!(
            IncludeObject::parse("All").unwrap_err().to_string(),
            "includeObject: Invalid value: \"All\": must be 'Metadata', 'Object', 'None', or empty"
        );
    }
}
