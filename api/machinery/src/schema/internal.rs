//! Values as upstream's internal types print them. Some messages show them: every field by its name in Go, in the order of
//! the type, absent or not.

use super::Schema;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::LazyLock;

static TYPES: LazyLock<HashMap<&'static str, Vec<Line>>> =
    LazyLock::new(|| parse(include_str!("../../schema/internal.txt")));

/// A field.
struct Line {
    go: &'static str,
    json: &'static str,
    kind: &'static str,
    omit_empty: bool,
}

/// What is printed, its fields in order.
enum Node {
    Text(String),
    List(Vec<Node>),
    Fields(Vec<(String, Node)>),
}

impl Schema {
    /// A value of an internal type on one line. A type that is not known prints as the JSON it is.
    pub fn internal_line(kind: &str, value: &Value) -> String {
        let mut out = String::new();
        node(kind, value).write_line(&mut out);
        out
    }

    /// A value of an internal type on many lines, each level indented by one space.
    pub fn internal_lines(kind: &str, value: &Value) -> String {
        let mut out = String::new();
        node(kind, value).write_lines(0, &mut out);
        out
    }
}

fn parse(table: &'static str) -> HashMap<&'static str, Vec<Line>> {
    let mut types: HashMap<&'static str, Vec<Line>> = HashMap::new();
    let mut current = "";
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let Some(field) = line.strip_prefix(' ') else {
            current = line;
            continue;
        };
        let mut parts = field.split(' ');
        let mut part = || parts.next().expect("a field has three parts");
        let (go, json, kind) = (part(), part(), part());
        let omit_empty = kind.ends_with('?');
        let kind = kind.trim_end_matches('?');
        types.entry(current).or_default().push(Line { go, json, kind, omit_empty });
    }
    types
}

fn node(kind: &str, value: &Value) -> Node {
    let null = || Node::Text("null".to_owned());
    let or = |zero: &str| if value.is_null() { Node::Text(zero.to_owned()) } else { Node::Text(escaped(value)) };
    if let Some(item) = kind.strip_prefix("[]") {
        let items = value.as_array().filter(|items| !items.is_empty());
        return items.map_or_else(null, |items| Node::List(items.iter().map(|value| node(item, value)).collect()));
    }
    if let Some(item) = kind.strip_prefix("{}") {
        let entries = value.as_object().filter(|entries| !entries.is_empty());
        let entry = |(key, value): (&String, &Value)| (escaped(&key.as_str().into()), node(item, value));
        return entries.map_or_else(null, |entries| Node::Fields(entries.iter().map(entry).collect()));
    }
    if let Some(kind) = kind.strip_prefix('*') {
        return if value.is_null() { null() } else { node(kind, value) };
    }
    match (kind, TYPES.get(kind)) {
        ("s", _) => or("\"\""),
        ("b", _) => or("false"),
        ("i" | "x", _) => or("0"),
        ("q", _) => or("\"0\""),
        (_, None) => or("null"),
        (_, Some(lines)) => {
            let mut fields = Vec::new();
            push_fields(lines, value, &mut fields);
            Node::Fields(fields)
        }
    }
}

fn push_fields(lines: &[Line], value: &Value, fields: &mut Vec<(String, Node)>) {
    for line in lines {
        let value = &value[line.json];
        match (line.go, TYPES.get(line.kind)) {
            ("@", Some(embedded)) => push_fields(embedded, value, fields),
            _ if line.omit_empty && value.is_null() => {}
            _ => fields.push((format!("\"{}\"", line.go), node(line.kind, value))),
        }
    }
}

/// As Go's encoder writes it, which spares HTML.
fn escaped(value: &Value) -> String {
    let text = value.to_string();
    if !text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return text;
    }
    let with = [("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u{2028}", "\\u2028"), ("\u{2029}", "\\u2029")];
    with.into_iter().fold(text, |text, (from, to)| text.replace(from, to))
}

impl Node {
    fn write_line(&self, out: &mut String) {
        match self {
            Node::Text(text) => out.push_str(text),
            Node::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    out.push(if index == 0 { '[' } else { ',' });
                    item.write_line(out);
                }
                out.push(']');
            }
            Node::Fields(fields) => {
                out.push('{');
                for (index, (name, field)) in fields.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    out.push_str(name);
                    out.push(':');
                    field.write_line(out);
                }
                out.push('}');
            }
        }
    }

    fn write_lines(&self, depth: usize, out: &mut String) {
        let new_line = |depth: usize, out: &mut String| {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', depth));
        };
        match self {
            Node::Text(text) => out.push_str(text),
            Node::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    out.push(if index == 0 { '[' } else { ',' });
                    new_line(depth + 1, out);
                    item.write_lines(depth + 1, out);
                }
                new_line(depth, out);
                out.push(']');
            }
            Node::Fields(fields) if fields.is_empty() => out.push_str("{}"),
            Node::Fields(fields) => {
                for (index, (name, field)) in fields.iter().enumerate() {
                    out.push(if index == 0 { '{' } else { ',' });
                    new_line(depth + 1, out);
                    out.push_str(name);
                    out.push_str(": ");
                    field.write_lines(depth + 1, out);
                }
                new_line(depth, out);
                out.push('}');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_shows_every_field_by_its_name_in_go() {
        let context = json!({"privileged": true, "capabilities": {"add": ["A<B"]}, "runAsUser": -2});
        assert_eq!(
            Schema::internal_line("SecurityContext", &context),
            r#"{"Capabilities":{"Add":["A\u003cB"],"Drop":null},"Privileged":true,"SELinuxOptions":null,"#.to_owned()
                + r#""WindowsOptions":null,"RunAsUser":-2,"RunAsGroup":null,"RunAsNonRoot":null,"#
                + r#""ReadOnlyRootFilesystem":null,"AllowPrivilegeEscalation":null,"ProcMount":null,"#
                + r#""SeccompProfile":null,"AppArmorProfile":null}"#
        );
        let volume = json!({"name": "v", "emptyDir": {"sizeLimit": "1Gi"}});
        let lines = Schema::internal_lines("Volume", &volume);
        assert!(
            lines.starts_with("{\n \"Name\": \"v\",\n \"HostPath\": null,\n \"EmptyDir\": {\n  \"Medium\": \"\","),
            "{lines}"
        );
        assert!(lines.contains("\n  \"SizeLimit\": \"1Gi\""), "{lines}");
    }

    #[test]
    fn every_type_of_a_pod_is_known() {
        for (name, line) in TYPES.iter().flat_map(|(name, lines)| lines.iter().map(move |line| (name, line))) {
            let kind = line.kind.trim_start_matches(['*', '[', ']', '{', '}']);
            assert!(
                matches!(kind, "s" | "b" | "i" | "q" | "x") || TYPES.contains_key(kind),
                "{name}.{}: {kind}",
                line.go
            );
        }
        for name in ["PodSpec", "Container", "EphemeralContainer", "SecurityContext", "NodeSelectorTerm"] {
            assert!(TYPES.contains_key(name), "{name}");
        }
    }
}
