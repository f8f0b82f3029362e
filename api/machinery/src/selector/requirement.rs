//! One condition of a label selector, and when it holds.

use std::fmt;

use serde_json::Value;

use crate::field::{Error, ErrorList, Path};
use crate::names::{is_label_value, is_qualified_name};

/// How a requirement relates its key and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `key=value`.
    Equals,
    /// `key==value`.
    DoubleEquals,
    /// `key!=value`; also matches without the key.
    NotEquals,
    /// `key in (a,b)`.
    In,
    /// `key notin (a,b)`; also matches without the key.
    NotIn,
    /// `key`.
    Exists,
    /// `!key`.
    DoesNotExist,
    /// `key>1`.
    GreaterThan,
    /// `key<1`.
    LessThan,
}

/// One condition of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    pub(super) key: String,
    pub(super) operator: Operator,
    pub(super) values: Vec<String>,
    /// Bound of [`Operator::GreaterThan`] and [`Operator::LessThan`], parsed once.
    bound: i64,
}

impl Requirement {
    /// Checks key and values; the error is upstream's text.
    pub fn new(key: &str, operator: Operator, values: Vec<String>) -> Result<Requirement, String> {
        let mut errors = ErrorList::new();
        errors.extend(check_key(key, Some(&Path::root("key"))));
        let at = Path::root("values");
        let mut refuse = |detail: &str| errors.push(Error::invalid(&at, Value::from(values.clone()), detail));
        let mut bound = 0;
        match operator {
            Operator::In | Operator::NotIn if values.is_empty() => {
                refuse("for 'in', 'notin' operators, values set can't be empty");
            }
            Operator::Equals | Operator::DoubleEquals | Operator::NotEquals if values.len() != 1 => {
                refuse("exact-match compatibility requires one single value");
            }
            Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
                refuse("values set must be empty for exists and does not exist");
            }
            Operator::GreaterThan | Operator::LessThan => {
                if values.len() != 1 {
                    refuse("for 'Gt', 'Lt' operators, exactly one value is required");
                }
                for (index, value) in values.iter().enumerate() {
                    match value.parse() {
                        Ok(number) => bound = number,
                        Err(_) => errors.push(Error::invalid(
                            &at.index(index),
                            value.as_str(),
                            "for 'Gt', 'Lt' operators, the value must be an integer",
                        )),
                    }
                }
            }
            _ => {}
        }
        for (index, value) in values.iter().enumerate() {
            let complaints = is_label_value(value);
            if !complaints.is_empty() {
                errors.push(Error::invalid(&at.index(index).key(key), value.as_str(), complaints.join("; ")));
            }
        }
        match errors.aggregate() {
            Some(text) => Err(text),
            None => Ok(Requirement { key: key.into(), operator, values, bound }),
        }
    }

    /// The label's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The operator.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The values in the order given.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Whether a label with this value, or without it, satisfies the condition.
    pub fn matches(&self, value: Option<&str>) -> bool {
        let listed = |value: &str| self.values.iter().any(|one| one == value);
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => value.is_some_and(listed),
            Operator::NotIn | Operator::NotEquals => !value.is_some_and(listed),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan => number(value).is_some_and(|number| number > self.bound),
            Operator::LessThan => number(value).is_some_and(|number| number < self.bound),
        }
    }
}

fn number(value: Option<&str>) -> Option<i64> {
    value?.parse().ok()
}

/// Refuses a key that no label can have. Without a path the error says `<nil>`, as upstream's parser does.
pub(super) fn check_key(key: &str, path: Option<&Path>) -> Option<Error> {
    let complaints = is_qualified_name(key);
    if complaints.is_empty() {
        return None;
    }
    let nil = Path::root("<nil>");
    Some(Error::invalid(path.unwrap_or(&nil), key, complaints.join("; ")))
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted: Vec<&str> = self.values.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        let (key, values) = (&self.key, sorted.join(","));
        match self.operator {
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}
