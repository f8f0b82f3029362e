//! Default roles and bindings: created where they are missing, completed where they have lost something.

use super::{Bootstrap, policy};
use crate::registry::Part;
use api_machinery::meta;
use api_machinery::status::Status;
use api_machinery::value;
use api_storage::{ListOptions, Stored};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
const GROUP: &str = "rbac.authorization.k8s.io";

/// Writes under way at once: they share the store's syncs, so a new cluster is ready sooner.
const WRITES_MAX: usize = 32;

pub(super) async fn write(bootstrap: &Bootstrap<'_>) -> Result<(), Status> {
    let defaults = policy::defaults();
    let mut existing = HashMap::new();
    for resource in ["clusterroles", "clusterrolebindings", "roles", "rolebindings"] {
        let kind = bootstrap.kind(GROUP, resource)?;
        let page = kind.store()?.list(ListOptions::default()).await.map_err(|error| kind.status(&error, ""))?;
        existing.extend(page.items.into_iter().map(|item| (key(resource, item.namespace(), item.name()), item)));
    }
    for chunk in defaults.chunks(WRITES_MAX) {
        let writes = chunk.iter().map(|default| {
            let (namespace, name) = (meta::namespace(&default.object), meta::name(&default.object));
            let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
            write_one(bootstrap, default, existing.get(&key(default.resource, namespace, name)))
        });
        futures::future::try_join_all(writes).await?;
    }
    Ok(())
}

fn key(resource: &'static str, namespace: Option<&str>, name: &str) -> (&'static str, String, String) {
    (resource, namespace.unwrap_or_default().to_owned(), name.to_owned())
}

async fn write_one(
    bootstrap: &Bootstrap<'_>,
    default: &policy::Default,
    existing: Option<&Arc<Stored>>,
) -> Result<(), Status> {
    let kind = bootstrap.kind(GROUP, default.resource)?;
    let (namespace, name) = (meta::namespace(&default.object), meta::name(&default.object));
    let Some(existing) = existing else { return bootstrap.create(kind, default.object.clone()).await };
    let existing = existing.decode().map_err(|error| kind.status(&error, name))?;
    if meta::annotation(&existing, AUTOUPDATE) == Some("false") || complete(&existing, &default.object).is_none() {
        return Ok(());
    }
    let change = |current: &Value| Ok(complete(current, &default.object).unwrap_or_else(|| current.clone()));
    bootstrap.registry.update(kind, &bootstrap.cx(namespace), name, Part::Main, change).await.map(|_| ())
}

/// The object with the rules, subjects and labels that the default has and it has not; none if it has them all. What
/// somebody has added stays. The rules of an aggregated role belong to its controller.
fn complete(existing: &Value, default: &Value) -> Option<Value> {
    let mut object = existing.clone();
    let aggregated = default.get("aggregationRule").is_some();
    for list in ["rules", "subjects"] {
        if aggregated && list == "rules" {
            continue;
        }
        for wanted in value::items_at(default, &[list]) {
            if value::items_at(&object, &[list]).contains(wanted) {
                continue;
            }
            let fields = value::map_mut(&mut object, &[]);
            match fields.entry(list).or_insert_with(|| json!([])) {
                Value::Array(items) => items.push(wanted.clone()),
                other => *other = json!([wanted]),
            }
        }
    }
    for (key, text) in meta::labels(default).into_iter().flatten() {
        if meta::label(&object, key).is_none() {
            meta::set_label(&mut object, key, text.as_str().unwrap_or_default());
        }
    }
    (object != *existing).then_some(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: AM-51
    #[test]
    fn a_default_role_gets_back_what_it_lost_and_keeps_what_was_added() {
        let rule = |verb: &str| json!({"verbs": [verb], "apiGroups": [""], "resources": ["pods"]});
        let default = json!({"metadata": {"name": "a"}, "rules": [rule("get"), rule("list")]});
        let existing = json!({"metadata": {"name": "a"}, "rules": [rule("own"), rule("get")]});
        let completed = complete(&existing, &default).expect("something is missing");
        assert_eq!(completed["rules"], json!([rule("own"), rule("get"), rule("list")]));
        assert_eq!(complete(&completed, &default), None);
    }
}
