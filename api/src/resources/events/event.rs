//! Event of `events.k8s.io`: the core group's events under newer names, with stricter rules.

use crate::registry::form::Form;
use crate::registry::strategy::{ALL_VERBS, Column, KindInfo, NameRule, SelectableFields, Strategy};
use crate::resources::core::event::Event as CoreEvent;
use crate::resources::value::{has, int, text};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::meta::validate_immutable_field;
use jiff::Timestamp;
use serde_json::Value;

/// Fewest events that make a series.
const SERIES_COUNT_MIN: i64 = 2;

static INFO: KindInfo = KindInfo {
    group: "events.k8s.io",
    version: "v1",
    kind: "Event",
    resource: "events",
    singular: "event",
    short_names: &["ev"],
    categories: &[],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[],
    name_rule: NameRule::Subdomain,
    stored: true,
};

static FORM: Form = Form {
    group: "",
    resource: "events",
    fields: &[
        ("note", "message"),
        ("regarding", "involvedObject"),
        ("reportingController", "reportingComponent"),
        ("deprecatedSource", "source"),
        ("deprecatedFirstTimestamp", "firstTimestamp"),
        ("deprecatedLastTimestamp", "lastTimestamp"),
        ("deprecatedCount", "count"),
    ],
    labels: &[
        ("metadata.name", "metadata.name"),
        ("metadata.namespace", "metadata.namespace"),
        ("regarding.kind", "involvedObject.kind"),
        ("regarding.namespace", "involvedObject.namespace"),
        ("regarding.name", "involvedObject.name"),
        ("regarding.uid", "involvedObject.uid"),
        ("regarding.apiVersion", "involvedObject.apiVersion"),
        ("regarding.resourceVersion", "involvedObject.resourceVersion"),
        ("regarding.fieldPath", "involvedObject.fieldPath"),
        ("reason", "reason"),
        ("reportingController", "reportingComponent"),
        ("type", "type"),
    ],
    validate,
    validate_update,
};

/// The strategy of Events of `events.k8s.io`.
#[derive(Debug)]
pub struct Event;

impl Strategy for Event {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    fn form(&self) -> Option<&'static Form> {
        Some(&FORM)
    }

    fn validate(&self, object: &Value) -> ErrorList {
        validate(object)
    }

    fn field_labels(&self) -> &'static [&'static str] {
        CoreEvent.field_labels()
    }

    fn fields(&self, object: &Value) -> SelectableFields {
        CoreEvent.fields(object)
    }

    fn columns(&self) -> &'static [Column] {
        CoreEvent.columns()
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        CoreEvent.row(object, now)
    }
}

/// The names in texts are those of the stored form, as upstream's are.
fn validate(event: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    validate_series(event, &mut errors);
    if !has(event, "eventTime") {
        errors.push(Error::required(&Path::root("eventTime"), ""));
    }
    let kind = text(event, "type");
    if !matches!(kind, "Normal" | "Warning") {
        errors.push(Error::invalid(&Path::root("type"), "", format!("has invalid value: {kind}")));
    }
    let source = &event["source"];
    let old = [
        ("firstTimestamp", has(event, "firstTimestamp")),
        ("lastTimestamp", has(event, "lastTimestamp")),
        ("count", int(event, "count").unwrap_or(0) != 0),
        ("source", !text(source, "component").is_empty() || !text(source, "host").is_empty()),
    ];
    for (field, _) in old.iter().filter(|(_, set)| *set) {
        errors.push(Error::invalid(&Path::root(*field), "", "needs to be unset"));
    }
    errors
}

fn validate_series(event: &Value, errors: &mut ErrorList) {
    let series = &event["series"];
    if series.is_null() {
        return;
    }
    if int(series, "count").unwrap_or(0) < SERIES_COUNT_MIN {
        errors.push(Error::invalid(&Path::root("series.count"), "", "should be at least 2"));
    }
    if !has(series, "lastObservedTime") {
        errors.push(Error::required(&Path::root("series.lastObservedTime"), ""));
    }
}

fn validate_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    if new["series"] != old["series"] {
        validate_series(new, &mut errors);
    }
    let fixed = [
        ("involvedObject", "involvedObject"),
        ("reason", "reason"),
        ("message", "message"),
        ("source", "source"),
        ("firstTimestamp", "firstTimestamp"),
        ("lastTimestamp", "lastTimestamp"),
        ("count", "count"),
        // Twice, as upstream has it.
        ("reason", "reason"),
        ("type", "type"),
        ("eventTime", "eventTime"),
        ("action", "action"),
        ("related", "related"),
        ("reportingComponent", "reportingController"),
        ("reportingInstance", "reportingInstance"),
    ];
    for (field, shown) in fixed {
        errors.append(validate_immutable_field(said(new, field), said(old, field), &Path::root(shown)));
    }
    errors
}

/// The field, if it says anything: Go does not tell an empty text from none.
fn said<'a>(event: &'a Value, field: &str) -> Option<&'a Value> {
    event.get(field).filter(|value| !value.is_null() && value.as_str() != Some(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::testing::messages;
    use serde_json::json;

    #[test]
    fn a_new_event_says_when_and_leaves_out_what_is_old() {
        let event = json!({"eventTime": "2026-11-21T12:00:00.000000Z", "type": "Normal"});
        assert_eq!(messages(validate(&event)), [""; 0]);
        let event = json!({"type": "Odd", "count": 2, "source": {"host": "a"}, "series": {"count": 1}});
        assert_eq!(
            messages(validate(&event)),
            [
                "series.count: Invalid value: \"\": should be at least 2",
                "series.lastObservedTime: Required value",
                "eventTime: Required value",
                "type: Invalid value: \"\": has invalid value: Odd",
                "count: Invalid value: \"\": needs to be unset",
                "source: Invalid value: \"\": needs to be unset",
            ]
        );
    }

    #[test]
    fn only_the_series_of_an_event_changes() {
        let old = json!({"message": "a", "type": "Normal", "source": {}});
        let new = json!({"message": "a", "type": "Normal", "series": {"count": 2, "lastObservedTime": "t"}});
        assert_eq!(messages(validate_update(&new, &old)), [""; 0]);
        let new = json!({"message": "a", "type": "Normal", "source": {}, "reportingComponent": "", "action": null});
        assert_eq!(messages(validate_update(&new, &old)), [""; 0], "what is not said has not changed");
        let new = json!({"message": "b", "type": "Normal"});
        assert_eq!(messages(validate_update(&new, &old)), ["message: Invalid value: \"b\": field is immutable"]);
    }
}
