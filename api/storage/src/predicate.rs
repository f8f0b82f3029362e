//! Selectors, evaluated against the header of an object without touching its JSON.

use crate::stored::Stored;
use api_machinery::selector::{FieldSelector, LabelSelector};

/// Label and field selectors of a list or watch.
#[derive(Clone, Debug, Default)]
pub struct Predicate {
    labels: Option<LabelSelector>,
    fields: Option<FieldSelector>,
    namespace: Option<Box<str>>,
}

impl Predicate {
    /// Everything.
    pub fn everything() -> Self {
        Self::default()
    }

    /// What both selectors select.
    pub fn new(labels: LabelSelector, fields: FieldSelector) -> Self {
        Self {
            labels: Some(labels).filter(|labels| !labels.is_everything()),
            fields: Some(fields).filter(|fields| !fields.is_everything()),
            namespace: None,
        }
    }

    /// What a label selector selects.
    pub fn labels(labels: LabelSelector) -> Self {
        Self::new(labels, FieldSelector::everything())
    }

    /// What a field selector selects.
    pub fn fields(fields: FieldSelector) -> Self {
        Self::new(LabelSelector::everything(), fields)
    }

    /// Whether every object matches.
    pub fn matches_all(&self) -> bool {
        self.labels.is_none() && self.fields.is_none() && self.namespace.is_none()
    }

    /// Whether an object matches.
    pub fn matches(&self, object: &Stored) -> bool {
        self.namespace.as_deref().is_none_or(|namespace| object.namespace() == Some(namespace))
            && self.fields.as_ref().is_none_or(|fields| fields.matches(|name| object.field(name)))
            && self.labels.as_ref().is_none_or(|labels| labels.matches(|key| object.label(key)))
    }

    /// The only value that a field may have, if the selectors say so.
    pub(crate) fn exact_field(&self, field: &str) -> Option<&str> {
        self.fields.as_ref()?.requires_exact_match(field)
    }

    /// The same, and in this namespace.
    pub(crate) fn in_namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.into());
        self
    }
}
