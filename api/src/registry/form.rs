//! Kinds that are another kind under other names: served at their own path, stored as the other.

use super::Kind;
use api_machinery::field::ErrorList;
use api_machinery::meta;
use api_machinery::selector::{FieldRequirement, FieldSelector};
use serde_json::Value;

/// How a kind's form follows from that of the kind that is stored.
pub struct Form {
    /// Group of the kind that is stored.
    pub group: &'static str,
    /// Its resource.
    pub resource: &'static str,
    /// Fields of the object itself that have another name: here, and as stored.
    pub fields: &'static [(&'static str, &'static str)],
    /// Labels of selectable fields: here, and as stored. There are no others.
    pub labels: &'static [(&'static str, &'static str)],
    /// What a new object must be beside what is asked of the stored kind.
    pub validate: fn(&Value) -> ErrorList,
    /// What a change must keep.
    pub validate_update: fn(&Value, &Value) -> ErrorList,
}

impl Form {
    /// Makes the stored kind's object.
    pub fn store(&self, object: &mut Value, stored: &Kind) {
        rename(object, self.fields.iter().copied());
        meta::set_gvk(object, &stored.api_version, stored.info.kind);
    }

    /// Makes the object of this kind again.
    pub fn show(&self, object: &mut Value, shown: &Kind) {
        rename(object, self.fields.iter().map(|(here, stored)| (*stored, *here)));
        meta::set_gvk(object, &shown.api_version, shown.info.kind);
    }

    /// The selector in the stored kind's labels; the label that there is not.
    pub fn select(&self, selector: &FieldSelector) -> Result<FieldSelector, String> {
        let requirements = selector.requirements().iter().map(|one| {
            let found = self.labels.iter().find(|(here, _)| *here == one.field);
            let (_, stored) = found.ok_or_else(|| one.field.clone())?;
            Ok(FieldRequirement { field: (*stored).to_owned(), ..one.clone() })
        });
        requirements.collect::<Result<Vec<_>, String>>().map(FieldSelector::of)
    }
}

fn rename(object: &mut Value, names: impl Iterator<Item = (&'static str, &'static str)>) {
    let Some(fields) = object.as_object_mut() else { return };
    for (from, to) in names {
        if let Some(value) = fields.remove(from) {
            fields.insert(to.to_owned(), value);
        }
    }
}
