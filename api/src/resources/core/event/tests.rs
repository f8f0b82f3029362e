use super::*;
use crate::resources::testing::{created, errors_of, row};
use serde_json::json;

fn event() -> Value {
    json!({
        "metadata": {"name": "web.1", "namespace": "team"},
        "involvedObject": {"kind": "Pod", "namespace": "team", "name": "web", "fieldPath": "spec.containers{a}"},
        "type": "Warning",
        "reason": "BackOff",
        "message": "Back-off restarting\n",
        "source": {"component": "kubelet", "host": "n1"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:01:00Z",
        "count": 3,
    })
}

// proves: AM-30
#[test]
fn a_row_shows_what_happened_to_what() {
    assert_eq!(
        row(&Event, &created(&Event, event()), "2026-01-01T00:01:30Z"),
        "30s | Warning | BackOff | pod/web | spec.containers{a} | kubelet, n1 | Back-off restarting | 90s | 3 | web.1"
    );
    let new = json!({
        "metadata": {"name": "e", "namespace": "team"},
        "involvedObject": {"kind": "Node"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingComponent": "default-scheduler",
        "reportingInstance": "a",
        "series": {"count": 5, "lastObservedTime": "2026-01-01T00:01:20.000000Z"},
    });
    assert_eq!(
        row(&Event, &created(&Event, new), "2026-01-01T00:01:30Z"),
        "10s |  |  | node |  | default-scheduler, a |  | 90s | 5 | e"
    );
}

// proves: AM-33
#[test]
fn an_event_lives_where_its_object_does() {
    assert_eq!(errors_of(&Event, event()), [""; 0]);
    let mut elsewhere = event();
    elsewhere["metadata"]["namespace"] = json!("other");
    assert_eq!(
        errors_of(&Event, elsewhere),
        ["involvedObject.namespace: Invalid value: \"team\": does not match event.namespace"]
    );
    let mut new = event();
    new["eventTime"] = json!("2026-01-01T00:00:00.000000Z");
    assert_eq!(
        errors_of(&Event, new)[1..],
        [
            "reportingComponent: Invalid value: \"\": name part must be non-empty".to_owned(),
            "reportingComponent: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', \
             and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex \
             used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
                .to_owned(),
            "reportingInstance: Required value".to_owned(),
            "action: Required value".to_owned(),
        ]
    );
}

// proves: AM-13
#[test]
fn events_are_found_by_what_they_are_about() {
    let fields = Event.fields(&created(&Event, event()));
    let of = |label: &str| fields.iter().find(|(key, _)| *key == label).map(|(_, value)| value.as_str());
    assert_eq!(of("involvedObject.kind"), Some("Pod"));
    assert_eq!(of("involvedObject.fieldPath"), Some("spec.containers{a}"));
    assert_eq!(of("source"), Some("kubelet"));
    assert_eq!(of("reason"), Some("BackOff"));
    let labels: Vec<&str> = fields.iter().map(|(label, _)| *label).collect();
    assert_eq!(labels, Event.field_labels());
}

// proves: AM-50
#[test]
fn events_expire_after_an_hour() {
    assert_eq!(Event.ttl_seconds(), Some(3600));
}
