//! Bodies good and bad.

use super::*;
use serde_json::json;

fn json_error(body: &str) -> String {
    decode(Format::Json, body.as_bytes()).unwrap_err().to_string()
}

#[test]
fn bad_json_gets_the_words_of_go() {
    let cases = [
        ("", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        ("x", "invalid character 'x' looking for beginning of value"),
        ("{x", "invalid character 'x' looking for beginning of object key string"),
        ("{\"a\" 1}", "invalid character '1' after object key"),
        ("{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair"),
        ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
        ("[1 2]", "invalid character '2' after array element"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("{} {}", "invalid character '{' after top-level value"),
        ("tru!", "invalid character '!' in literal true (expecting 'e')"),
        ("\"a\nb\"", "invalid character '\\n' in string literal"),
        (r#""\x""#, "invalid character 'x' in string escape code"),
        (r#""\u12g4""#, "invalid character 'g' in \\u hexadecimal character escape"),
        ("-x", "invalid character 'x' in numeric literal"),
        ("1.x", "invalid character 'x' after decimal point in numeric literal"),
        ("1e,", "invalid character ',' in exponent of numeric literal"),
        ("01", "invalid character '1' after top-level value"),
    ];
    for (body, want) in cases {
        assert_eq!(json_error(body), format!("couldn't get version/kind; json parse error: {want}"), "{body}");
    }
}

#[test]
fn nesting_is_bounded_in_both_formats() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(decode(Format::Json, nested(NESTING_DEPTH_MAX).as_bytes()).is_ok());
    assert_eq!(
        decode(Format::Json, nested(100_000).as_bytes()).unwrap_err(),
        DecodeError::Json("exceeded max depth".into())
    );
    assert!(decode(Format::Json, format!("[1e999,{}", nested(100_000)).as_bytes()).is_err());
    assert!(decode(Format::Yaml, nested(60).as_bytes()).is_ok());
    assert!(decode(Format::Yaml, nested(10_000).as_bytes()).is_err());
}

#[test]
fn yaml_bombs_are_refused_and_bad_utf8_as_far_as_upstream_does() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..9 {
        let items = vec![format!("*a{}", level - 1); 10].join(",");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert!(decode(Format::Yaml, bomb.as_bytes()).is_err());
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 900].join(","));
    assert!(decode(Format::Yaml, long.as_bytes()).is_err());
    assert!(decode(Format::Yaml, b"a: b: c").unwrap_err().to_string().starts_with("yaml: line 1"));
    assert_eq!(decode(Format::Json, b"{\"a\":\"\xff\"}").unwrap().value, json!({"a": "\u{fffd}"}), "as Go reads it");
    assert!(decode(Format::Yaml, b"a: \xff").is_err());
}

#[test]
fn what_is_anchored_in_yaml_is_said_again() {
    let text = "base: &base {a: b, c: d}\ncopy: *base\nmerged:\n  <<: *base\n  c: e\nlist: [&one 1, *one]\n";
    assert_eq!(
        decode(Format::Yaml, text.as_bytes()).unwrap().value,
        json!({"base": {"a": "b", "c": "d"}, "copy": {"a": "b", "c": "d"}, "merged": {"a": "b", "c": "e"}, "list": [1, 1]})
    );
    assert!(decode(Format::Yaml, b"a: *nothing").is_err());
}

// proves: AM-26
#[test]
fn yaml_and_json_decode_to_the_same_value_and_yaml_round_trips() {
    let yaml = "kind: ConfigMap\nmetadata:\n  labels: {a: 'true', b: \"1\"}\ndata:\n  x: |\n    one\n    two\nnum: 3\nf: 1.5\nt: true\nz: null\n1: k\n";
    let value = decode(Format::Yaml, yaml.as_bytes()).unwrap().value;
    let want = json!({"kind": "ConfigMap", "metadata": {"labels": {"a": "true", "b": "1"}},
        "data": {"x": "one\ntwo\n"}, "num": 3, "f": 1.5, "t": true, "z": null, "1": "k"});
    assert_eq!(value, want);
    assert_eq!(decode(Format::Json, &encode(&want)).unwrap().value, want);
    let hard = json!({"a": ["", "true", "yes", "1", "1e3", "null", "~", "- x", "a: b", "#x", "é\n\ttab", " lead", "0x1F",
        "multi\nline\n", "trail ", "'", "\"", "on", "2020-01-01", "=", "<<", "!x", "%", "@", "`", "a #b", "\u{1}"],
        "e": {}, "l": [], "n": [[], {}, [[1]]], "true": 1, "yes": 1, "1": 1, "": 1, "a: b": 1});
    for value in [want, hard] {
        let text = encode_as(Format::Yaml, &value);
        assert_eq!(decode(Format::Yaml, &text).unwrap().value, value, "{}", String::from_utf8_lossy(&text));
    }
}

#[test]
fn a_long_string_stays_on_its_line_in_yaml() {
    let words = "word ".repeat(40) + "end";
    assert_eq!(encode_as(Format::Yaml, &json!({ "message": words })), format!("message: {words}\n"));
}

// proves: AM-11
#[test]
fn duplicate_fields_are_found_with_their_paths() {
    let decoded = decode(Format::Json, br#"{"a":1,"s":{"c":[{"n":1},{"n":1,"n":2}],"x":1,"x":2},"a":3}"#).unwrap();
    assert_eq!(decoded.value, json!({"a": 3, "s": {"c": [{"n": 1}, {"n": 2}], "x": 2}}));
    assert_eq!(
        decoded.duplicates,
        ["duplicate field \"s.c[1].n\"", "duplicate field \"s.x\"", "duplicate field \"a\"",]
    );
    let decoded = decode(Format::Yaml, b"a: 1\ns:\n  b: 1\n  b: 2\n  1: x\na:\n- {c: 1, c: 2}\n").unwrap();
    assert_eq!(decoded.value, json!({"a": [{"c": 2}], "s": {"b": 2, "1": "x"}}));
    assert_eq!(
        decoded.duplicates,
        ["yaml: unmarshal errors:\n  line 4: key \"b\" already set in map\n  line 6: key \"a\" already set in map\n  \
            line 7: key \"c\" already set in map"]
    );
}

#[test]
fn of_several_documents_the_first_counts() {
    let cases = [
        ("a: 1\n---\nb: [\n", json!({"a": 1})),
        ("# c\n---\na: 1\n...\nb: [\n", json!({"a": 1})),
        ("%YAML 1.2\n--- {a: 1}\n", json!({"a": 1})),
        ("a: |\n  x\n  ---\n  y\n", json!({"a": "x\n---\ny\n"})),
        ("a: ---b\n", json!({"a": "---b"})),
    ];
    for (text, wanted) in cases {
        assert_eq!(decode(Format::Yaml, text.as_bytes()).expect(text).value, wanted, "{text}");
    }
}

#[test]
fn an_unrecognized_body_is_summarized() {
    let message = |body: &[u8]| unrecognized("ConfigMap", &decode(Format::Json, body).unwrap_err(), body);
    let head = "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: ";
    assert_eq!(message(b""), format!("{head}unexpected end of JSON input (<empty>)"));
    assert_eq!(message(b"xy"), format!("{head}invalid character 'x' looking for beginning of value (7879)"));
    assert_eq!(
        message(br#"{"kind":"ConfigMap","apiVersion":"v1""#),
        format!("{head}unexpected end of JSON input ({{\"kind\":\"ConfigMap\",\"apiVersio ...)")
    );
}

#[test]
fn a_resource_version_is_spliced_without_parsing() {
    let cases = [
        json!({"apiVersion": "v1", "data": {"a": "b"}, "kind": "ConfigMap", "metadata": {"name": "x", "resourceVersion": "9"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}),
        json!({"kind": "ConfigMap"}),
        json!({"metadata": {"name": "x"}, "status": {}}),
    ];
    for object in cases {
        let (bytes, point) = encode_with_splice_point(&object);
        assert!(!decode_json(&bytes).unwrap()["metadata"].as_object().unwrap().contains_key("resourceVersion"));
        let spliced = splice(&bytes, point, 42);
        let mut want = object.clone();
        crate::meta::set_resource_version(&mut want, "42");
        assert_eq!(decode_json(&spliced).unwrap(), want);
    }
    let (bytes, point) =
        encode_with_splice_point(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}));
    assert_eq!(
        &splice(&bytes, point, 7)[..],
        br#"{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"7","name":"x"}}"#
    );
}

#[test]
fn every_decode_is_counted() {
    let before = decodes();
    decode_json(b"{}").unwrap();
    assert!(decodes() > before);
}
