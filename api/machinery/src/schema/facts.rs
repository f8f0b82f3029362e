//! The table in memory, and how it is loaded.

use std::collections::HashMap;

use serde_json::Value;

use super::Schema;
use super::pointers::is_pointer;
use crate::gvk::GroupVersionKind;

/// One type of the API.
#[derive(Debug)]
pub struct Definition {
    /// OpenAPI name, such as `io.k8s.api.core.v1.PodSpec`.
    pub name: Box<str>,
    /// Set if the JSON form is not a map of fields.
    pub scalar: Option<Scalar>,
    /// Whether a patch replaces it whole.
    pub atomic: bool,
    /// Fields that are always written.
    pub required: Vec<Box<str>>,
    /// The kinds it describes; most types describe none.
    pub kinds: Vec<GroupVersionKind>,
    pub(super) fields: Vec<(Box<str>, Field)>,
}

impl Definition {
    /// A field by its JSON name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        let index = self.fields.binary_search_by(|(field, _)| (**field).cmp(name)).ok()?;
        Some(&self.fields[index].1)
    }

    /// All fields, by name.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Field)> {
        self.fields.iter().map(|(name, field)| (&**name, field))
    }

    /// Name without the package: `PodSpec`.
    pub fn short_name(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }

    /// Whether a field is always written.
    pub fn requires(&self, name: &str) -> bool {
        self.required.iter().any(|field| **field == *name)
    }
}

/// Types whose JSON form has rules of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// `resource.Quantity`.
    Quantity,
    /// `metav1.Time`.
    Time,
    /// `metav1.MicroTime`.
    MicroTime,
    /// `intstr.IntOrString`.
    IntOrString,
    /// Any JSON.
    Any,
}

/// One field, list item or map value.
#[derive(Debug)]
pub struct Field {
    /// Its type.
    pub shape: Shape,
    /// Whether a zero is more than an absent field (a pointer in Go).
    pub pointer: bool,
    /// How a list merges when it is applied.
    pub list: Option<ListKind>,
    /// Keys of a list that is a map, for server-side apply.
    pub map_keys: Vec<Box<str>>,
    /// Whether a map is replaced whole when it is applied.
    pub atomic: bool,
    /// Key by which a strategic merge patch merges the items of a list.
    pub patch_key: Option<Box<str>>,
    /// What a strategic merge patch does with it.
    pub patch: PatchStrategy,
    /// The values that documents name; empty where any will do. Validation is not made from it.
    pub values: Vec<Box<str>>,
}

/// The type of a field.
#[derive(Debug)]
pub enum Shape {
    /// Text.
    String,
    /// Base64.
    Bytes,
    /// True or false.
    Boolean,
    /// 32-bit integer.
    Int32,
    /// 64-bit integer.
    Int64,
    /// Floating point.
    Double,
    /// Another definition: see [`Schema::at`].
    Ref(u16),
    /// Items of one type.
    List(Box<Field>),
    /// Text keys, values of one type.
    Map(Box<Field>),
    /// A map of anything.
    Any,
}

/// `x-kubernetes-list-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// Replaced whole.
    Atomic,
    /// Unique scalars.
    Set,
    /// Items with keys.
    Map,
}

impl ListKind {
    /// As in OpenAPI.
    pub fn name(self) -> &'static str {
        match self {
            ListKind::Atomic => "atomic",
            ListKind::Set => "set",
            ListKind::Map => "map",
        }
    }
}

/// `x-kubernetes-patch-strategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PatchStrategy {
    /// Lists merge instead of being replaced.
    pub merge: bool,
    /// A patch names the keys that stay (a union).
    pub retain_keys: bool,
}

impl PatchStrategy {
    /// As in OpenAPI; `None` for the default, which is to replace.
    pub fn name(self) -> Option<&'static str> {
        match (self.merge, self.retain_keys) {
            (true, true) => Some("merge,retainKeys"),
            (true, false) => Some("merge"),
            (false, true) => Some("retainKeys"),
            (false, false) => None,
        }
    }
}

