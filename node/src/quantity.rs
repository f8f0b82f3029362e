//! Amounts such as `100m`, `1.5Gi` or `2e3`, as whole numbers of thousandths.

/// Thousandths of the unit, rounded up; `None` for what is no amount.
pub fn milli(text: &str) -> Option<i128> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '+' && c != '-').unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits_end);
    let (negative, number) = match number.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (times, divided) = scale(suffix)?;
    let divided = divided.checked_mul(10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?)?;
    let value = div_ceil(mantissa.checked_mul(times)?.checked_mul(1000)?, divided);
    Some(if negative { -value } else { value })
}

/// Whole units, rounded up.
pub fn units(text: &str) -> Option<i128> {
    Some(div_ceil(milli(text)?, 1000))
}

/// Whole units as text with the largest suffix that fits, of the kind (powers of 1024 or of 1000) that `like` has.
pub fn format(units: i128, like: &str) -> String {
    let (base, suffixes): (i128, [&str; 6]) = match like.ends_with('i') {
        true => (1024, ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]),
        false => (1000, ["k", "M", "G", "T", "P", "E"]),
    };
    let (mut number, mut suffix) = (units, "");
    for next in suffixes {
        if number == 0 || number % base != 0 {
            break;
        }
        (number, suffix) = (number / base, next);
    }
    format!("{number}{suffix}")
}

/// Division that rounds up.
pub fn div_ceil(value: i128, by: i128) -> i128 {
    value.div_euclid(by) + i128::from(value.rem_euclid(by) != 0)
}

fn scale(suffix: &str) -> Option<(i128, i128)> {
    Some(match suffix {
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "" => (1, 1),
        "k" => (1000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10i128.checked_pow(exponent.unsigned_abs())?;
            if exponent < 0 { (1, power) } else { (power, 1) }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_in_thousandths_and_rounded_up() {
        for (text, want) in [
            ("100m", Some(100)),
            ("1.5", Some(1500)),
            ("1Ki", Some(1_024_000)),
            ("0.5Gi", Some(536_870_912_000)),
            ("2e3", Some(2_000_000)),
            ("1n", Some(1)),
            ("-1", Some(-1000)),
            (".5", Some(500)),
            ("", None),
            ("1X", None),
        ] {
            assert_eq!(milli(text), want, "{text}");
        }
        assert_eq!(units("1500m"), Some(2));
        for (units, like, want) in
            [(3 << 20, "1Mi", "3Mi"), (1536, "1Ki", "1536"), (2_000_000, "1G", "2M"), (0, "1Mi", "0")]
        {
            assert_eq!(format(units, like), want);
        }
    }
}
