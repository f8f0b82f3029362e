//! RFC 3339 timestamps: `metav1.Time` (seconds) and `metav1.MicroTime`. The clock is always an argument.

use crate::gotext::quote;
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimeParser;

static PARSER: DateTimeParser = DateTimeParser::new();

/// `2026-11-21T10:04:00Z`.
pub fn format_seconds(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `2026-11-21T10:04:00.123456Z`, always with six digits.
pub fn format_micros(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// The moment a timestamp names, with any offset. `None` if it is not RFC 3339.
pub fn parse(text: &str) -> Option<Timestamp> {
    if !looks_like_rfc3339(text) {
        return None;
    }
    PARSER.parse_timestamp(text).ok()
}

/// Seconds since 1970 of a timestamp.
pub fn parse_seconds(text: &str) -> Option<i64> {
    parse(text).map(Timestamp::as_second)
}

/// The same, where the kind of timestamp has its own layout: microseconds take exactly six digits.
pub fn parse_as(text: &str, layout: Layout) -> Option<Timestamp> {
    parse(text).filter(|_| layout == Layout::Seconds || parse_micros(&text[19..]).is_ok())
}

/// The complaint of Go's `time.Parse` about a text that is no timestamp.
pub fn parse_error(text: &str, layout: Layout) -> String {
    let quoted = quote(text);
    match complaint(text, layout) {
        Complaint::Part { rest, part } => {
            format!("parsing time {quoted} as {}: cannot parse {} as {}", quote(layout.go()), quote(rest), quote(part))
        }
        Complaint::Range(what) => format!("parsing time {quoted}: {what} out of range"),
        Complaint::Extra(rest) => format!("parsing time {quoted}: extra text: {}", quote(rest)),
    }
}

enum Complaint<'a> {
    Part { rest: &'a str, part: &'static str },
    Range(&'static str),
    Extra(&'a str),
}

/// Walks a text along the layout, as Go does.
fn complaint(text: &str, layout: Layout) -> Complaint<'_> {
    // The part, its digits, and what it may be: a month from 1 to 12.
    const PARTS: [(&str, usize, std::ops::RangeInclusive<u32>, &str); 6] = [
        ("2006", 4, 0..=9999, "year"),
        ("01", 2, 1..=12, "month"),
        ("02", 2, 0..=31, "day"),
        ("15", 2, 0..=23, "hour"),
        ("04", 2, 0..=59, "minute"),
        ("05", 2, 0..=59, "second"),
    ];
    const BETWEEN: [&str; 5] = ["-", "-", "T", ":", ":"];
    let mut rest = text;
    for (index, (part, digits, range, name)) in PARTS.into_iter().enumerate() {
        let number = rest.get(..digits).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(number) = number.and_then(|number| number.parse().ok()) else {
            return Complaint::Part { rest, part };
        };
        if !range.contains(&number) {
            return Complaint::Range(name);
        }
        rest = &rest[digits..];
        if let Some(between) = BETWEEN.get(index) {
            match rest.strip_prefix(between) {
                Some(after) => rest = after,
                None => return Complaint::Part { rest, part: between },
            }
        }
    }
    if layout == Layout::Micros {
        match parse_micros(rest) {
            Ok(after) => rest = after,
            Err(complaint) => return complaint,
        }
    } else if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    match (rest.strip_prefix('Z'), rest.as_bytes()) {
        (Some(""), _) => Complaint::Range("day"),
        (Some(after), _) => Complaint::Extra(after),
        (None, [b'+' | b'-', _, _, b':', _, _, ..]) if rest.len() > 6 => Complaint::Extra(&rest[6..]),
        _ => Complaint::Part { rest, part: "Z07:00" },
    }
}

/// What follows six digits of a second, if that may be a zone.
fn parse_micros(rest: &str) -> Result<&str, Complaint<'_>> {
    let digits = rest.strip_prefix('.').and_then(|fraction| fraction.get(..6));
    match digits {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => match &rest[7..] {
            zone if zone.starts_with(['Z', '+', '-']) => Ok(zone),
            rest => Err(Complaint::Part { rest, part: "Z07:00" }),
        },
        _ => Err(Complaint::Part { rest, part: ".000000" }),
    }
}

/// Go's layouts of the two kinds of timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `metav1.Time`.
    Seconds,
    /// `metav1.MicroTime`.
    Micros,
}

