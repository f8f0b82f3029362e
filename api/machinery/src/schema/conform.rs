//! Makes a decoded value what Go's typed decoder would have made of it.
//!
//! Wrong types are refused in the words of Go's `encoding/json`, or of the converter that makes typed objects of patched
//! maps ([`Reader`]). Unknown fields are removed and reported with their
//! paths. Values are brought to the form in which upstream would store them: no nulls, no optional fields that are empty
//! or zero (unless Go has a pointer there), canonical quantities, times in UTC. So the bytes that are stored are canonical however they were written.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::{Definition, Field, Scalar, Schema, Shape, go_types};
use crate::quantity::Quantity;
use crate::time::{self, Layout};
use crate::value::type_of;

/// Unknown fields that one body is told about; the rest is removed without a word, as upstream does.
pub const ERRORS_MAX: usize = 100;

/// Which of upstream's readers is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// `encoding/json`: bodies, and what JSON patches and merge patches make.
    Json,
    /// `FromUnstructured`: what strategic merge patches make. It names no field, takes whole numbers written as fractions,
    /// and cuts numbers that are too long.
    Converter,
}

impl Definition {
    /// Checks, prunes and normalizes an object of this type. Returns the complaints about unknown fields
    /// (`unknown field "spec.foo"`), or the error of the first wrong type.
    pub fn conform(&self, value: &mut Value) -> Result<Vec<String>, String> {
        self.conform_as(value, Reader::Json)
    }

    /// The same in another reader's way.
    pub fn conform_as(&self, value: &mut Value, reader: Reader) -> Result<Vec<String>, String> {
        let mut walk = Walk { schema: Schema::get(), unknown: Vec::new(), reader };
        let Some(fields) = value.as_object_mut() else {
            return Err(format!("json: cannot unmarshal {} into Go value of type {}", type_of(value), go_name(self)));
        };
        walk.fields(self, fields, None)?;
        Ok(walk.unknown)
    }
}

/// The way to the value at hand, linked through the stack frames of the walk.
struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    /// A field of a struct, and the struct's Go name.
    Field(&'a str, &'a str),
    Key(&'a str),
    Index(usize),
}

impl At<'_> {
    /// As strict decoding writes it: `spec.containers[0].image`.
    fn path(&self) -> String {
        let mut path = self.parent.map(At::path).unwrap_or_default();
        match self.step {
            Step::Field(name, _) | Step::Key(name) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
            }
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
        path
    }

    /// The name that the type of the value has in Go, where it has one of its own: that of a field, an item, an entry.
    fn named_type(&self) -> Option<&'static str> {
        let of_parent = || self.parent.and_then(At::named_type);
        match self.step {
            Step::Field(name, owner) => go_types::named(owner, name),
            Step::Index(_) => of_parent()?.strip_prefix("[]"),
            Step::Key(_) => of_parent()?.strip_prefix("map[string]"),
        }
    }

    /// As Go's type errors write it: fields of structs only, behind the innermost struct's name. A field of an embedded
    /// struct stands behind that one's name.
    fn go_field(&self) -> String {
        let mut names = Vec::new();
        let mut innermost = None;
        let mut at = Some(self);
        while let Some(here) = at {
            if let Step::Field(name, owner) = here.step {
                innermost.get_or_insert(owner);
                names.push(name);
                names.extend(embedded(owner, name));
            }
            at = here.parent;
        }
        names.reverse();
        format!("{}.{}", innermost.unwrap_or_default(), names.join("."))
    }
}

/// The struct within `owner` that Go finds the field in, where it is not `owner` itself.
fn embedded(owner: &str, field: &str) -> Option<&'static str> {
    let found = match owner {
        "Probe" => (matches!(field, "exec" | "httpGet" | "tcpSocket" | "grpc"), "ProbeHandler"),
        "Volume" => (field != "name", "VolumeSource"),
        "EphemeralContainer" => (field != "targetContainerName", "EphemeralContainerCommon"),
        "ConfigMapEnvSource"
        | "SecretEnvSource"
        | "ConfigMapKeySelector"
        | "SecretKeySelector"
        | "ConfigMapVolumeSource"
        | "ConfigMapProjection"
        | "SecretProjection" => (field == "name", "LocalObjectReference"),
        _ => (false, ""),
    };
    found.0.then_some(found.1)
}

struct Walk {
    schema: &'static Schema,
    unknown: Vec<String>,
    reader: Reader,
}

