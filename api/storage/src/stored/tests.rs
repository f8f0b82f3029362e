use super::*;
use serde_json::json;

fn stored(value: &Value, revision: i64) -> Arc<Stored> {
    let pods = Resource::new("", "v1", "pods", "Pod", true);
    let envelope = envelope::encode(value, &[]).unwrap();
    let key = pods.key(Some("default"), "web").unwrap();
    Stored::new(&pods, pods.prefix().len(), key, envelope, revision).unwrap()
}

fn pod() -> Value {
    json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web"}, "spec": {}})
}

#[test]
fn the_resource_version_is_spliced_into_the_metadata() {
    let json = stored(&pod(), 42).to_json();
    assert_eq!(json, r#"{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"42","name":"web"},"spec":{}}"#);
    assert!(json.len() <= stored(&pod(), i64::MAX).json_bytes_max());
    let empty = stored(&json!({"kind": "Pod", "metadata": {}}), 7).to_json();
    assert_eq!(empty, r#"{"kind":"Pod","metadata":{"resourceVersion":"7"}}"#);
}

#[test]
fn name_and_namespace_come_from_the_key() {
    let object = stored(&pod(), 1);
    assert_eq!((object.namespace(), object.name()), (Some("default"), "web"));
    assert_eq!((object.field("metadata.namespace"), object.field("metadata.name")), (Some("default"), Some("web")));
    let nodes = Resource::new("", "v1", "nodes", "Node", false);
    let envelope = envelope::encode(&pod(), &[]).unwrap();
    let node = Stored::new(&nodes, nodes.prefix().len(), nodes.key(None, "n1").unwrap(), envelope, 1).unwrap();
    assert_eq!((node.namespace(), node.name(), node.field("metadata.namespace")), (None, "n1", Some("")));
}

#[test]
fn a_derived_encoding_is_made_once() {
    const ROW: EncodingKey = EncodingKey("row");
    let object = stored(&pod(), 1);
    let first = object.encoded(ROW, |object| object.name().to_owned().into());
    let second = object.encoded(ROW, |_| panic!("made twice"));
    assert_eq!(first.as_ptr(), second.as_ptr());
    assert_eq!(object.encoded(EncodingKey("other"), |_| "x".into()), "x");
}

#[test]
fn debug_output_never_shows_the_content() {
    let secret = stored(&json!({"metadata": {"name": "web"}, "data": {"password": "aHVudGVyMg=="}}), 3);
    assert_eq!(format!("{secret:?}"), "Stored(/registry/pods/default/web@3)");
}

#[test]
fn a_value_that_is_no_envelope_names_its_key() {
    let pods = Resource::new("", "v1", "pods", "Pod", true);
    let key = pods.key(Some("default"), "web").unwrap();
    let error = Stored::new(&pods, pods.prefix().len(), key, Bytes::from_static(b"{}"), 1).unwrap_err();
    assert_eq!(error.to_string(), "/registry/pods/default/web: unknown envelope version 123");
}