impl Layout {
    fn go(self) -> &'static str {
        match self {
            Layout::Seconds => "2006-01-02T15:04:05Z07:00",
            Layout::Micros => "2006-01-02T15:04:05.000000Z07:00",
        }
    }
}

/// jiff accepts more than RFC 3339 (spaces, missing seconds, offsets without a colon); Go does not.
fn looks_like_rfc3339(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 20
        || bytes[4] != b'-'
        || bytes[7] != b'-'
        || bytes[10] != b'T'
        || bytes[13] != b':'
        || bytes[16] != b':'
    {
        return false;
    }
    let zone = &bytes[19..];
    let zone = match zone.strip_prefix(b".") {
        Some(fraction) => &fraction[fraction.iter().take_while(|byte| byte.is_ascii_digit()).count()..],
        None => zone,
    };
    zone == b"Z" || (zone.len() == 6 && matches!(zone[0], b'+' | b'-') && zone[3] == b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_print_and_parse() {
        let moment = parse("2026-11-21T10:04:05.123456789+01:00").unwrap();
        assert_eq!(format_seconds(moment), "2026-11-21T09:04:05Z");
        assert_eq!(format_micros(moment), "2026-11-21T09:04:05.123456Z");
        assert_eq!(parse_seconds("1970-01-01T00:01:00Z"), Some(60));
        for bad in [
            "",
            "now",
            "2026-11-21",
            "2026-11-21 10:04:05Z",
            "2026-11-21T10:04Z",
            "2026-13-21T10:04:05Z",
            "2026-11-21T10:04:05",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(
            parse_error("x", Layout::Seconds),
            "parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as \"2006\""
        );
    }

    #[test]
    fn what_is_no_timestamp_gets_gos_complaint() {
        let seconds = "\"2006-01-02T15:04:05Z07:00\"";
        let micros = "\"2006-01-02T15:04:05.000000Z07:00\"";
        let cases = [
            ("2020-13-01T00:00:00Z", Layout::Seconds, ": month out of range".to_owned()),
            ("2020-01-01T24:00:00Z", Layout::Seconds, ": hour out of range".to_owned()),
            ("2020-02-30T00:00:00Z", Layout::Seconds, ": day out of range".to_owned()),
            ("2020-01-01", Layout::Seconds, format!(" as {seconds}: cannot parse \"\" as \"T\"")),
            ("2020-01-01T00:00:00", Layout::Seconds, format!(" as {seconds}: cannot parse \"\" as \"Z07:00\"")),
            ("2020-01-01T00:00:00Zx", Layout::Seconds, ": extra text: \"x\"".to_owned()),
            ("2020-01-01T00:00:00Z", Layout::Micros, format!(" as {micros}: cannot parse \"Z\" as \".000000\"")),
            ("2020-01-01T00:00:00.5Z", Layout::Micros, format!(" as {micros}: cannot parse \".5Z\" as \".000000\"")),
            (
                "2020-01-01T00:00:00.123456789Z",
                Layout::Micros,
                format!(" as {micros}: cannot parse \"789Z\" as \"Z07:00\""),
            ),
            (
                "2020-01-01T00:00:00.123+01:00",
                Layout::Micros,
                format!(" as {micros}: cannot parse \".123+01:00\" as \".000000\""),
            ),
        ];
        for (text, layout, wanted) in cases {
            assert_eq!(parse_as(text, layout), None, "{text}");
            assert_eq!(parse_error(text, layout), format!("parsing time \"{text}\"{wanted}"));
        }
        for text in ["2020-01-01T00:00:00.000000Z", "2020-01-01T00:00:00.123456+01:00"] {
            assert!(parse_as(text, Layout::Micros).is_some(), "{text}");
        }
        assert!(parse_as("2020-01-01T00:00:00.5Z", Layout::Seconds).is_some(), "seconds take any fraction");
    }
}
