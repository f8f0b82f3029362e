//! Cells of Tables that several kinds print alike.

use crate::resources::value::{list, pairs, text};
use api_machinery::duration;
use api_machinery::selector::LabelSelector;
use jiff::Timestamp;
use serde_json::Value;

/// The age of an object.
pub(crate) fn age(object: &Value, now: Timestamp) -> Value {
    since(text(&object["metadata"], "creationTimestamp"), now).into()
}

/// How long ago a moment was, `<unknown>` for one that is absent or malformed.
pub(crate) fn since(moment: &str, now: Timestamp) -> String {
    match moment.parse::<Timestamp>() {
        Ok(moment) => duration::human(now.as_second() - moment.as_second()),
        Err(_) => "<unknown>".to_owned(),
    }
}

/// Names and images of containers, each joined by commas.
pub(crate) fn containers(pod_spec: &Value) -> [Value; 2] {
    let join = |key| {
        let parts: Vec<&str> = list(pod_spec, "containers").iter().map(|container| text(container, key)).collect();
        Value::String(parts.join(","))
    };
    [join("name"), join("image")]
}

/// A map as `a=b,c=d`, `<none>` if there are no entries.
pub(crate) fn labels(object: &Value, key: &str) -> String {
    let parts: Vec<String> =
        pairs(object, key).map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or(""))).collect();
    or_none(parts.join(","))
}

/// A LabelSelector object in string form, `<none>` if it is empty.
pub(crate) fn selector(selector: &Value) -> String {
    match LabelSelector::from_object(Some(selector)) {
        Ok(selector) => or_none(selector.to_string()),
        Err(_) => "<error>".to_owned(),
    }
}

/// `<none>` for nothing.
pub(crate) fn or_none(text: String) -> String {
    or(text, "<none>")
}

/// `otherwise` for nothing.
pub(crate) fn or(text: String, otherwise: &str) -> String {
    if text.is_empty() { otherwise.to_owned() } else { text }
}

/// The first `shown` of a list, and how many more there are.
pub(crate) fn first(items: &[String], shown: usize) -> String {
    let text = items[..items.len().min(shown)].join(",");
    match items.len().saturating_sub(shown) {
        0 => text,
        more => format!("{text} + {more} more..."),
    }
}
