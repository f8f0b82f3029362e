//! Namespace: carries its name as a label, is held by its own finalizers, ends in phase Terminating.

use crate::registry::strategy::{
    ALL_BUT_DELETE_COLLECTION, Column, Cx, KindInfo, NameRule, SelectableFields, Strategy, Subresource,
};
use crate::resources::cells;
use crate::resources::check;
use crate::resources::value::{child, default_absent, default_zero, keep, list, name, set, text, texts};
use api_machinery::field::{Error, ErrorList, Path};
use jiff::Timestamp;
use serde_json::{Value, json};
use smallvec::smallvec;

const NAME_LABEL: &str = "kubernetes.io/metadata.name";

static INFO: KindInfo = KindInfo {
    group: "",
    version: "v1",
    kind: "Namespace",
    resource: "namespaces",
    singular: "namespace",
    short_names: &["ns"],
    categories: &[],
    namespaced: false,
    verbs: ALL_BUT_DELETE_COLLECTION,
    subresources: &[Subresource::FINALIZE, Subresource::STATUS],
    name_rule: NameRule::Label,
    stored: true,
};

/// The strategy of Namespaces.
#[derive(Debug)]
pub struct Namespace;

impl Strategy for Namespace {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    fn default(&self, object: &mut Value) {
        label_with_name(object);
        default_absent(object, "spec", json!({}));
        if let Some(status) = child(object, "status") {
            default_zero(status, "phase", "Active");
        }
    }

    fn prepare_for_create(&self, _cx: &Cx<'_>, object: &mut Value) {
        set(object, "status", json!({ "phase": "Active" }));
        let Some(spec) = child(object, "spec") else { return };
        default_absent(spec, "finalizers", json!([]));
        if !texts(spec, "finalizers").any(|finalizer| finalizer == "kubernetes")
            && let Some(Value::Array(finalizers)) = spec.get_mut("finalizers")
        {
            finalizers.push("kubernetes".into());
        }
    }

    /// Finalizers change only through `finalize`.
    fn prepare_for_update(&self, cx: &Cx<'_>, new: &mut Value, old: &Value) {
        keep(new, old, "status");
        if cx.subresource != Some("finalize") {
            keep(new, old, "spec");
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::of(&["spec", "finalizers"]);
        for finalizer in texts(&object["spec"], "finalizers") {
            check::qualified_name(finalizer, &path, &mut errors);
            let standard = ["kubernetes", "orphan", "foregroundDeletion"];
            if !finalizer.contains('/') && !standard.contains(&finalizer) {
                let text = "name is neither a standard finalizer name nor is it fully qualified";
                errors.push(Error::invalid(&path, finalizer, text));
            }
        }
        errors
    }

    fn validate_status_update(&self, new: &Value, _old: &Value) -> ErrorList {
        let phase = text(&new["status"], "phase");
        let (wanted, when) = match new["metadata"]["deletionTimestamp"].is_null() {
            true => ("Active", "empty"),
            false => ("Terminating", "not empty"),
        };
        let mut errors = ErrorList::new();
        if phase != wanted {
            let text = format!("may only be '{wanted}' if `deletionTimestamp` is {when}");
            errors.push(Error::invalid(&Path::of(&["status", "Phase"]), phase, text));
        }
        errors
    }

    /// A generated name is known only now.
    fn canonicalize(&self, object: &mut Value) {
        label_with_name(object);
    }

    fn held(&self, object: &Value) -> bool {
        !list(&object["spec"], "finalizers").is_empty()
    }

    fn counts_deletion(&self) -> bool {
        false
    }

    fn mark_deleting(&self, object: &mut Value) {
        // A namespace ends when its content has; it knows no period of grace.
        api_machinery::value::remove(object, &["metadata", "deletionGracePeriodSeconds"]);
        if let Some(status) = child(object, "status") {
            set(status, "phase", "Terminating");
        }
    }

    fn field_labels(&self) -> &'static [&'static str] {
        &["status.phase"]
    }

    fn fields(&self, object: &Value) -> SelectableFields {
        smallvec![("status.phase", text(&object["status"], "phase").to_owned())]
    }

    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[Column::NAME, Column::new("Status", "string"), Column::AGE];
        COLUMNS
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        vec![name(object).into(), text(&object["status"], "phase").into(), cells::age(object, now)]
    }
}

fn label_with_name(object: &mut Value) {
    let own = name(object).to_owned();
    if !own.is_empty()
        && let Some(labels) = child(object, "metadata").and_then(|metadata| child(metadata, "labels"))
    {
        set(labels, NAME_LABEL, own);
    }
}

#[cfg(test)]
mod tests;
