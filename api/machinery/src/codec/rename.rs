//! An encoded object under other names: for kinds whose stored form is another kind's.

use bytes::{BufMut, BytesMut};

/// Appends an object with other names for its own fields and another `apiVersion`. The object must be as
/// [`super::encode`] writes it. What the fields hold is copied; empty strings are left out, as Go does.
pub fn rename_into(object: &[u8], api_version: &str, names: &[(&str, &str)], out: &mut BytesMut) {
    let mut separator = b'{';
    let mut at = 1;
    while object.get(at) == Some(&b'"') {
        let key_end = value_end(object, at);
        let end = value_end(object, key_end + 1);
        let (key, value) = (&object[at + 1..key_end - 1], &object[key_end + 1..end]);
        at = end + 1;
        if value == b"\"\"" {
            continue;
        }
        out.put_u8(separator);
        separator = b',';
        let name = names.iter().find(|(_, stored)| stored.as_bytes() == key).map_or(key, |(name, _)| name.as_bytes());
        out.put_u8(b'"');
        out.put_slice(name);
        out.put_slice(b"\":");
        if key == b"apiVersion" {
            out.put_u8(b'"');
            out.put_slice(api_version.as_bytes());
            out.put_u8(b'"');
        } else {
            out.put_slice(value);
        }
    }
    if separator == b'{' {
        out.put_u8(b'{');
    }
    out.put_u8(b'}');
}

/// The end of the value, string or number that begins at `start`.
fn value_end(json: &[u8], start: usize) -> usize {
    let (mut at, mut depth, mut quoted) = (start, 0, false);
    while let Some(byte) = json.get(at) {
        match byte {
            b'\\' if quoted => at += 1,
            b'"' => {
                quoted = !quoted;
                if !quoted && depth == 0 {
                    return at + 1;
                }
            }
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted && depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' | b':' | b'}' | b']' if !quoted && depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_objects_own_fields_get_other_names() {
        let object = r#"{"kind":"Event","apiVersion":"v1","metadata":{"name":"a\"}","message":"x"},"message":"b","count":2,"n":null,"source":{},"e":""}"#;
        let mut out = BytesMut::new();
        rename_into(
            object.as_bytes(),
            "events.k8s.io/v1",
            &[("note", "message"), ("deprecatedSource", "source")],
            &mut out,
        );
        let want = r#"{"kind":"Event","apiVersion":"events.k8s.io/v1","metadata":{"name":"a\"}","message":"x"},"note":"b","count":2,"n":null,"deprecatedSource":{}}"#;
        assert_eq!(std::str::from_utf8(&out), Ok(want));
        out.clear();
        rename_into(b"{}", "v1", &[], &mut out);
        assert_eq!(&out[..], b"{}");
    }
}
