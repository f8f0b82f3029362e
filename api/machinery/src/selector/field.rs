//! Field selectors: `metadata.name=x,status.phase!=Running`.

use std::fmt;

/// One condition on a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRequirement {
    /// Path of the field, such as `spec.nodeName`.
    pub field: String,
    /// The value, unescaped.
    pub value: String,
    /// `!=` instead of `=`.
    pub negated: bool,
}

/// A field selector: all conditions must hold. The default one has none and matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    requirements: Vec<FieldRequirement>,
}

impl FieldSelector {
    /// Matches every object.
    pub fn everything() -> FieldSelector {
        FieldSelector::default()
    }

    /// One field with one value.
    pub fn one(field: impl Into<String>, value: impl Into<String>) -> FieldSelector {
        let one = FieldRequirement { field: field.into(), value: value.into(), negated: false };
        FieldSelector { requirements: vec![one] }
    }

    /// These conditions, all of them.
    pub fn of(requirements: Vec<FieldRequirement>) -> FieldSelector {
        FieldSelector { requirements }
    }

    /// Reads the string form, as in `?fieldSelector=`. The error is upstream's text.
    pub fn parse(text: &str) -> Result<FieldSelector, String> {
        let mut terms = split_terms(text);
        terms.sort_unstable();
        let mut requirements = Vec::new();
        for term in terms.into_iter().filter(|term| !term.is_empty()) {
            let Some((field, operator, value)) = split_term(term) else {
                return Err(format!("invalid selector: '{text}'; can't understand '{term}'"));
            };
            let requirement =
                FieldRequirement { field: field.into(), value: unescape(value)?, negated: operator == "!=" };
            // Upstream takes nothing that is nothing for everything.
            if !requirement.field.is_empty() || !requirement.value.is_empty() {
                requirements.push(requirement);
            }
        }
        Ok(FieldSelector { requirements })
    }

    /// Whether nothing is asked for.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The conditions.
    pub fn requirements(&self) -> &[FieldRequirement] {
        &self.requirements
    }

    /// Whether an object matches whose fields `lookup` finds; an absent field is empty.
    pub fn matches<'a>(&self, lookup: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|one| (lookup(&one.field).unwrap_or_default() == one.value) != one.negated)
    }

    /// The only value that the field may have, if the selector says so.
    pub fn requires_exact_match(&self, field: &str) -> Option<&str> {
        let one = self.requirements.iter().find(|one| one.field == field && !one.negated)?;
        Some(&one.value)
    }

    /// The first field that is not one of those that a kind supports.
    pub fn unsupported(&self, supported: impl Fn(&str) -> bool) -> Option<&str> {
        self.requirements.iter().map(|one| one.field.as_str()).find(|field| !supported(field))
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, one) in self.requirements.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let operator = match one.negated {
                true => "!=",
                false => "=",
            };
            write!(f, "{comma}{}{operator}{}", one.field, escape(&one.value))?;
        }
        Ok(())
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=")
}

/// Splits at commas that are not escaped.
fn split_terms(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' => {
                terms.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

/// Splits at the first operator.
fn split_term(term: &str) -> Option<(&str, &str, &str)> {
    let at = term
        .bytes()
        .enumerate()
        .position(|(index, byte)| byte == b'=' || term.as_bytes()[index..].starts_with(b"!="))?;
    let operator = ["!=", "==", "="].into_iter().find(|operator| term[at..].starts_with(operator))?;
    Some((&term[..at], operator, &term[at + operator.len()..]))
}

fn unescape(value: &str) -> Result<String, String> {
    if !value.contains(['\\', ',', '=']) {
        return Ok(value.to_string());
    }
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(next @ ('\\' | ',' | '=')) => out.push(next),
                Some(next) => return Err(format!("invalid field selector: invalid escape sequence: \\{next}")),
                None => return Err("invalid field selector: invalid escape sequence: \\".into()),
            },
            // Upstream prints the code point, not the character.
            ',' | '=' => return Err(format!("invalid field selector: unescaped character in value: {}", c as u32)),
            c => out.push(c),
        }
    }
    Ok(out)
}
