use super::*;
use serde_json::json;

/// Writes a message: numbers with texts, numbers or messages.
fn bytes(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = long(u64::from(number << 3 | 2));
    out.extend(long(content.len() as u64));
    out.extend(content);
    out
}

fn integer(number: u32, value: u64) -> Vec<u8> {
    let mut out = long(u64::from(number << 3));
    out.extend(long(value));
    out
}

fn long(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn envelope(api_version: &str, kind: &str, object: &[u8]) -> Vec<u8> {
    let meta = [bytes(1, api_version.as_bytes()), bytes(2, kind.as_bytes())].concat();
    [MAGIC.to_vec(), bytes(1, &meta), bytes(2, object), bytes(3, b""), bytes(4, b"")].concat()
}

fn expected(group: &str, kind: &str) -> GroupVersionKind {
    GroupVersionKind::new(group, "v1", kind)
}

// one half of AM-27: what comes in
#[test]
fn an_object_in_protobuf_is_the_same_as_in_json() {
    let labels = bytes(11, &[bytes(1, b"app"), bytes(2, b"web")].concat());
    let metadata = [bytes(1, b"a"), bytes(2, b""), bytes(3, b"ns"), integer(7, 0), bytes(8, b""), labels].concat();
    let data = bytes(2, &[bytes(1, b"key"), bytes(2, b"value")].concat());
    let binary = bytes(3, &[bytes(1, b"bin"), bytes(2, &[0, 255])].concat());
    let immutable = integer(4, 0);
    let object = [bytes(1, &metadata), data, binary, immutable].concat();
    assert_eq!(
        decode(&envelope("v1", "ConfigMap", &object), &expected("", "ConfigMap")).expect("an object"),
        json!({"kind": "ConfigMap", "apiVersion": "v1",
            "metadata": {"name": "a", "namespace": "ns", "labels": {"app": "web"}},
            "data": {"key": "value"}, "binaryData": {"bin": "AP8="}, "immutable": false})
    );
}

#[test]
fn embedded_messages_and_types_of_their_own_look_as_in_json() {
    let port = [integer(1, 0), integer(2, 8080), bytes(3, b"")].concat();
    let http = [bytes(1, b"/x"), bytes(2, &port), bytes(4, b"HTTP")].concat();
    let probe = [bytes(1, &bytes(2, &http)), integer(2, 0), integer(3, 5)].concat();
    let limits = bytes(1, &[bytes(1, b"cpu"), bytes(2, &bytes(1, b"100m"))].concat());
    let container = [bytes(1, b"c"), bytes(2, b"image"), bytes(8, &limits), bytes(10, &probe), integer(16, 0)].concat();
    let volume = [bytes(1, b"v"), bytes(2, &bytes(2, &bytes(1, b"")))].concat();
    let spec = [bytes(1, &volume), bytes(2, &container), integer(4, 0), integer(11, 0)].concat();
    let object = [bytes(1, &bytes(8, b"")), bytes(2, &spec)].concat();
    assert_eq!(
        decode(&envelope("v1", "Pod", &object), &expected("", "Pod")).expect("an object"),
        json!({"kind": "Pod", "apiVersion": "v1", "metadata": {}, "spec": {
            "volumes": [{"name": "v", "emptyDir": {}}],
            "containers": [{"name": "c", "image": "image", "resources": {"limits": {"cpu": "100m"}},
                "livenessProbe": {"httpGet": {"path": "/x", "port": 8080, "scheme": "HTTP"}, "timeoutSeconds": 5}}],
            "terminationGracePeriodSeconds": 0}})
    );
}

#[test]
fn broken_bytes_are_refused_and_never_panic() {
    let good = envelope("v1", "ConfigMap", &bytes(1, &bytes(1, b"a")));
    let kind = expected("", "ConfigMap");
    assert_eq!(decode(b"{}", &kind), Err(Error::NoMagic));
    for end in 4..good.len() {
        if let Ok(value) = decode(&good[..end], &kind) {
            assert!(value.is_object());
        }
    }
    for at in 4..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        let _ = decode(&bad, &kind);
    }
    assert_eq!(decode(&envelope("v1", "Nothing", b""), &kind), Err(Error::Kind("Nothing".into())));
}

#[test]
fn every_definition_that_can_be_sent_has_numbers_for_its_fields() {
    for definition in Schema::get().definitions() {
        let Some(numbers) = TABLE.get(&*definition.name) else { continue };
        check(definition, numbers);
    }
    for name in ["core.v1.Pod", "core.v1.Service", "apps.v1.Deployment", "rbac.v1.ClusterRole", "core.v1.Namespace"] {
        assert!(TABLE.contains_key(&format!("io.k8s.api.{name}")), "{name}");
    }
}

fn check(definition: &Definition, numbers: &Numbers) {
    for target in numbers.0.values() {
        match target {
            Target::Field(name) => assert!(definition.field(name).is_some(), "{}: {name}", definition.name),
            Target::Embedded(inner) => check(definition, inner),
        }
    }
}

#[test]
fn every_pointer_is_a_field() {
    for (name, fields) in crate::schema::pointers::POINTERS {
        let definitions: Vec<&Definition> =
            Schema::get().definitions().iter().filter(|definition| definition.short_name() == *name).collect();
        assert!(!definitions.is_empty(), "{name}");
        for field in *fields {
            assert!(definitions.iter().any(|definition| definition.field(field).is_some()), "{name}.{field}");
        }
    }
}
