//! Indents JSON bytes without parsing them, for people who ask with `?pretty=true` or by curl.

use bytes::{BufMut, Bytes, BytesMut};

/// Whether the request wants indented JSON: upstream's rule is the parameter, else the name of the client.
pub fn wanted(query: super::query::Query<'_>, headers: &http::HeaderMap) -> bool {
    if let Some(wanted) = query.get("pretty") {
        return matches!(&*wanted, "1" | "true" | "True" | "TRUE" | "t" | "T");
    }
    let agent = headers.get(http::header::USER_AGENT).map_or(&b""[..], http::HeaderValue::as_bytes);
    [&b"curl"[..], b"Wget", b"Mozilla/5.0"].iter().any(|prefix| agent.starts_with(prefix))
}

/// Two blanks a level, as Go's `json.Indent` writes it.
pub fn indent(json: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(json.len() * 3 / 2);
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for (at, &byte) in json.iter().enumerate() {
        if in_string {
            out.put_u8(byte);
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b' ' | b'\n' | b'\t' | b'\r' => {}
            b'"' => {
                in_string = true;
                out.put_u8(byte);
            }
            b'{' | b'[' => {
                out.put_u8(byte);
                let next = json[at + 1..].iter().find(|byte| !byte.is_ascii_whitespace());
                if !matches!(next, Some(b'}' | b']')) {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                if !matches!(out.last(), Some(b'{' | b'[')) {
                    depth = depth.saturating_sub(1);
                    new_line(&mut out, depth);
                }
                out.put_u8(byte);
            }
            b',' => {
                out.put_u8(byte);
                new_line(&mut out, depth);
            }
            b':' => out.put_slice(b": "),
            other => out.put_u8(other),
        }
    }
    out.freeze()
}

fn new_line(out: &mut BytesMut, depth: usize) {
    out.put_u8(b'\n');
    out.put_bytes(b' ', depth * 2);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_as_go_indents_it() {
        let json = br#"{"a":{},"b":[],"c":[1,{"d":"x,{\"y"}],"e":null}"#;
        let want = "{\n  \"a\": {},\n  \"b\": [],\n  \"c\": [\n    1,\n    {\n      \"d\": \"x,{\\\"y\"\n    }\n  ],\n  \"e\": null\n}";
        assert_eq!(indent(json), want);
    }
}
