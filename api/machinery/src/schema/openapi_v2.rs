//! The OpenAPI v2 document, made from the v3 documents, and its protobuf form.
//!
//! kubectl before 1.30 computes patches, explains fields and looks for `fieldValidation` with it, and takes nothing but
//! protobuf. One document describes all groups.

mod protobuf;

use serde_json::{Map, Value, json};

pub use protobuf::encode as to_protobuf;

/// Media types of the protobuf form; kubectl asks for the first one.
pub const PROTOBUF_MEDIA_TYPES: [&str; 2] = [
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
];

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// Merges v3 documents into one v2 document. Paths and schemas of the same name must be the same.
pub fn from_v3<'a>(title: &str, version: &str, documents: impl IntoIterator<Item = &'a Value>) -> Value {
    let (mut paths, mut definitions) = (Map::new(), Map::new());
    for document in documents {
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            paths.insert(path.clone(), path_item(item));
        }
        for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
            if !definitions.contains_key(name) {
                definitions.insert(name.clone(), convert_schema(schema));
            }
        }
    }
    json!({
        "swagger": "2.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "definitions": definitions,
        "securityDefinitions": {
            "BearerToken": {
                "description": "Bearer Token authentication",
                "type": "apiKey",
                "name": "authorization",
                "in": "header",
            },
        },
        "security": [{"BearerToken": []}],
    })
}

fn path_item(item: &Value) -> Value {
    let mut out = Map::new();
    for (name, value) in item.as_object().into_iter().flatten() {
        if METHODS.contains(&name.as_str()) {
            out.insert(name.clone(), operation(value));
        } else if name == "parameters" {
            out.insert(name.clone(), value.as_array().into_iter().flatten().map(convert_parameter).collect());
        }
    }
    Value::Object(out)
}

fn operation(operation: &Value) -> Value {
    let mut out = Map::new();
    let mut parameters: Vec<Value> =
        operation["parameters"].as_array().into_iter().flatten().map(convert_parameter).collect();
    if let Some((types, content)) = contents(&operation["requestBody"]) {
        let mut body = json!({"name": "body", "in": "body", "schema": convert_schema(&content["schema"])});
        if operation["requestBody"]["required"] == true {
            body["required"] = true.into();
        }
        parameters.insert(0, body);
        out.insert("consumes".into(), types.into());
    }
    let mut responses = Map::new();
    for (code, response) in operation["responses"].as_object().into_iter().flatten() {
        let mut converted = json!({ "description": response["description"] });
        if let Some((types, content)) = contents(response) {
            converted["schema"] = convert_schema(&content["schema"]);
            out.entry("produces").or_insert_with(|| types.into());
        }
        responses.insert(code.clone(), converted);
    }
    out.insert("responses".into(), responses.into());
    if !parameters.is_empty() {
        out.insert("parameters".into(), parameters.into());
    }
    for (name, value) in operation.as_object().into_iter().flatten() {
        if matches!(name.as_str(), "tags" | "operationId" | "description") || name.starts_with("x-") {
            out.insert(name.clone(), value.clone());
        }
    }
    Value::Object(out)
}

/// The media types of a body or response, and the first of their contents.
fn contents(of: &Value) -> Option<(Vec<String>, &Value)> {
    let contents = of.get("content")?.as_object()?;
    Some((contents.keys().cloned().collect(), contents.values().next()?))
}

/// In v2 the type of a parameter stands in the parameter.
fn convert_parameter(parameter: &Value) -> Value {
    let mut out = Map::new();
    for (name, value) in parameter.as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            ("schema", Value::Object(schema)) => out.extend(schema.clone()),
            _ => {
                out.insert(name.clone(), value.clone());
            }
        }
    }
    Value::Object(out)
}

fn convert_schema(schema: &Value) -> Value {
    let mut out = Map::new();
    for (name, value) in schema.as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            ("$ref", Value::String(reference)) => {
                out.insert("$ref".into(), reference.replace("#/components/schemas/", "#/definitions/").into());
            }
            // What v3 needs so that something may stand beside a reference.
            ("allOf", Value::Array(all)) if all.len() == 1 => {
                if let Value::Object(only) = convert_schema(&all[0]) {
                    out.extend(only);
                }
            }
            // v2 has no alternatives: quantities and int-or-strings are strings there.
            ("oneOf", _) => {
                out.insert("type".into(), "string".into());
            }
            ("properties", Value::Object(fields)) => {
                let fields = fields.iter().map(|(name, field)| (name.clone(), convert_schema(field)));
                out.insert(name.clone(), Value::Object(fields.collect()));
            }
            ("items" | "additionalProperties", Value::Object(_)) => {
                out.insert(name.clone(), convert_schema(value));
            }
            // A default of the zero value says nothing that v2 clients use.
            ("default", _) => {}
            _ => {
                out.insert(name.clone(), value.clone());
            }
        }
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests;
