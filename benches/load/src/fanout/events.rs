//! What an event carries, and how it is found again without parsing: at this rate parsing would measure the parser.

use bytes::Bytes;
use memchr::memmem;
use serde_json::json;

const STAMP_KEY: &[u8] = b"\"stamp\":\"";
const ERROR_TYPE: &[u8] = b"\"type\":\"ERROR\"";

/// Which write an event tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The object written.
    pub(super) object: usize,
    /// The write's number among those of the object.
    pub(super) number: u64,
    /// When it was due, from the writer's epoch.
    pub(super) due_microseconds: u64,
}

/// What a line of a watch says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A write of ours.
    Write(Stamp),
    /// The server ends the watch.
    Error,
    /// Something else that lives in the namespace.
    Other,
}

/// The name of an object.
pub(super) fn object_name(object: usize) -> String {
    format!("fanout-{object}")
}

/// The whole object as the write leaves it; its value holds `value_bytes` beside the stamp.
pub(super) fn update(stamp: Stamp, value_bytes: usize) -> Bytes {
    let Stamp { object, number, due_microseconds } = stamp;
    let body = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": object_name(object) },
        "data": { "stamp": format!("{object} {number} {due_microseconds}"), "value": "x".repeat(value_bytes) },
    });
    Bytes::from(body.to_string())
}

/// Reads a line of a watch.
pub(super) fn read(line: &[u8]) -> Line {
    if let Some(stamp) = stamp(line) {
        return Line::Write(stamp);
    }
    if memmem::find(line, ERROR_TYPE).is_some() { Line::Error } else { Line::Other }
}

fn stamp(line: &[u8]) -> Option<Stamp> {
    let from = memmem::find(line, STAMP_KEY)? + STAMP_KEY.len();
    let rest = &line[from..];
    let text = std::str::from_utf8(&rest[..memchr::memchr(b'"', rest)?]).ok()?;
    let mut fields = text.split(' ');
    let object = fields.next()?.parse().ok()?;
    let number = fields.next()?.parse().ok()?;
    let due_microseconds = fields.next()?.parse().ok()?;
    Some(Stamp { object, number, due_microseconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_again_in_an_event() {
        let stamp = Stamp { object: 3, number: 12, due_microseconds: 34_567 };
        let object = String::from_utf8(update(stamp, 8).to_vec()).unwrap();
        let line = format!(r#"{{"type":"MODIFIED","object":{object}}}"#);
        assert_eq!(read(line.as_bytes()), Line::Write(stamp));
    }

    #[test]
    fn errors_and_strangers_are_told_apart() {
        assert_eq!(read(br#"{"type":"ERROR","object":{"kind":"Status","code":410}}"#), Line::Error);
        assert_eq!(read(br#"{"type":"ADDED","object":{"kind":"ConfigMap"}}"#), Line::Other);
    }
}