/// Reads the generated table, which this crate carries: a mistake in it is a mistake of the build.
pub(super) fn load(text: &str, enums: &str) -> Schema {
    let table: Value = serde_json::from_str(text).expect("the generated table is JSON");
    let table = table.as_object().expect("the generated table is a map of definitions");
    let enums: Value = serde_json::from_str(enums).expect("the generated table of values is JSON");
    // The map is sorted, so the index of a name is its place in the order.
    let by_name: HashMap<Box<str>, u16> =
        table.keys().enumerate().map(|(index, name)| (name.as_str().into(), index as u16)).collect();
    let definitions: Vec<Definition> =
        table.iter().map(|(name, facts)| definition(name, facts, &enums[name.as_str()], &by_name)).collect();
    let mut by_kind = HashMap::new();
    for (index, definition) in definitions.iter().enumerate() {
        for kind in &definition.kinds {
            by_kind.insert(kind.clone(), index as u16);
        }
    }
    Schema { definitions, by_name, by_kind }
}

fn definition(name: &str, facts: &Value, enums: &Value, by_name: &HashMap<Box<str>, u16>) -> Definition {
    let scalar = facts["scalar"].as_str().map(|scalar| match scalar {
        "quantity" => Scalar::Quantity,
        "time" => Scalar::Time,
        "microTime" => Scalar::MicroTime,
        "intOrString" => Scalar::IntOrString,
        _ => Scalar::Any,
    });
    let kinds = facts["kinds"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let short_name = name.rsplit('.').next().unwrap_or(name);
    let fields = facts["fields"].as_object().into_iter().flatten().map(|(name, facts)| {
        let pointer = is_pointer(short_name, name);
        let mut field = Field { pointer, values: strings(&enums[name.as_str()]), ..field(facts, by_name) };
        if let Shape::List(item) = &mut field.shape {
            item.values = strings(&enums[format!("{name}[]").as_str()]);
        }
        (name.as_str().into(), field)
    });
    Definition {
        name: name.into(),
        scalar,
        atomic: facts["mapType"] == "atomic",
        required: strings(&facts["required"]),
        kinds: kinds.map(|kind| GroupVersionKind::new(text(&kind[0]), text(&kind[1]), text(&kind[2]))).collect(),
        fields: fields.collect(),
    }
}

fn field(facts: &Value, by_name: &HashMap<Box<str>, u16>) -> Field {
    let shape = match facts["ref"].as_str() {
        Some(name) => Shape::Ref(by_name[name]),
        None => match (facts["type"].as_str().unwrap_or_default(), facts["format"].as_str()) {
            ("string", Some("byte")) => Shape::Bytes,
            ("string", _) => Shape::String,
            ("boolean", _) => Shape::Boolean,
            ("integer", Some("int64")) => Shape::Int64,
            ("integer", _) => Shape::Int32,
            ("number", _) => Shape::Double,
            ("array", _) => Shape::List(Box::new(field(&facts["items"], by_name))),
            _ => match facts.get("values") {
                Some(values) => Shape::Map(Box::new(field(values, by_name))),
                None => Shape::Any,
            },
        },
    };
    let patch = facts["patch"].as_str().unwrap_or_default();
    Field {
        shape,
        pointer: false,
        list: match facts["listType"].as_str() {
            Some("map") => Some(ListKind::Map),
            Some("set") => Some(ListKind::Set),
            Some("atomic") => Some(ListKind::Atomic),
            _ => None,
        },
        map_keys: strings(&facts["mapKeys"]),
        atomic: facts["mapType"] == "atomic",
        patch_key: facts["patchKey"].as_str().map(Into::into),
        patch: PatchStrategy {
            merge: patch.split(',').any(|one| one == "merge"),
            retain_keys: patch.split(',').any(|one| one == "retainKeys"),
        },
        values: Vec::new(),
    }
}

fn strings(list: &Value) -> Vec<Box<str>> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect()
}
