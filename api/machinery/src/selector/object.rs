//! `metav1.LabelSelector`: the form inside objects.

use serde_json::Value;

use super::label::LabelSelector;
use super::requirement::{Operator, Requirement};
use crate::field::{Error, ErrorList, Path};
use crate::gotext::quote;
use crate::meta::validate_labels;
use crate::names::{is_label_value, is_qualified_name};
use crate::value::{items_at, map_at, str_or_empty};

impl LabelSelector {
    /// Reads a `metav1.LabelSelector`: absent matches nothing, empty everything. The error is upstream's text.
    pub fn from_object(selector: Option<&Value>) -> Result<LabelSelector, String> {
        let Some(selector) = selector.filter(|selector| !selector.is_null()) else {
            return Ok(LabelSelector::nothing());
        };
        let mut requirements = Vec::new();
        for (key, value) in map_at(selector, &["matchLabels"]).into_iter().flatten() {
            let value = value.as_str().unwrap_or_default().to_string();
            requirements.push(Requirement::new(key, Operator::Equals, vec![value])?);
        }
        for expression in items_at(selector, &["matchExpressions"]) {
            let operator = match str_or_empty(expression, &["operator"]) {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => return Err(format!("{} is not a valid label selector operator", quote(other))),
            };
            requirements.push(Requirement::new(str_or_empty(expression, &["key"]), operator, strings(expression))?);
        }
        Ok(LabelSelector::from_requirements(requirements))
    }

    /// All labels of a map must be there with these values: the selector of a Service.
    pub fn from_set<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<LabelSelector, String> {
        labels
            .into_iter()
            .map(|(key, value)| Requirement::new(key, Operator::Equals, vec![value.to_string()]))
            .collect::<Result<_, _>>()
            .map(LabelSelector::from_requirements)
    }
}

/// Validates a `metav1.LabelSelector`; an absent one is fine here.
pub fn validate_label_selector(selector: Option<&Value>, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let Some(selector) = selector else { return errors };
    errors.append(validate_labels(map_at(selector, &["matchLabels"]), &path.child("matchLabels")));
    for (index, expression) in items_at(selector, &["matchExpressions"]).iter().enumerate() {
        let path = path.child("matchExpressions").index(index);
        let (key, operator) = (str_or_empty(expression, &["key"]), str_or_empty(expression, &["operator"]));
        let values = strings(expression);
        match operator {
            "In" | "NotIn" if values.is_empty() => errors
                .push(Error::required(&path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'")),
            "Exists" | "DoesNotExist" if !values.is_empty() => errors.push(Error::forbidden(
                &path.child("values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            )),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => errors.push(Error::invalid(&path.child("operator"), operator, "not a valid selector operator")),
        }
        for complaint in is_qualified_name(key) {
            errors.push(Error::invalid(&path.child("key"), key, complaint));
        }
        for (index, value) in values.iter().enumerate() {
            for complaint in is_label_value(value) {
                errors.push(Error::invalid(&path.child("values").index(index), value.as_str(), complaint));
            }
        }
    }
    errors
}

fn strings(expression: &Value) -> Vec<String> {
    items_at(expression, &["values"]).iter().filter_map(Value::as_str).map(String::from).collect()
}
