//! ServiceAccount: the identity of pods.

use crate::registry::strategy::{ALL_VERBS, Column, KindInfo, NameRule, Strategy, Subresource};
use crate::resources::cells;
use crate::resources::value::{annotation, items_mut, name, text};
use api_machinery::field::ErrorList;
use jiff::Timestamp;
use serde_json::{Value, json};

/// The annotation that keeps pods from other secrets than those that the account names.
const ENFORCE: &str = "kubernetes.io/enforce-mountable-secrets";

static INFO: KindInfo = KindInfo {
    group: "",
    version: "v1",
    kind: "ServiceAccount",
    resource: "serviceaccounts",
    singular: "serviceaccount",
    short_names: &["sa"],
    categories: &[],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[Subresource::TOKEN],
    name_rule: NameRule::Subdomain,
    stored: true,
};

/// The strategy of ServiceAccounts.
#[derive(Debug)]
pub struct ServiceAccount;

impl Strategy for ServiceAccount {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    /// Of a secret only the name counts.
    fn default(&self, object: &mut Value) {
        for secret in items_mut(object, "secrets") {
            *secret = match text(secret, "name") {
                "" => json!({}),
                name => json!({ "name": name }),
            };
        }
    }

    fn validate(&self, _object: &Value) -> ErrorList {
        ErrorList::new()
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        let enforces = |object: &Value| annotation(object, ENFORCE) == Some("true");
        if !enforces(object) || old.is_some_and(enforces) {
            return Vec::new();
        }
        vec![format!(
            "metadata.annotations[{ENFORCE}]: deprecated in v1.32+; prefer separate namespaces to isolate access to \
             mounted secrets"
        )]
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }

    /// The count of secrets is gone since 1.35: no token has been kept in one since 1.24.
    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[Column::NAME, Column::AGE];
        COLUMNS
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        vec![name(object).into(), cells::age(object, now)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::testing::created;

    // proves: AM-33
    #[test]
    fn secrets_are_known_by_name_only() {
        let given =
            json!({"metadata": {"name": "a"}, "secrets": [{"name": "s", "namespace": "elsewhere", "uid": "1"}]});
        assert_eq!(created(&ServiceAccount, given)["secrets"], json!([{"name": "s"}]));
    }

    #[test]
    fn what_is_deprecated_is_told_when_it_begins() {
        let account = |value: &str| json!({"metadata": {"name": "a", "annotations": {ENFORCE: value}}});
        let told =
            |new: &str, old: Option<&str>| ServiceAccount.warnings(&account(new), old.map(account).as_ref()).len();
        assert_eq!([told("true", None), told("true", Some("false")), told("true", Some("true"))], [1, 1, 0]);
        assert_eq!([told("false", None), told("false", Some("true"))], [0, 0]);
    }

    // proves: AM-30
    #[test]
    fn a_row_shows_name_and_age() {
        let now: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        let object = json!({"metadata": {"name": "default", "creationTimestamp": "2026-01-01T00:00:00Z"}});
        assert_eq!(ServiceAccount.row(&object, now), vec![json!("default"), json!("60s")]);
        assert_eq!(ServiceAccount.columns().len(), 2);
    }
}
