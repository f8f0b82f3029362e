//! `resource.Quantity`: amounts such as `500m`, `1.5Gi`, `2e3`, compared and added exactly and printed canonically.
//!
//! An amount is held in nano units, as upstream rounds anything finer up to the next nano. The form it was written in
//! (binary, decimal, exponent) is kept, because the canonical text depends on it.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

const NANO: i128 = 1_000_000_000;
/// Amounts beyond this are cut to it, as upstream does.
const UNITS_MAX: i128 = i64::MAX as i128;

/// How an amount is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `Ki`, `Mi`, ...
    BinarySi,
    /// `m`, none, `k`, `M`, ...
    DecimalSi,
    /// `e3`, `E6`.
    DecimalExponent,
}

/// A text that is no quantity; displays upstream's complaint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not of the form number and suffix.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    /// Of that form, but there is no such suffix.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// An exact amount.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

impl Quantity {
    /// Nothing.
    pub const ZERO: Quantity = Quantity { nanos: 0, format: Format::DecimalSi };

    /// A whole number.
    pub fn from_units(units: i64, format: Format) -> Quantity {
        Quantity { nanos: i128::from(units) * NANO, format }
    }

    /// Thousandths, as CPUs are counted.
    pub fn from_millis(millis: i64) -> Quantity {
        Quantity { nanos: i128::from(millis) * (NANO / 1000), format: Format::DecimalSi }
    }

    /// Reads the text or number of a field.
    pub fn from_value(value: &Value) -> Result<Quantity, ParseError> {
        match value {
            Value::String(text) => text.parse(),
            Value::Number(number) => number.to_string().parse(),
            Value::Null => Ok(Quantity::ZERO),
            _ => Err(ParseError::Format),
        }
    }

    /// In whole units, rounded up.
    pub fn value(self) -> i64 {
        clamp(ceil_div(self.nanos, NANO))
    }

    /// In thousandths, rounded up.
    pub fn milli_value(self) -> i64 {
        clamp(ceil_div(self.nanos, NANO / 1000))
    }

    /// Whether it is a whole number of units.
    pub fn is_whole(self) -> bool {
        self.nanos % NANO == 0
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// Whether it is less than nothing.
    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// How it is written.
    pub fn format(self) -> Format {
        self.format
    }

    /// The sum, written as this one (as the other if this one is nothing).
    #[must_use]
    pub fn plus(self, other: Quantity) -> Quantity {
        let format = if self.is_zero() { other.format } else { self.format };
        Quantity { nanos: self.nanos.saturating_add(other.nanos), format }
    }

    /// The difference, written as this one (as the other if this one is nothing).
    #[must_use]
    pub fn minus(self, other: Quantity) -> Quantity {
        let format = if self.is_zero() { other.format } else { self.format };
        Quantity { nanos: self.nanos.saturating_sub(other.nanos), format }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Quantity) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Quantity) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Quantity) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl FromStr for Quantity {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Quantity, ParseError> {
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (whole, rest) = rest.split_at(end);
        let (fraction, suffix) = match rest.strip_prefix('.') {
            None => ("", rest),
            Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())),
        };
        if (whole.is_empty() && fraction.is_empty()) || !is_suffix(suffix) {
            return Err(ParseError::Format);
        }
        let (format, multiplier) = multiplier(suffix)?;
        let nanos = scale(whole, fraction, multiplier).min(UNITS_MAX * NANO);
        Ok(Quantity { nanos: if negative { -nanos } else { nanos }, format })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let small = self.nanos.abs() < 1024 * NANO;
        match self.format {
            // Small and fractional amounts lose nothing in decimal.
            Format::BinarySi if !small && self.is_whole() => {
                let (mut number, mut power) = (self.nanos / NANO, 0);
                while power < BINARY.len() && number % 1024 == 0 {
                    number /= 1024;
                    power += 1;
                }
                match power {
                    0 => write!(f, "{number}"),
                    power => write!(f, "{number}{}", BINARY[power - 1]),
                }
            }
            format => {
                let (number, exponent) = canonical_decimal(self.nanos);
                if format == Format::DecimalExponent && exponent != 0 {
                    return write!(f, "{number}e{exponent}");
                }
                let suffix = DECIMAL.iter().find(|(_, at)| *at == exponent).map_or("", |(suffix, _)| suffix);
                write!(f, "{number}{suffix}")
            }
        }
    }
}

/// What a suffix multiplies by: a power of two or of ten.
enum Multiplier {
    Binary(u32),
    Decimal(i32),
}

fn is_suffix(suffix: &str) -> bool {
    let rest = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
    rest.bytes().all(|byte| byte.is_ascii_digit())
}

fn multiplier(suffix: &str) -> Result<(Format, Multiplier), ParseError> {
    if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Ok((Format::DecimalSi, Multiplier::Decimal(*exponent)));
    }
    if let Some(index) = BINARY.iter().position(|name| *name == suffix) {
        return Ok((Format::BinarySi, Multiplier::Binary(10 * (index as u32 + 1))));
    }
    let exponent = suffix.strip_prefix(['e', 'E']).ok_or(ParseError::Suffix)?;
    let exponent = exponent.parse().map_err(|_| ParseError::Suffix)?;
    Ok((Format::DecimalExponent, Multiplier::Decimal(exponent)))
}

