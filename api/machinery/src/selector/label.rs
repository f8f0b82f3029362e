//! What a label selector is, and when it matches.

use std::fmt;

use serde_json::Value;

use super::parser;
use super::requirement::{Operator, Requirement};

/// A label selector: all conditions must hold. The default one has none and matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    pub(super) requirements: Vec<Requirement>,
    pub(super) nothing: bool,
}

impl LabelSelector {
    /// Matches every object.
    pub fn everything() -> LabelSelector {
        LabelSelector::default()
    }

    /// Matches no object: what an absent `LabelSelector` field means.
    pub fn nothing() -> LabelSelector {
        LabelSelector { requirements: Vec::new(), nothing: true }
    }

    /// All of these conditions.
    pub fn from_requirements(mut requirements: Vec<Requirement>) -> LabelSelector {
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        LabelSelector { requirements, nothing: false }
    }

    /// Reads the string form, as in `?labelSelector=`. The error is upstream's text.
    pub fn parse(text: &str) -> Result<LabelSelector, String> {
        parser::parse(text).map(LabelSelector::from_requirements)
    }

    /// Whether nothing is asked for.
    pub fn is_everything(&self) -> bool {
        !self.nothing && self.requirements.is_empty()
    }

    /// Whether no object can match by construction.
    pub fn is_nothing(&self) -> bool {
        self.nothing
    }

    /// The conditions, by key.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether an object matches whose labels `lookup` finds.
    pub fn matches<'a>(&self, lookup: impl Fn(&str) -> Option<&'a str>) -> bool {
        !self.nothing && self.requirements.iter().all(|one| one.matches(lookup(&one.key)))
    }

    /// Whether the labels of an object's metadata match.
    pub fn matches_object(&self, object: &Value) -> bool {
        let labels = crate::meta::labels(object);
        self.matches(|key| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str))
    }

    /// The only value that the label may have, if the selector says so.
    pub fn requires_exact_match(&self, key: &str) -> Option<&str> {
        let one = self.requirements.iter().find(|one| one.key == key)?;
        match (one.operator, one.values.as_slice()) {
            (Operator::Equals | Operator::DoubleEquals | Operator::In, [value]) => Some(value),
            _ => None,
        }
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, one) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            one.fmt(f)?;
        }
        Ok(())
    }
}
