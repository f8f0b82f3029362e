//! Tables of selectors, what they match, and the texts of bad ones.

use super::*;
use crate::field::Path;
use serde_json::{Value, json};

fn labels(selector: &str) -> LabelSelector {
    LabelSelector::parse(selector).unwrap()
}

// proves: AM-12
#[test]
fn every_label_operator_matches_as_upstream_does() {
    type Labels<'a> = &'a [(&'a str, &'a str)];
    let cases: &[(&str, Labels<'_>, bool)] = &[
        ("", &[], true),
        ("x=y", &[("x", "y")], true),
        ("x=y", &[("x", "z")], false),
        ("x=y,z=w", &[("x", "y"), ("z", "w")], true),
        ("x=y,z=w", &[("x", "y")], false),
        ("x==y", &[("x", "y")], true),
        ("x!=y", &[("x", "z")], true),
        ("x!=y", &[], true),
        ("x!=y", &[("x", "y")], false),
        ("x", &[("x", "anything")], true),
        ("x", &[("y", "x")], false),
        ("!x", &[("y", "x")], true),
        ("!x", &[("x", "")], false),
        ("x in (a,b)", &[("x", "b")], true),
        ("x in (a,b)", &[("x", "c")], false),
        ("x in (a,b)", &[], false),
        ("x notin (a,b)", &[("x", "c")], true),
        ("x notin (a,b)", &[], true),
        ("x notin (a,b)", &[("x", "a")], false),
        ("x in ()", &[("x", "")], true),
        ("x in (a,)", &[("x", "")], true),
        ("x in (,a)", &[("x", "")], true),
        ("x=", &[("x", "")], true),
        ("x=", &[], false),
        ("x>1", &[("x", "2")], true),
        ("x>1", &[("x", "1")], false),
        ("x>1", &[("x", "abc")], false),
        ("x<7", &[("x", "-3")], true),
        ("x<7", &[], false),
        ("in in (in)", &[("in", "in")], true),
        ("notin=notin", &[("notin", "notin")], true),
        (" x  in\t( a , b ) , y ", &[("x", "a"), ("y", "")], true),
        ("example.com/x=y", &[("example.com/x", "y")], true),
    ];
    for (selector, set, want) in cases {
        let found = labels(selector).matches(|key| set.iter().find(|(name, _)| *name == key).map(|(_, value)| *value));
        assert_eq!(found, *want, "{selector} on {set:?}");
    }
}

// proves: AM-12
#[test]
fn bad_label_selectors_get_upstreams_texts() {
    let cases = [
        ("x in", "unable to parse requirement: found '' expected: '('"),
        ("x in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("x in (a", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("x in (a b)", "unable to parse requirement: found 'b', expected: ',' or ')'"),
        ("x y", "unable to parse requirement: found 'y', expected: in, notin, =, ==, !=, gt, lt"),
        ("x=a b", "found 'b', expected: ',' or 'end of string'"),
        ("x=a,", "found '', expected: identifier after ','"),
        ("x=a,,", "found ',', expected: identifier after ','"),
        (",x", "found ',', expected: !, identifier, or 'end of string'"),
        ("=a", "found '=', expected: !, identifier, or 'end of string'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("!x=a", "found '=', expected: ',' or 'end of string'"),
        ("x==(", "unable to parse requirement: found '(', expected: identifier"),
        (
            "x>a",
            "unable to parse requirement: values[0]: Invalid value: \"a\": for 'Gt', 'Lt' operators, the value must be an integer",
        ),
        (
            "a/b/c",
            "unable to parse requirement: <nil>: Invalid value: \"a/b/c\": a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
        ),
        (
            "a=@",
            "unable to parse requirement: values[0][a]: Invalid value: \"@\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ),
    ];
    for (selector, want) in cases {
        assert_eq!(LabelSelector::parse(selector).unwrap_err(), want, "{selector}");
    }
}

#[test]
fn a_label_selector_prints_in_key_order() {
    let cases = [
        ("z=1,a in (b,a),!m,k", "a in (a,b),k,!m,z=1"),
        ("x==1,y!=2,w notin (a)", "w notin (a),x==1,y!=2"),
        ("x > 1, y<2", "x>1,y<2"),
    ];
    for (selector, want) in cases {
        assert_eq!(labels(selector).to_string(), want);
        assert_eq!(labels(want), labels(selector));
    }
    assert_eq!(labels("a in (b),c").requires_exact_match("a"), Some("b"));
    assert_eq!(labels("a in (b,c)").requires_exact_match("a"), None);
}

// proves: AM-12
#[test]
fn label_selector_objects_read_and_validate() {
    let match_with =
        |selector: Value, object: Value| LabelSelector::from_object(Some(&selector)).unwrap().matches_object(&object);
    let object = json!({"metadata": {"labels": {"a": "1", "b": "2"}}});
    assert!(match_with(json!({}), object.clone()));
    assert!(match_with(
        json!({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "In", "values": ["2", "3"]}]}),
        object.clone()
    ));
    assert!(!match_with(
        json!({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "c", "operator": "Exists"}]}),
        object.clone()
    ));
    assert!(!LabelSelector::from_object(None).unwrap().matches_object(&object));
    assert_eq!(
        LabelSelector::from_object(Some(&json!({"matchExpressions": [{"key": "b", "operator": "Is"}]}))).unwrap_err(),
        "\"Is\" is not a valid label selector operator"
    );
    let bad = json!({"matchExpressions": [{"key": "b", "operator": "In"}, {"key": "", "operator": "Exists", "values": ["x"]}, {"key": "k", "operator": "Is"}]});
    let texts: Vec<String> =
        validate_label_selector(Some(&bad), &Path::of(&["spec", "selector"])).iter().map(ToString::to_string).collect();
    assert_eq!(
        texts[0],
        "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"
    );
    assert_eq!(
        texts[1],
        "spec.selector.matchExpressions[1].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
    );
    assert_eq!(texts[2], "spec.selector.matchExpressions[1].key: Invalid value: \"\": name part must be non-empty");
    assert_eq!(
        texts.last().unwrap(),
        "spec.selector.matchExpressions[2].operator: Invalid value: \"Is\": not a valid selector operator"
    );
}

// proves: AM-13
#[test]
fn field_selectors_parse_match_and_print() {
    let lookup = |field: &str| match field {
        "metadata.name" => Some("web"),
        "status.phase" => Some("Running"),
        "odd" => Some("a,b=c\\"),
        _ => None,
    };
    let cases = [
        ("", true, ""),
        ("metadata.name=web", true, "metadata.name=web"),
        ("metadata.name==web", true, "metadata.name=web"),
        ("metadata.name!=web", false, "metadata.name!=web"),
        ("status.phase!=Failed,metadata.name=web", true, "metadata.name=web,status.phase!=Failed"),
        ("ä!=ü,metadata.name=web", true, "metadata.name=web,ä!=ü"),
        ("spec.nodeName=", true, "spec.nodeName="),
        (r"odd=a\,b\=c\\", true, r"odd=a\,b\=c\\"),
    ];
    for (text, want, printed) in cases {
        let selector = FieldSelector::parse(text).unwrap();
        assert_eq!(selector.matches(lookup), want, "{text}");
        assert_eq!(selector.to_string(), printed);
    }
    let selector = FieldSelector::parse("a=1,b!=2").unwrap();
    assert_eq!(selector.requires_exact_match("a"), Some("1"));
    assert_eq!(selector.requires_exact_match("b"), None);
    assert_eq!(selector.unsupported(|field| field == "a"), Some("b"));
}

// proves: AM-13
#[test]
fn bad_field_selectors_get_upstreams_texts() {
    let cases = [
        ("äöü", "invalid selector: 'äöü'; can't understand 'äöü'"),
        ("abc", "invalid selector: 'abc'; can't understand 'abc'"),
        (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
        (r"a=b\", r"invalid field selector: invalid escape sequence: \"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
    ];
    for (text, want) in cases {
        assert_eq!(FieldSelector::parse(text).unwrap_err(), want);
    }
    assert!(FieldSelector::parse("=").unwrap().is_everything(), "as upstream has it");
}
