//! OpenAPI v3 documents, one for each group and version: the schemas from the facts, the paths from the caller.
//!
//! Descriptions are not carried (the facts have none) except one line for each kind and for the fields that all kinds
//! have, so that `kubectl explain` has something to say.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Definition, Field, Scalar, Schema, Shape};

const PREFIX: &str = "#/components/schemas/";

/// The reference to a definition's schema.
pub fn reference(name: &str) -> Value {
    json!({ "$ref": format!("{PREFIX}{name}") })
}

/// A whole document. `paths` is the `paths` object; the components are the schemas of `roots` (OpenAPI names) and all
/// that they reach. Every operation's schemas must be among the roots.
pub fn document(title: &str, version: &str, paths: Map<String, Value>, roots: &[&str]) -> Value {
    json!({
        "openapi": "3.0.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "schemas": schemas(roots),
            "securitySchemes": {
                "BearerToken": {
                    "type": "apiKey",
                    "description": "Bearer Token authentication",
                    "name": "authorization",
                    "in": "header",
                },
            },
        },
    })
}

/// The schemas of these definitions and of all that they reach, by name. Unknown names are left out.
pub fn schemas(roots: &[&str]) -> Map<String, Value> {
    let schema = Schema::get();
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let mut queue: Vec<&Definition> = roots.iter().filter_map(|name| schema.named(name)).collect();
    while let Some(definition) = queue.pop() {
        if reached.insert(&definition.name) {
            for (_, field) in definition.fields() {
                reach(schema, field, &mut queue);
            }
        }
    }
    reached.into_iter().filter_map(|name| Some((name.to_string(), of(schema.named(name)?)))).collect()
}

fn reach<'a>(schema: &'a Schema, field: &Field, queue: &mut Vec<&'a Definition>) {
    match &field.shape {
        Shape::Ref(index) => queue.push(schema.at(*index)),
        Shape::List(item) | Shape::Map(item) => reach(schema, item, queue),
        _ => {}
    }
}

/// The schema of one definition.
pub fn of(definition: &Definition) -> Value {
    if let Some(scalar) = definition.scalar {
        return match scalar {
            Scalar::Quantity => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
            Scalar::IntOrString => {
                json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]})
            }
            Scalar::Time | Scalar::MicroTime => json!({"type": "string", "format": "date-time"}),
            Scalar::Any => json!({"type": "object"}),
        };
    }
    let mut out = Map::new();
    out.insert("type".into(), "object".into());
    if let Some(kind) = definition.kinds.first() {
        out.insert("description".into(), description(&kind.kind, &kind.api_version()).into());
    }
    let is_kind = !definition.kinds.is_empty();
    let mut fields = Map::new();
    for (name, field) in definition.fields() {
        let mut schema = of_field(field, definition.requires(name));
        if is_kind && let Some(text) = common_description(name) {
            schema["description"] = text.into();
        }
        fields.insert(name.to_string(), schema);
    }
    if !fields.is_empty() {
        out.insert("properties".into(), Value::Object(fields));
    }
    if !definition.required.is_empty() {
        out.insert("required".into(), definition.required.iter().map(|name| name.to_string()).collect());
    }
    if definition.atomic {
        out.insert("x-kubernetes-map-type".into(), "atomic".into());
    }
    if !definition.kinds.is_empty() {
        let kinds: Vec<Value> = definition
            .kinds
            .iter()
            .map(|kind| json!({"group": kind.group, "version": kind.version, "kind": kind.kind}))
            .collect();
        out.insert("x-kubernetes-group-version-kind".into(), Value::Array(kinds));
    }
    Value::Object(out)
}

fn of_field(field: &Field, required: bool) -> Value {
    let mut out = match &field.shape {
        Shape::String => typed("string", None),
        Shape::Bytes => typed("string", Some("byte")),
        Shape::Boolean => typed("boolean", None),
        Shape::Int32 => typed("integer", Some("int32")),
        Shape::Int64 => typed("integer", Some("int64")),
        Shape::Double => typed("number", Some("double")),
        Shape::Any => typed("object", None),
        // A reference must stand alone in OpenAPI 3.0, so that anything beside it needs `allOf`.
        Shape::Ref(index) => {
            let mut out = Map::new();
            out.insert("allOf".into(), json!([reference(&Schema::get().at(*index).name)]));
            out
        }
        Shape::List(item) => {
            let mut out = typed("array", None);
            out.insert("items".into(), item_schema(item));
            out
        }
        Shape::Map(item) => {
            let mut out = typed("object", None);
            out.insert("additionalProperties".into(), item_schema(item));
            out
        }
    };
    if required && let Some(zero) = zero(field) {
        out.insert("default".into(), zero);
    }
    let mut note = |name: &str, value: Option<Value>| value.map(|value| out.insert(name.to_string(), value));
    note("enum", (!field.values.is_empty()).then(|| field.values.iter().map(|value| value.to_string()).collect()));
    note("x-kubernetes-list-type", field.list.map(|kind| kind.name().into()));
    note(
        "x-kubernetes-list-map-keys",
        (!field.map_keys.is_empty()).then(|| field.map_keys.iter().map(|key| key.to_string()).collect()),
    );
    note("x-kubernetes-map-type", field.atomic.then(|| "atomic".into()));
    note("x-kubernetes-patch-merge-key", field.patch_key.as_deref().map(Value::from));
    note("x-kubernetes-patch-strategy", field.patch.name().map(Value::from));
    Value::Object(out)
}

fn item_schema(item: &Field) -> Value {
    match &item.shape {
        Shape::Ref(index) => reference(&Schema::get().at(*index).name),
        _ => of_field(item, false),
    }
}

/// Upstream gives required scalars their zero value as a default.
fn zero(field: &Field) -> Option<Value> {
    match &field.shape {
        Shape::String => Some("".into()),
        Shape::Boolean => Some(false.into()),
        Shape::Int32 | Shape::Int64 | Shape::Double => Some(0.into()),
        _ => None,
    }
}

fn typed(name: &str, format: Option<&str>) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("type".into(), name.into());
    if let Some(format) = format {
        out.insert("format".into(), format.into());
    }
    out
}

fn description(kind: &str, api_version: &str) -> String {
    match kind.strip_suffix("List") {
        Some(item) => format!("{kind} is a list of {item} objects ({api_version})."),
        None => format!("{kind} is an object of the Kubernetes API ({api_version})."),
    }
}

fn common_description(field: &str) -> Option<&'static str> {
    match field {
        "apiVersion" => Some("Group and version of the schema that this object follows."),
        "kind" => Some("Kind of this object."),
        "metadata" => Some("Name, labels and what else all objects have."),
        "spec" => Some("The state that is wanted."),
        "status" => Some("The state that was last observed. Written by the system."),
        "items" => Some("The objects of this list."),
        _ => None,
    }
}
