//! PriorityClass: a name for a priority. Names with `system-` and high values belong to the system.

use crate::registry::strategy::{ALL_VERBS, Column, Cx, KindInfo, NameRule, Strategy};
use crate::resources::cells;
use crate::resources::check;
use crate::resources::lifecycle::{bump_generation, set_generation};
use crate::resources::value::{default_absent, flag, has, int, name, text};
use api_machinery::field::{Error, ErrorList, Path};
use jiff::Timestamp;
use serde_json::Value;

/// The highest priority users may define.
const USER_VALUE_MAX: i64 = 1_000_000_000;
/// The classes of the system and their priorities.
const SYSTEM_CLASSES: [(&str, i64); 2] =
    [("system-node-critical", 2 * USER_VALUE_MAX + 1000), ("system-cluster-critical", 2 * USER_VALUE_MAX)];

static INFO: KindInfo = KindInfo {
    group: "scheduling.k8s.io",
    version: "v1",
    kind: "PriorityClass",
    resource: "priorityclasses",
    singular: "priorityclass",
    short_names: &["pc"],
    categories: &[],
    namespaced: false,
    verbs: ALL_VERBS,
    subresources: &[],
    name_rule: NameRule::Subdomain,
    stored: true,
};

/// The strategy of PriorityClasses.
#[derive(Debug)]
pub struct PriorityClass;

impl Strategy for PriorityClass {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    fn default(&self, object: &mut Value) {
        default_absent(object, "value", 0);
        default_absent(object, "preemptionPolicy", "PreemptLowerPriority");
    }

    fn prepare_for_create(&self, _cx: &Cx<'_>, object: &mut Value) {
        set_generation(object, 1);
    }

    fn prepare_for_update(&self, _cx: &Cx<'_>, new: &mut Value, old: &Value) {
        bump_generation(new, old, &[]);
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let value = int(object, "value").unwrap_or(0);
        if name(object).starts_with("system-") {
            if let Some(problem) = system_problem(object, value) {
                let text = format!(
                    "priority class names with 'system-' prefix are reserved for system use only. error: {problem}"
                );
                errors.push(Error::forbidden(&Path::of(&["metadata", "name"]), text));
            }
        } else if value > USER_VALUE_MAX {
            let text = format!("maximum allowed value of a user defined priority is {USER_VALUE_MAX}");
            errors.push(Error::forbidden(&Path::root("value"), text));
        }
        if has(object, "preemptionPolicy") {
            let policies = ["PreemptLowerPriority", "Never"];
            let path = Path::root("preemptionPolicy");
            check::required_one_of(text(object, "preemptionPolicy"), &policies, &path, &mut errors);
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        if int(new, "value") != int(old, "value") {
            errors.push(Error::forbidden(&Path::root("value"), "may not be changed in an update."));
        }
        let path = Path::root("preemptionPolicy");
        check::immutable(&new["preemptionPolicy"], &old["preemptionPolicy"], &path, &mut errors);
        errors
    }

    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            Column::NAME,
            Column::new("Value", "integer"),
            Column::new("Global-Default", "boolean"),
            Column::AGE,
            Column::new("PreemptionPolicy", "string"),
        ];
        COLUMNS
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        vec![
            name(object).into(),
            int(object, "value").unwrap_or(0).into(),
            flag(object, "globalDefault").into(),
            cells::age(object, now),
            text(object, "preemptionPolicy").into(),
        ]
    }
}

/// Why an object named like a class of the system is none.
fn system_problem(object: &Value, value: i64) -> Option<String> {
    let name = name(object);
    match SYSTEM_CLASSES.iter().find(|(known, _)| *known == name) {
        None => Some(format!("{name} is not a known system priority class")),
        Some((_, known)) if value != *known => Some(format!("value of {name} PriorityClass must be {known}")),
        Some(_) if flag(object, "globalDefault") => {
            Some(format!("globalDefault of {name} PriorityClass must be false"))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::testing::messages;
    use serde_json::json;

    fn class(name: &str, value: i64) -> Value {
        let mut object = json!({"metadata": {"name": name}, "value": value});
        PriorityClass.default(&mut object);
        object
    }

    // proves: AM-33
    #[test]
    fn the_system_keeps_its_names_and_values() {
        for (object, want) in [
            (class("mine", USER_VALUE_MAX), ""),
            (
                class("mine", 1_000_000_001),
                "value: Forbidden: maximum allowed value of a user defined priority is 1000000000",
            ),
            (class("system-node-critical", 2_000_001_000), ""),
            (
                class("system-node-critical", 5),
                "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. \
                 error: value of system-node-critical PriorityClass must be 2000001000",
            ),
            (
                class("system-x", 5),
                "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. \
                 error: system-x is not a known system priority class",
            ),
        ] {
            assert_eq!(messages(PriorityClass.validate(&object)).join("; "), want);
        }
        assert_eq!(
            messages(PriorityClass.validate_update(&class("a", 1), &class("a", 2))),
            ["value: Forbidden: may not be changed in an update."]
        );
    }

    // proves: AM-30
    #[test]
    fn a_row_shows_value_and_policy() {
        let now: Timestamp = "2026-01-01T00:00:05Z".parse().unwrap();
        let mut object = class("a", 7);
        object["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        let want = [json!("a"), json!(7), json!(false), json!("5s"), json!("PreemptLowerPriority")];
        assert_eq!(PriorityClass.row(&object, now), want);
    }
}
