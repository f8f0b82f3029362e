//! Go's `%q` and `%v`: upstream's messages are written with them, and clients compare texts.

use std::fmt::Write;

use serde_json::Value;

/// Quotes as Go's `strconv.Quote` does.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            // Go escapes what is not printable; of the rest only the ASCII space counts as a printable space.
            c if c.is_control() || (c.is_whitespace() && c != ' ') || c == '\u{feff}' => {
                let code = c as u32;
                let _ = if code <= 0xffff { write!(out, "\\u{code:04x}") } else { write!(out, "\\U{code:08x}") };
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Prints a value as Go's `%v` prints what JSON decodes to: `map[a:1 b:[x y] c:<nil>]`.
pub fn plain(value: &Value) -> String {
    let mut out = String::new();
    write_plain(value, &mut out);
    out
}

fn write_plain(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("<nil>"),
        Value::String(text) => out.push_str(text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                write_plain(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push_str("map[");
            for (index, (name, field)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                out.push_str(name);
                out.push(':');
                write_plain(field, out);
            }
            out.push(']');
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{plain, quote};

    #[test]
    fn quotes_as_go_does() {
        assert_eq!(quote("a\"b\\c\n\t\x01é"), r#""a\"b\\c\n\t\x01é""#);
        assert_eq!(quote("\u{a0}\u{7f}"), "\"\\u00a0\\x7f\"");
    }
    #[test]
    fn prints_values_as_go_does() {
        let value = serde_json::json!({"b": [1, "x", true], "a": {"c": null}});
        assert_eq!(plain(&value), "map[a:map[c:<nil>] b:[1 x true]]");
    }
}
