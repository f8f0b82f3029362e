//! Event: what happened to an object. Events expire by themselves.

use crate::registry::strategy::{ALL_VERBS, Column, KindInfo, NameRule, SelectableFields, Strategy};
use crate::resources::value::{child, default_absent, has, int, name, namespace, text};
use crate::resources::{cells, check};
use api_machinery::field::{Error, ErrorList, Path};
use jiff::Timestamp;
use serde_json::Value;
use smallvec::smallvec;

/// How long an event is kept: upstream's `--event-ttl`.
const TTL_SECONDS: u64 = 3600;
/// Longest reporting instance, action and reason.
const WORD_BYTES_MAX: usize = 128;
/// Longest message of an event of the newer form.
const NOTE_BYTES_MAX: usize = 1024;

static INFO: KindInfo = KindInfo {
    group: "",
    version: "v1",
    kind: "Event",
    resource: "events",
    singular: "event",
    short_names: &["ev"],
    categories: &[],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[],
    name_rule: NameRule::PathSegment,
    stored: true,
};

/// The strategy of Events.
#[derive(Debug)]
pub struct Event;

impl Strategy for Event {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    /// Upstream writes these whether or not they are given.
    fn default(&self, object: &mut Value) {
        child(object, "involvedObject");
        child(object, "source");
        for key in ["firstTimestamp", "lastTimestamp", "eventTime"] {
            default_absent(object, key, Value::Null);
        }
        default_absent(object, "reportingComponent", "");
        default_absent(object, "reportingInstance", "");
    }

    fn collects_garbage(&self) -> bool {
        false
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let involved = text(&object["involvedObject"], "namespace");
        let own = namespace(object);
        let misplaced = match (has(object, "eventTime"), involved) {
            (false, "") => own != "default",
            (false, involved) => own != involved,
            (true, "") => own != "default" && own != "kube-system",
            (true, _) => false,
        };
        if misplaced {
            let path = Path::of(&["involvedObject", "namespace"]);
            errors.push(Error::invalid(&path, involved, "does not match event.namespace"));
        }
        if has(object, "eventTime") {
            validate_new_form(object, &mut errors);
        }
        errors
    }

    fn field_labels(&self) -> &'static [&'static str] {
        &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ]
    }

    fn fields(&self, object: &Value) -> SelectableFields {
        let involved = &object["involvedObject"];
        let of = |object: &Value, key| text(object, key).to_owned();
        let reporting = text(object, "reportingComponent");
        smallvec![
            ("involvedObject.kind", of(involved, "kind")),
            ("involvedObject.namespace", of(involved, "namespace")),
            ("involvedObject.name", of(involved, "name")),
            ("involvedObject.uid", of(involved, "uid")),
            ("involvedObject.apiVersion", of(involved, "apiVersion")),
            ("involvedObject.resourceVersion", of(involved, "resourceVersion")),
            ("involvedObject.fieldPath", of(involved, "fieldPath")),
            ("reason", of(object, "reason")),
            ("reportingComponent", reporting.to_owned()),
            ("source", cells::or(of(&object["source"], "component"), reporting)),
            ("type", of(object, "type")),
        ]
    }

    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            Column::new("Last Seen", "string"),
            Column::new("Type", "string"),
            Column::new("Reason", "string"),
            Column::new("Object", "string"),
            Column::wide("Subobject", "string"),
            Column::wide("Source", "string"),
            Column::new("Message", "string"),
            Column::wide("First Seen", "string"),
            Column::wide("Count", "string"),
            Column { priority: 1, ..Column::NAME },
        ];
        COLUMNS
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let involved = &object["involvedObject"];
        let series = &object["series"];
        let first_moment = cells::or(text(object, "firstTimestamp").to_owned(), text(object, "eventTime"));
        let first = cells::since(&first_moment, now);
        let mut last = match text(object, "lastTimestamp") {
            "" => first.clone(),
            moment => cells::since(moment, now),
        };
        let mut count = int(object, "count").unwrap_or(0);
        if !series.is_null() {
            last = cells::since(text(series, "lastObservedTime"), now);
            count = int(series, "count").unwrap_or(0);
        } else if count == 0 {
            count = 1;
        }
        let kind = text(involved, "kind").to_lowercase();
        let target = match text(involved, "name") {
            "" => kind,
            name => format!("{kind}/{name}"),
        };
        vec![
            last.into(),
            text(object, "type").into(),
            text(object, "reason").into(),
            target.into(),
            text(involved, "fieldPath").into(),
            source(object).into(),
            text(object, "message").trim().into(),
            first.into(),
            count.into(),
            name(object).into(),
        ]
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn ttl_seconds(&self) -> Option<u64> {
        Some(TTL_SECONDS)
    }
}

/// Who reported it, and from where.
fn source(object: &Value) -> String {
    let source = &object["source"];
    let component = cells::or(text(source, "component").to_owned(), text(object, "reportingComponent"));
    let instance = cells::or(text(source, "host").to_owned(), text(object, "reportingInstance"));
    if instance.is_empty() { component } else { format!("{component}, {instance}") }
}

/// An event with `eventTime` says who reports it and what was done.
fn validate_new_form(object: &Value, errors: &mut ErrorList) {
    let controller = text(object, "reportingComponent");
    let path = Path::root("reportingComponent");
    if controller.is_empty() {
        errors.push(Error::required(&path, ""));
    }
    check::qualified_name(controller, &path, errors);
    for key in ["reportingInstance", "action", "reason"] {
        let word = text(object, key);
        if word.is_empty() {
            errors.push(Error::required(&Path::root(key), ""));
        }
        if word.len() > WORD_BYTES_MAX {
            let text = format!("can have at most {WORD_BYTES_MAX} characters");
            errors.push(Error::invalid(&Path::root(key), "", text));
        }
    }
    if text(object, "message").len() > NOTE_BYTES_MAX {
        let text = format!("can have at most {NOTE_BYTES_MAX} characters");
        errors.push(Error::invalid(&Path::root("message"), "", text));
    }
}

#[cfg(test)]
mod tests;