impl Walk {
    fn fields(
        &mut self,
        definition: &Definition,
        fields: &mut Map<String, Value>,
        parent: Option<&At<'_>>,
    ) -> Result<(), String> {
        let mut removed = Vec::new();
        for (name, value) in fields.iter_mut() {
            let at = At { parent, step: Step::Field(name, definition.short_name()) };
            let Some(field) = definition.field(name) else {
                if self.unknown.len() < ERRORS_MAX {
                    self.unknown.push(format!("unknown field \"{}\"", at.path()));
                }
                removed.push(name.clone());
                continue;
            };
            if value.is_null() {
                removed.push(name.clone());
                continue;
            }
            self.value(field, value, &at)?;
            if says_nothing(value, field) && !definition.requires(name) {
                removed.push(name.clone());
            }
        }
        for name in removed {
            fields.remove(&name);
        }
        Ok(())
    }

    fn value(&mut self, field: &Field, value: &mut Value, at: &At<'_>) -> Result<(), String> {
        if self.reader == Reader::Converter {
            convert_number(&field.shape, value);
        }
        match (&field.shape, &mut *value) {
            (Shape::String, Value::String(_))
            | (Shape::Boolean, Value::Bool(_))
            | (Shape::Double, Value::Number(_)) => Ok(()),
            (Shape::Any, Value::Object(_)) => Ok(()),
            (Shape::Int32, Value::Number(number)) => match number.as_i64().map(i32::try_from) {
                Some(Ok(_)) => Ok(()),
                _ => Err(self.wrong_type(field, value, at)),
            },
            (Shape::Int64, Value::Number(number)) if number.is_i64() => Ok(()),
            (Shape::Bytes, Value::String(text)) => bytes(text).map_err(|error| match self.reader {
                Reader::Json => error,
                Reader::Converter => format!("error decoding from json: {error}"),
            }),
            (Shape::List(item), Value::Array(items)) => {
                for (index, one) in items.iter_mut().enumerate() {
                    self.item(item, one, &At { parent: Some(at), step: Step::Index(index) })?;
                }
                Ok(())
            }
            (Shape::Map(item), Value::Object(entries)) => {
                for (key, one) in entries.iter_mut() {
                    self.item(item, one, &At { parent: Some(at), step: Step::Key(key) })?;
                }
                Ok(())
            }
            (Shape::Ref(index), _) => {
                let definition = self.schema.at(*index);
                match (definition.scalar, &mut *value) {
                    (Some(scalar), _) => {
                        conform_scalar(scalar, value).map_err(|text| match text.split_once("Go value") {
                            Some((head, tail)) if self.reader == Reader::Json => {
                                format!("{head}Go struct field {}{tail}", at.go_field())
                            }
                            _ => text,
                        })
                    }
                    (None, Value::Object(fields)) => self.fields(definition, fields, Some(at)),
                    _ => Err(self.wrong_type(field, value, at)),
                }
            }
            _ => Err(self.wrong_type(field, value, at)),
        }
    }

    /// An item of a list or a map: a null is the zero value of its type.
    fn item(&mut self, field: &Field, value: &mut Value, at: &At<'_>) -> Result<(), String> {
        if value.is_null() {
            *value = self.zero(field);
            return Ok(());
        }
        self.value(field, value, at)
    }

    fn zero(&self, field: &Field) -> Value {
        match &field.shape {
            Shape::String | Shape::Bytes => "".into(),
            Shape::Boolean => false.into(),
            Shape::Int32 | Shape::Int64 | Shape::Double => 0.into(),
            Shape::List(_) => Value::Array(Vec::new()),
            Shape::Map(_) | Shape::Any => Value::Object(Map::new()),
            Shape::Ref(index) => match self.schema.at(*index).scalar {
                Some(Scalar::Quantity) => "0".into(),
                Some(Scalar::IntOrString) => 0.into(),
                Some(Scalar::Time | Scalar::MicroTime | Scalar::Any) => Value::Null,
                None => Value::Object(Map::new()),
            },
        }
    }

    fn wrong_type(&self, field: &Field, value: &Value, at: &At<'_>) -> String {
        if self.reader == Reader::Converter {
            return self.not_convertible(field, value);
        }
        let found = match (&field.shape, value) {
            (Shape::Int32 | Shape::Int64, Value::Number(number)) => format!("number {number}"),
            _ => type_of(value).to_string(),
        };
        let (place, expected) = (at.go_field(), at.named_type().map_or_else(|| self.go_type(field), str::to_owned));
        format!("json: cannot unmarshal {found} into Go struct field {place} of type {expected}")
    }

