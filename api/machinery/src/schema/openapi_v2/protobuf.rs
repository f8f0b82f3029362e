//! Protobuf form of an OpenAPI v2 document: message `openapi.v2.Document` of gnostic's `OpenAPIv2.proto`.
//!
//! Only the fields that [`super::from_v3`] produces are written; the numbers are those of the published schema.

use serde_json::{Map, Value};

/// Encodes a document of [`super::from_v3`].
pub fn encode(document: &Value) -> Vec<u8> {
    let mut out = Message::default();
    out.text(1, &document["swagger"]);
    out.message(2, |info| {
        info.text(1, &document["info"]["title"]);
        info.text(2, &document["info"]["version"]);
    });
    out.message(8, |paths| {
        for (path, item) in fields(&document["paths"]) {
            paths.message(2, |named| {
                named.string(1, path);
                named.message(2, |out| path_item(item, out));
            });
        }
    });
    out.message(9, |definitions| named_schemas(&document["definitions"], definitions));
    for requirement in items(&document["security"]) {
        out.message(12, |out| {
            for (name, _) in fields(requirement) {
                out.message(1, |named| {
                    named.string(1, name);
                    named.message(2, |_| {});
                });
            }
        });
    }
    out.message(13, |definitions| {
        for (name, scheme) in fields(&document["securityDefinitions"]) {
            definitions.message(1, |named| {
                named.string(1, name);
                named.message(2, |item| {
                    item.message(2, |key| {
                        key.text(1, &scheme["type"]);
                        key.text(2, &scheme["name"]);
                        key.text(3, &scheme["in"]);
                        key.text(4, &scheme["description"]);
                    });
                });
            });
        }
    });
    out.0
}

fn path_item(item: &Value, out: &mut Message) {
    for (number, method) in
        [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (6, "options"), (7, "head"), (8, "patch")]
    {
        if let Some(value) = item.get(method) {
            out.message(number, |out| operation(value, out));
        }
    }
    for value in items(&item["parameters"]) {
        out.message(9, |out| parameters_item(value, out));
    }
}

fn operation(operation: &Value, out: &mut Message) {
    out.texts(1, &operation["tags"]);
    out.text(3, &operation["description"]);
    out.text(5, &operation["operationId"]);
    out.texts(6, &operation["produces"]);
    out.texts(7, &operation["consumes"]);
    for value in items(&operation["parameters"]) {
        out.message(8, |out| parameters_item(value, out));
    }
    out.message(9, |responses| {
        for (code, response) in fields(&operation["responses"]) {
            responses.message(1, |named| {
                named.string(1, code);
                named.message(2, |value| {
                    value.message(1, |out| {
                        out.text(1, &response["description"]);
                        if let Some(value) = response.get("schema") {
                            out.message(2, |item| item.message(1, |out| schema(value, out)));
                        }
                    });
                });
            });
        }
    });
    extensions(13, operation, out);
}

/// `ParametersItem { parameter { body | non-body { query | path } } }`.
fn parameters_item(parameter: &Value, out: &mut Message) {
    out.message(1, |out| match parameter["in"].as_str() {
        Some("body") => out.message(1, |out| {
            out.text(2, &parameter["name"]);
            out.text(3, &parameter["in"]);
            out.boolean(4, &parameter["required"]);
            out.message(5, |out| schema(&parameter["schema"], out));
        }),
        Some("path") => out.message(2, |out| {
            out.message(4, |out| {
                described(parameter, out);
                out.text(5, &parameter["type"]);
                out.boolean(19, &parameter["uniqueItems"]);
            });
        }),
        _ => out.message(2, |out| {
            out.message(3, |out| {
                described(parameter, out);
                out.text(6, &parameter["type"]);
                out.boolean(20, &parameter["uniqueItems"]);
            });
        }),
    });
}

fn described(parameter: &Value, out: &mut Message) {
    out.boolean(1, &parameter["required"]);
    out.text(2, &parameter["in"]);
    out.text(3, &parameter["description"]);
    out.text(4, &parameter["name"]);
}

fn named_schemas(schemas: &Value, out: &mut Message) {
    for (name, value) in fields(schemas) {
        out.message(1, |named| {
            named.string(1, name);
            named.message(2, |out| schema(value, out));
        });
    }
}

fn schema(value: &Value, out: &mut Message) {
    out.text(1, &value["$ref"]);
    out.text(2, &value["format"]);
    out.text(4, &value["description"]);
    out.texts(19, &value["required"]);
    if let Some(values @ Value::Object(_)) = value.get("additionalProperties") {
        out.message(21, |item| item.message(1, |out| schema(values, out)));
    }
    if value["type"].is_string() {
        out.message(22, |item| item.text(1, &value["type"]));
    }
    if let Some(one) = value.get("items") {
        out.message(23, |item| item.message(1, |out| schema(one, out)));
    }
    if let Some(properties) = value.get("properties") {
        out.message(25, |out| named_schemas(properties, out));
    }
    extensions(31, value, out);
}

/// `NamedAny { name, Any { yaml } }`; JSON is YAML.
fn extensions(number: u32, of: &Value, out: &mut Message) {
    for (name, value) in fields(of).filter(|(name, _)| name.starts_with("x-")) {
        out.message(number, |named| {
            named.string(1, name);
            named.message(2, |any| any.string(2, &value.to_string()));
        });
    }
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A protobuf message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn key(&mut self, number: u32, wire_type: u32) {
        self.varint(u64::from(number << 3 | wire_type));
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn bytes(&mut self, number: u32, bytes: &[u8]) {
        self.key(number, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn string(&mut self, number: u32, text: &str) {
        self.bytes(number, text.as_bytes());
    }

    fn text(&mut self, number: u32, value: &Value) {
        if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
            self.string(number, text);
        }
    }

    fn texts(&mut self, number: u32, values: &Value) {
        for value in items(values) {
            self.text(number, value);
        }
    }

    fn boolean(&mut self, number: u32, value: &Value) {
        if value.as_bool().unwrap_or_default() {
            self.key(number, 0);
            self.varint(1);
        }
    }

    fn message(&mut self, number: u32, fill: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        fill(&mut inner);
        self.bytes(number, &inner.0);
    }
}
