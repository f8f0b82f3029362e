//! Kubernetes quantities as integers (upstream: `resource.Quantity` `Value` and `MilliValue`, which round up).

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// The value in thousandths, rounded up; what cannot be read counts as 0.
pub fn milli(quantity: &Quantity) -> i64 {
    scaled(&quantity.0, 1000).unwrap_or(0)
}

/// The value in whole units, rounded up; what cannot be read counts as 0.
pub fn value(quantity: &Quantity) -> i64 {
    scaled(&quantity.0, 1).unwrap_or(0)
}

/// `text * scale`, rounded up, saturating.
fn scaled(text: &str, scale: i128) -> Option<i64> {
    let digits_end =
        text.find(|character: char| !matches!(character, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits_end);
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (multiplier, divisor) = factor(suffix)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let fraction_scale = 10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let numerator = digits.checked_mul(multiplier)?.checked_mul(scale)?;
    let denominator = divisor.checked_mul(fraction_scale)?;
    let rounded = if negative { -(numerator / denominator) } else { (numerator + denominator - 1) / denominator };
    Some(i64::try_from(rounded).unwrap_or(i64::MAX))
}

/// What a suffix multiplies and divides by.
fn factor(suffix: &str) -> Option<(i128, i128)> {
    const KI: i128 = 1024;
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "k" => (1000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (KI, 1),
        "Mi" => (KI.pow(2), 1),
        "Gi" => (KI.pow(3), 1),
        "Ti" => (KI.pow(4), 1),
        "Pi" => (KI.pow(5), 1),
        "Ei" => (KI.pow(6), 1),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10i128.checked_pow(exponent.unsigned_abs())?;
            if exponent >= 0 { (power, 1) } else { (1, power) }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_round_up_to_the_unit_asked_for() {
        for (text, in_milli, in_units) in [
            ("1", 1000, 1),
            ("100m", 100, 1),
            ("1.5", 1500, 2),
            ("0.1", 100, 1),
            ("1Gi", 1_073_741_824_000, 1_073_741_824),
            ("128Mi", 134_217_728_000, 134_217_728),
            ("2k", 2_000_000, 2000),
            ("1e3", 1_000_000, 1000),
            ("1u", 1, 1),
            ("0", 0, 0),
            ("nonsense", 0, 0),
        ] {
            let quantity = Quantity(text.to_owned());
            assert_eq!((milli(&quantity), value(&quantity)), (in_milli, in_units), "{text}");
        }
    }
}
