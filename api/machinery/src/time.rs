//! RFC 3339 timestamps: `metav1.Time` (seconds) and `metav1.MicroTime`. The clock is always an argument.

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

/// The complaint of Go's `time.Parse` about a text that is no timestamp; `layout` is Go's.
pub fn parse_error(text: &str, layout: Layout) -> String {
    let layout = layout.go();
    let quoted = crate::gotext::quote(text);
    format!("parsing time {quoted} as \"{layout}\": cannot parse {quoted} as \"2006\"")
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
}
