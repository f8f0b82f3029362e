//! Default roles and bindings: created where they are missing, completed where they have lost something.

use super::{Bootstrap, policy};
use crate::registry::Part;
use api_machinery::meta;
use api_machinery::status::Status;
use api_machinery::value;
use serde_json::{Value, json};

const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) async fn write(bootstrap: &Bootstrap<'_>) -> Result<(), Status> {
    for default in policy::defaults() {
        let kind = bootstrap.kind(GROUP, default.resource)?;
        let (namespace, name) = (meta::namespace(&default.object).to_owned(), meta::name(&default.object).to_owned());
        let Some(existing) = bootstrap.find(kind, &namespace, &name).await? else {
            bootstrap.ensure(kind, default.object).await?;
            continue;
        };
        if meta::annotation(&existing, AUTOUPDATE) == Some("false") || complete(&existing, &default.object).is_none() {
            continue;
        }
        let change = |current: &Value| Ok(complete(current, &default.object).unwrap_or_else(|| current.clone()));
        bootstrap.registry.update(kind, &bootstrap.cx(&namespace), &name, Part::Main, change).await?;
    }
    Ok(())
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