    /// In the converter's words: Go converts between numbers, and from whole numbers to strings, but not here.
    fn not_convertible(&self, field: &Field, value: &Value) -> String {
        let found = match value {
            Value::Null => "invalid",
            Value::Bool(_) => "bool",
            Value::Number(number) if number.is_i64() || number.is_u64() => "int64",
            Value::Number(_) => "float64",
            Value::String(_) => "string",
            Value::Array(_) => "slice",
            Value::Object(_) => "map",
        };
        match &field.shape {
            Shape::List(_) | Shape::Bytes => format!("cannot restore slice from {found}"),
            Shape::Map(_) | Shape::Any => format!("cannot restore map from {found}"),
            Shape::Ref(_) => format!("cannot restore struct from: {found}"),
            Shape::String if found == "int64" => "cannot convert int64 to string".into(),
            Shape::Int32 | Shape::Int64 if found == "float64" => {
                format!("cannot convert float64 to {}", self.go_type(field))
            }
            _ => format!("unrecognized type: {}", self.go_type(field)),
        }
    }

    fn go_type(&self, field: &Field) -> String {
        match &field.shape {
            Shape::String => "string".into(),
            Shape::Bytes => "[]uint8".into(),
            Shape::Boolean => "bool".into(),
            Shape::Int32 => "int32".into(),
            Shape::Int64 => "int64".into(),
            Shape::Double => "float64".into(),
            Shape::Any => "map[string]interface {}".into(),
            Shape::Ref(index) => go_name(self.schema.at(*index)),
            Shape::List(item) => format!("[]{}", self.go_type(item)),
            Shape::Map(item) => format!("map[string]{}", self.go_type(item)),
        }
    }
}

/// What Go's conversion makes of a number that the field's type has no room for.
fn convert_number(shape: &Shape, value: &mut Value) {
    if !matches!(shape, Shape::Int32 | Shape::Int64) {
        return;
    }
    let Value::Number(number) = &*value else { return };
    // The greatest numbers that doubles tell apart from their neighbours.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    let whole = number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= WHOLE_MAX);
    let Some(mut whole) = number.as_i64().or_else(|| whole.and_then(|whole| format!("{whole:.0}").parse().ok())) else {
        return;
    };
    if matches!(shape, Shape::Int32) {
        let [a, b, c, d, ..] = whole.to_le_bytes();
        whole = i32::from_le_bytes([a, b, c, d]).into();
    }
    *value = whole.into();
}

fn go_name(definition: &Definition) -> String {
    let mut parts = definition.name.rsplit('.');
    let (name, package) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{package}.{name}")
}

/// Whether Go would leave the field out: an empty list or map, or a zero that is not behind a pointer.
fn says_nothing(value: &Value, field: &Field) -> bool {
    match (&field.shape, value) {
        (Shape::List(_), Value::Array(items)) => items.is_empty(),
        (Shape::Map(_), Value::Object(entries)) => entries.is_empty(),
        _ if field.pointer => false,
        (Shape::String | Shape::Bytes, Value::String(text)) => text.is_empty(),
        (Shape::Boolean, Value::Bool(value)) => !value,
        (Shape::Int32 | Shape::Int64, Value::Number(number)) => number.as_i64() == Some(0),
        _ => false,
    }
}

fn conform_scalar(scalar: Scalar, value: &mut Value) -> Result<(), String> {
    match scalar {
        Scalar::Any => Ok(()),
        Scalar::Quantity => {
            let canonical = Quantity::from_value(value).map_err(|error| error.to_string())?.to_string();
            if value.as_str() != Some(&canonical) {
                *value = canonical.into();
            }
            Ok(())
        }
        Scalar::IntOrString => match value {
            Value::String(_) => Ok(()),
            Value::Number(number) if number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()) => Ok(()),
            Value::Number(number) => Err(format!("json: cannot unmarshal number {number} into Go value of type int32")),
            other => Err(format!("json: cannot unmarshal {} into Go value of type int32", type_of(other))),
        },
        Scalar::Time | Scalar::MicroTime => conform_time(scalar, value),
    }
}

fn conform_time(scalar: Scalar, value: &mut Value) -> Result<(), String> {
    let Value::String(text) = value else {
        return Err(format!("json: cannot unmarshal {} into Go value of type string", type_of(value)));
    };
    let layout = if scalar == Scalar::Time { Layout::Seconds } else { Layout::Micros };
    let moment = time::parse_as(text, layout).ok_or_else(|| time::parse_error(text, layout))?;
    let canonical = match layout {
        Layout::Seconds => time::format_seconds(moment),
        Layout::Micros => time::format_micros(moment),
    };
    if *text != canonical {
        *text = canonical;
    }
    Ok(())
}

fn bytes(text: &mut String) -> Result<(), String> {
    if text.contains(['\n', '\r']) {
        text.retain(|c| c != '\n' && c != '\r');
    }
    match STANDARD.decode(&*text) {
        Ok(_) => Ok(()),
        Err(error) => {
            let at = match error {
                base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => text.len() / 4 * 4,
            };
            Err(format!("illegal base64 data at input byte {at}"))
        }
    }
}
