//! Answers to `authorization.k8s.io/v1` reviews: the `status` of each, given its `spec`.

use crate::auth::UserInfo;
use crate::auth::authz::rule::{Rule, compact};
use crate::auth::authz::{Attributes, Authorizer};
use crate::auth::user::AUTHENTICATED;
use api_machinery::selector::{FieldSelector, LabelSelector};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What is said of selectors that cannot be read; the question is answered without them.
const FIELD_SELECTOR: &str = "spec.resourceAttributes.fieldSelector ignored due to parse error";
const LABEL_SELECTOR: &str = "spec.resourceAttributes.labelSelector ignored due to parse error";

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The user that a SubjectAccessReview's spec describes, with no group added.
pub fn subject(spec: &Value) -> UserInfo {
    let extra = spec.get("extra").and_then(Value::as_object).into_iter().flatten();
    UserInfo {
        name: text(spec, "user").to_owned(),
        uid: text(spec, "uid").to_owned(),
        groups: texts(&spec["groups"]),
        extra: extra.map(|(key, values)| (key.to_lowercase(), texts(values))).collect::<BTreeMap<_, _>>(),
    }
}

/// The status of a SubjectAccessReview, SelfSubjectAccessReview or LocalSubjectAccessReview of this user.
pub fn access(authorizer: &Authorizer, user: &UserInfo, spec: &Value) -> Value {
    let none = Value::Null;
    let resource = spec.get("resourceAttributes").filter(|value| !value.is_null());
    let path = spec.get("nonResourceAttributes").filter(|value| !value.is_null());
    let on = resource.or(path).unwrap_or(&none);
    let attributes = Attributes {
        user,
        verb: text(on, "verb"),
        group: text(on, "group"),
        version: text(on, "version"),
        resource: text(on, "resource"),
        subresource: text(on, "subresource"),
        name: text(on, "name"),
        namespace: text(on, "namespace"),
        path: text(on, "path"),
    };
    let decision = authorizer.authorize(&attributes);
    let mut status = json!({ "allowed": decision.allowed });
    if !decision.reason.is_empty() {
        status["reason"] = decision.reason.into();
    }
    let unreadable: Vec<&str> = [
        (FIELD_SELECTOR, !is_readable(&on["fieldSelector"], |raw| FieldSelector::parse(raw).is_ok())),
        (LABEL_SELECTOR, !is_readable(&on["labelSelector"], |raw| LabelSelector::parse(raw).is_ok())),
    ]
    .into_iter()
    .filter_map(|(complaint, is_unreadable)| is_unreadable.then_some(complaint))
    .collect();
    if !unreadable.is_empty() {
        status["evaluationError"] = unreadable.join("; ").into();
    }
    status
}

/// Whether a selector's text and the operators of its requirements are known.
fn is_readable(selector: &Value, parses: impl Fn(&str) -> bool) -> bool {
    let mut requirements = selector["requirements"].as_array().into_iter().flatten();
    let is_known = |operator: &str| matches!(operator, "In" | "NotIn" | "Exists" | "DoesNotExist");
    parses(text(selector, "rawSelector")) && requirements.all(|requirement| is_known(text(requirement, "operator")))
}

/// The status of a SelfSubjectRulesReview.
pub fn rules(authorizer: &Authorizer, user: &UserInfo, namespace: &str) -> Value {
    let (rules, errors) = authorizer.rules_for(user, namespace);
    let (resources, paths): (Vec<Rule>, Vec<Rule>) =
        rules.into_iter().partition(|rule| !rule.resources.is_empty() || rule.non_resource_urls.is_empty());
    let mut status = json!({
        "resourceRules": compact(resources),
        "nonResourceRules": paths,
        // What is missing grants nothing, so nothing is missing from the list.
        "incomplete": false,
    });
    match errors.as_slice() {
        [] => {}
        [one] => status["evaluationError"] = one.as_str().into(),
        many => status["evaluationError"] = format!("[{}]", many.join(", ")).into(),
    }
    status
}

/// `userInfo` as reviews carry it.
pub fn user_info(user: &UserInfo) -> Value {
    let mut info = json!({ "username": user.name });
    if !user.uid.is_empty() {
        info["uid"] = user.uid.clone().into();
    }
    if !user.groups.is_empty() {
        info["groups"] = json!(user.groups);
    }
    if !user.extra.is_empty() {
        info["extra"] = json!(user.extra);
    }
    info
}

/// Whether a user is known at all; reviews of strangers are answered too.
pub fn is_authenticated(user: &UserInfo) -> bool {
    user.in_group(AUTHENTICATED)
}
