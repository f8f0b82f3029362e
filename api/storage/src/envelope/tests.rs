use super::*;
use proptest::prelude::*;
use serde_json::json;

const FIXTURE: &[u8] = include_bytes!("../../tests/fixtures/envelope-1.bin");

fn object() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "creationTimestamp": "2026-11-21T10:00:00Z", "deletionTimestamp": "2026-11-21T10:05:00Z",
            "finalizers": ["example.com/f"], "labels": {"app": "web", "tier": ""},
            "name": "web-0", "namespace": "default", "resourceVersion": "7", "uid": "0b5b8a9e",
        },
        "spec": {"nodeName": "n1"},
    })
}

fn fields() -> Vec<(&'static str, String)> {
    vec![("spec.nodeName", "n1".into()), ("status.phase", String::new())]
}

#[test]
fn the_committed_fixture_is_what_is_written() {
    assert_eq!(encode(&object(), &fields()).unwrap(), FIXTURE, "FORMAT.md version 1 must not change");
}

#[test]
fn the_committed_fixture_is_read() {
    let layout = Layout::parse(FIXTURE).unwrap();
    assert_eq!(layout.flags, FLAG_DELETING | FLAG_FINALIZERS);
    assert_eq!(layout.uid(FIXTURE), "0b5b8a9e");
    assert_eq!(layout.created(FIXTURE), "2026-11-21T10:00:00Z");
    assert_eq!(layout.labels(FIXTURE).collect::<Vec<_>>(), [("app", "web"), ("tier", "")]);
    assert_eq!(layout.fields(FIXTURE).find("spec.nodeName"), Some("n1"));
    assert_eq!(layout.fields(FIXTURE).find("status.phase"), Some(""));
    assert_eq!(layout.fields(FIXTURE).find("absent"), None);
    assert!(FIXTURE[layout.json_start()..].starts_with(br#"{"kind":"Pod","apiVersion":"v1","metadata":{"#));
    assert!(FIXTURE[layout.splice()..].starts_with(br#""creationTimestamp""#));
    assert!(!FIXTURE.windows(15).any(|window| window == b"resourceVersion"));
}

#[test]
fn every_truncation_inside_the_header_is_refused() {
    let json = Layout::parse(FIXTURE).unwrap().json_start();
    for bytes in 0..=json {
        assert!(Layout::parse(&FIXTURE[..bytes]).is_err(), "{bytes} bytes");
    }
}

#[test]
fn an_unknown_version_is_refused_by_name() {
    let mut newer = FIXTURE.to_vec();
    newer[0] = 2;
    assert_eq!(Layout::parse(&newer), Err(EnvelopeError::UnknownVersion(2)));
    assert_eq!(Layout::parse(b"k8s\0"), Err(EnvelopeError::UnknownVersion(b'k')));
}

#[test]
fn what_does_not_fit_its_length_field_is_not_stored() {
    let long = json!({"metadata": {"uid": "u".repeat(256)}});
    assert_eq!(encode(&long, &[]), Err(EnvelopeError::TooLong("metadata.uid")));
    let long = [("spec.nodeName", "n".repeat(70_000))];
    assert_eq!(encode(&json!({"metadata": {}}), &long), Err(EnvelopeError::TooLong("a selectable field")));
    assert_eq!(encode(&json!({"kind": "Pod"}), &[]), Err(EnvelopeError::NoMetadata));
}

proptest! {
    #[test]
    fn damaged_bytes_are_refused_or_read_within_bounds(
        at in 0..FIXTURE.len(), value: u8, cut in 0..FIXTURE.len()
    ) {
        let mut damaged = FIXTURE.to_vec();
        damaged[at] = value;
        damaged.truncate(FIXTURE.len() - cut);
        if let Ok(layout) = Layout::parse(&damaged) {
            let pairs = layout.labels(&damaged).chain(layout.fields(&damaged));
            prop_assert!(pairs.map(|(key, value)| key.len() + value.len()).sum::<usize>() <= damaged.len());
            prop_assert!(layout.uid(&damaged).len() + layout.created(&damaged).len() <= damaged.len());
            prop_assert!(layout.json_start() < layout.splice() && layout.splice() < damaged.len());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = VERSION;
        }
        let _ = Layout::parse(&bytes);
    }
}
