use super::*;
use crate::resources::testing::{created, errors_of, messages, row, updated, with_cx};

fn namespace() -> Value {
    json!({"metadata": {"name": "team", "creationTimestamp": "2026-01-01T00:00:00Z"}})
}

// proves: AM-33
#[test]
fn a_new_namespace_carries_its_name_and_the_finalizer() {
    let want = json!({
        "metadata": {
            "name": "team",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"kubernetes.io/metadata.name": "team"},
        },
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    });
    assert_eq!(created(&Namespace, namespace()), want);
}

// proves: AM-35
#[test]
fn spec_and_status_change_only_through_their_subresources() {
    let old = created(&Namespace, namespace());
    let mut new = old.clone();
    new["spec"] = json!({});
    new["status"]["phase"] = json!("Terminating");
    assert_eq!(updated(&Namespace, new.clone(), &old), old);
    let finalized = with_cx(|cx| {
        let mut new = new.clone();
        Namespace.prepare_for_update(&Cx { subresource: Some("finalize"), ..*cx }, &mut new, &old);
        new
    });
    assert_eq!((finalized["spec"].clone(), finalized["status"].clone()), (json!({}), old["status"].clone()));
    assert!(Namespace.held(&old) && !Namespace.held(&finalized));
}

// proves: AM-33
#[test]
fn the_phase_follows_the_deletion() {
    let mut object = created(&Namespace, namespace());
    assert_eq!(messages(Namespace.validate_status_update(&object, &object)), [""; 0]);
    object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(
        messages(Namespace.validate_status_update(&object, &object)),
        ["status.Phase: Invalid value: \"Active\": may only be 'Terminating' if `deletionTimestamp` is not empty"]
    );
    Namespace.mark_deleting(&mut object);
    assert_eq!(messages(Namespace.validate_status_update(&object, &object)), [""; 0]);
    object["spec"]["finalizers"] = json!(["odd"]);
    assert_eq!(
        errors_of(&Namespace, object),
        [
            "spec.finalizers: Invalid value: \"odd\": name is neither a standard finalizer name nor is it fully qualified"
        ]
    );
}

// proves: AM-13, AM-30
#[test]
fn a_row_and_the_fields_show_the_phase() {
    let object = created(&Namespace, namespace());
    assert_eq!(row(&Namespace, &object, "2026-01-01T00:10:30Z"), "team | Active | 10m");
    assert_eq!(Namespace.fields(&object).to_vec(), [("status.phase", "Active".to_owned())]);
    assert_eq!(Namespace.field_label_error("spec.x"), "field label not supported: spec.x");
}