/// Nano units of `whole.fraction` times the multiplier, rounded up; saturates.
fn scale(whole: &str, fraction: &str, multiplier: Multiplier) -> i128 {
    const DIGITS_MAX: usize = 36;
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return 0;
    }
    let mut exponent = 9 - fraction.len() as i64;
    let mut factor: i128 = 1;
    match multiplier {
        Multiplier::Binary(bits) => factor = 1 << bits,
        Multiplier::Decimal(power) => exponent += i64::from(power),
    }
    // Digits that i128 cannot hold are either far below a nano or far beyond the largest amount.
    let kept = digits.len().min(DIGITS_MAX);
    exponent += (digits.len() - kept) as i64;
    let lost = digits[kept..].bytes().any(|byte| byte != b'0');
    let mut number: i128 = digits[..kept].parse().unwrap_or(i128::MAX);
    let mut remainder = lost;
    // Divide before multiplying by the factor would lose digits, so a binary factor goes in first where it fits.
    match number.checked_mul(factor) {
        Some(product) => number = product,
        None => return i128::MAX / 2,
    }
    while exponent > 0 {
        number = match number.checked_mul(10) {
            Some(product) => product,
            None => return i128::MAX / 2,
        };
        exponent -= 1;
    }
    while exponent < 0 && number > 0 {
        remainder |= number % 10 != 0;
        number /= 10;
        exponent += 1;
    }
    number + i128::from(remainder || (number == 0))
}

/// The amount as a number without a fraction and the largest power of a thousand.
fn canonical_decimal(nanos: i128) -> (i128, i32) {
    if nanos == 0 {
        return (0, 0);
    }
    let (mut number, mut exponent) = (nanos, -9);
    while number % 1000 == 0 && exponent < 18 {
        number /= 1000;
        exponent += 3;
    }
    (number, exponent)
}

fn ceil_div(number: i128, divisor: i128) -> i128 {
    number.div_euclid(divisor) + i128::from(number.rem_euclid(divisor) != 0)
}

fn clamp(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    #[test]
    fn amounts_print_canonically() {
        let cases = [
            ("0", "0"),
            ("0Ki", "0"),
            ("0n", "0"),
            ("1", "1"),
            ("1000m", "1"),
            ("0.5", "500m"),
            (".5", "500m"),
            ("1.", "1"),
            ("1500m", "1500m"),
            ("1000", "1k"),
            ("1500", "1500"),
            ("1024", "1024"),
            ("1024Ki", "1Mi"),
            ("1Ki", "1Ki"),
            ("1023Ki", "1023Ki"),
            ("0.5Ki", "512"),
            ("1.5Gi", "1536Mi"),
            ("100Mi", "100Mi"),
            ("2e3", "2e3"),
            ("1E3", "1e3"),
            ("1e1", "10"),
            ("12e6", "12e6"),
            ("1E", "1E"),
            ("1e-3", "1e-3"),
            ("-5", "-5"),
            ("-1.5Gi", "-1536Mi"),
            ("+3k", "3k"),
            ("100u", "100u"),
            ("1n", "1n"),
            ("0.1n", "1n"),
            ("0.0000000001", "1n"),
            ("0001.500", "1500m"),
            ("9223372036854775807", "9223372036854775807"),
            ("1Ei", "1Ei"),
            ("7Ei", "7Ei"),
            ("0.3Ki", "307200m"),
            ("128974848", "128974848"),
            ("129e6", "129e6"),
            ("123Mi", "123Mi"),
            ("1.2Mi", "1258291200m"),
        ];
        for (text, want) in cases {
            assert_eq!(quantity(text).to_string(), want, "{text}");
            assert_eq!(quantity(want), quantity(text), "{text}");
        }
        assert_eq!(quantity("99999999999999999999Ei").value(), i64::MAX);
        assert_eq!(quantity("1e400").value(), i64::MAX);
        assert_eq!(quantity("1e-400").to_string(), "1e-9");
    }

    #[test]
    fn bad_quantities_get_upstreams_complaints() {
        for text in ["", "abc", "m", "1x", "1 ", " 1", "1.2.3", "1Kx", "--1", "1.5 Gi", "٣"] {
            assert_eq!(text.parse::<Quantity>(), Err(ParseError::Format), "{text}");
        }
        for text in ["1kk", "1K", "1ki", "1e", "1mi", "1i", "1m3"] {
            assert_eq!(text.parse::<Quantity>().unwrap_err(), ParseError::Suffix, "{text}");
        }
        assert_eq!(
            ParseError::Format.to_string(),
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        );
    }

    #[test]
    fn amounts_compare_add_and_round_up() {
        assert!(quantity("1Gi") > quantity("1G"));
        assert_eq!(quantity("1k"), quantity("1000"));
        assert_eq!(quantity("1").plus(quantity("500m")).to_string(), "1500m");
        assert_eq!(Quantity::ZERO.plus(quantity("1Gi")).to_string(), "1Gi");
        assert_eq!(quantity("1Gi").minus(quantity("512Mi")).to_string(), "512Mi");
        assert_eq!((quantity("1.1").value(), quantity("1.1").milli_value()), (2, 1100));
        assert_eq!(quantity("-1.1").value(), -1);
        assert_eq!(quantity("100u").milli_value(), 1);
        assert_eq!(Quantity::from_value(&serde_json::json!(0.5)).unwrap().to_string(), "500m");
        assert_eq!(Quantity::from_value(&serde_json::json!(true)), Err(ParseError::Format));
    }
}
