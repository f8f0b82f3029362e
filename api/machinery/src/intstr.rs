//! `intstr.IntOrString`: a number or a percentage.

use serde_json::Value;

use crate::gotext::quote;

/// A number, or text that is a percentage or a port's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntOrString<'a> {
    /// A number.
    Int(i64),
    /// A text.
    String(&'a str),
}

impl<'a> IntOrString<'a> {
    /// Reads a field; `None` if it is neither.
    pub fn from_value(value: &'a Value) -> Option<IntOrString<'a>> {
        match value {
            Value::Number(number) => number.as_i64().map(IntOrString::Int),
            Value::String(text) => Some(IntOrString::String(text)),
            _ => None,
        }
    }

    /// The number itself, or the percentage of `total`, rounded up or down. The error is upstream's text.
    pub fn scaled(self, total: i64, round_up: bool) -> Result<i64, String> {
        match self {
            IntOrString::Int(number) => Ok(number),
            IntOrString::String(text) => {
                let percent = percent(text).map_err(|error| format!("invalid value for IntOrString: {error}"))?;
                let product = i128::from(percent) * i128::from(total);
                let rounded = product.div_euclid(100) + i128::from(round_up && product.rem_euclid(100) != 0);
                Ok(i64::try_from(rounded).unwrap_or(i64::MAX))
            }
        }
    }
}

fn percent(text: &str) -> Result<i64, String> {
    let digits = text.strip_suffix('%').ok_or("invalid type: string is not a percentage")?;
    digits
        .parse()
        .map_err(|_| format!("invalid value {}: strconv.Atoi: parsing {}: invalid syntax", quote(text), quote(digits)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn percentages_scale_and_round() {
        let cases = [
            (json!(3), 10, true, Ok(3)),
            (json!("25%"), 10, true, Ok(3)),
            (json!("25%"), 10, false, Ok(2)),
            (json!("0%"), 10, true, Ok(0)),
            (json!("x"), 10, true, Err("invalid value for IntOrString: invalid type: string is not a percentage")),
            (
                json!("x%"),
                10,
                true,
                Err("invalid value for IntOrString: invalid value \"x%\": strconv.Atoi: parsing \"x\": invalid syntax"),
            ),
        ];
        for (value, total, up, want) in cases {
            let got = IntOrString::from_value(&value).unwrap().scaled(total, up);
            assert_eq!(got, want.map_err(String::from), "{value}");
        }
        assert_eq!(IntOrString::from_value(&json!(true)), None);
    }
}
