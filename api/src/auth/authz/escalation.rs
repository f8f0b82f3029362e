//! Nobody hands out rights they do not hold, unless they may `escalate` (roles) or `bind` (bindings).
//!
//! Upstream: `pkg/registry/rbac/validation/rule.go` and the `policybased` storages of the four kinds.

use crate::auth::UserInfo;
use crate::auth::authz::policy::RoleRef;
use crate::auth::authz::rule::{Rule, compact, quote_list};
use crate::auth::authz::{Attributes, Authorizer};
use crate::auth::user::MASTERS;
use api_machinery::gotext::quote;
use api_machinery::gvk::GroupResource;
use api_machinery::status::Status;
use serde_json::Value;
use std::collections::BTreeSet;

/// The group of the RBAC kinds.
pub const GROUP: &str = "rbac.authorization.k8s.io";

/// Checks a Role (`roles`) or ClusterRole (`clusterroles`, empty namespace) before it is written.
///
/// # Errors
/// 403 with upstream's text: the user does not hold all the rights in it, or sets an aggregation rule without holding
/// everything.
pub fn check_role(
    authorizer: &Authorizer,
    user: &UserInfo,
    namespace: &str,
    resource: &str,
    role: &Value,
) -> Result<(), Status> {
    let name = role["metadata"]["name"].as_str().unwrap_or_default();
    let escalate = Attributes::on_object(user, "escalate", GROUP, resource, name).in_namespace(namespace);
    if user.in_group(MASTERS) || authorizer.allows(&escalate) {
        return Ok(());
    }
    let refused = |why: String| Status::forbidden(GroupResource { group: GROUP, resource }, name, why);
    confirm_no_escalation(authorizer, user, namespace, &rules_of(role)).map_err(refused)?;
    if role.get("aggregationRule").is_some_and(|rule| !rule.is_null()) {
        let everything = [Rule::everything(), Rule::every_path()];
        confirm_no_escalation(authorizer, user, namespace, &everything)
            .map_err(|_| refused("must have cluster-admin privileges to use the aggregationRule".to_owned()))?;
    }
    Ok(())
}

/// Checks a RoleBinding (`rolebindings`) or ClusterRoleBinding (`clusterrolebindings`, empty namespace).
///
/// # Errors
/// 403 with upstream's text: the user may not bind the role and does not hold all the rights in it; 404: there is no
/// such role.
pub fn check_binding(
    authorizer: &Authorizer,
    user: &UserInfo,
    namespace: &str,
    resource: &str,
    binding: &Value,
) -> Result<(), Status> {
    let name = binding["metadata"]["name"].as_str().unwrap_or_default();
    let text = |key: &str| binding["roleRef"][key].as_str().unwrap_or_default().to_owned();
    let role = RoleRef { api_group: text("apiGroup"), kind: text("kind"), name: text("name") };
    let roles = if role.kind == "Role" { "roles" } else { "clusterroles" };
    let bind = Attributes::on_object(user, "bind", GROUP, roles, &role.name).in_namespace(namespace);
    if user.in_group(MASTERS) || authorizer.allows(&bind) {
        return Ok(());
    }
    let rules = authorizer
        .read(|policy| policy.rules_of(&role, namespace).cloned())
        // Upstream names the resource of the request, not that of the role.
        .ok_or_else(|| Status::not_found(GroupResource { group: GROUP, resource }, &role.name))?;
    confirm_no_escalation(authorizer, user, namespace, &rules)
        .map_err(|why| Status::forbidden(GroupResource { group: GROUP, resource }, name, why))
}

/// The rules in a role object; what is no rule is left out (validation refuses it).
pub fn rules_of(role: &Value) -> Vec<Rule> {
    let rules = role.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    rules.iter().filter_map(|rule| serde_json::from_value(rule.clone()).ok()).collect()
}

fn confirm_no_escalation(
    authorizer: &Authorizer,
    user: &UserInfo,
    namespace: &str,
    rules: &[Rule],
) -> Result<(), String> {
    let (held, errors) = authorizer.rules_for(user, namespace);
    let missing: Vec<Rule> =
        rules.iter().flat_map(Rule::breakdown).filter(|wanted| !held.iter().any(|held| held.covers(wanted))).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing: BTreeSet<String> = compact(missing).iter().map(Rule::compact_string).collect();
    let mut text = format!(
        "user {} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        quote(&user.name),
        quote_list(&user.groups),
        missing.into_iter().collect::<Vec<_>>().join("\n")
    );
    if !errors.is_empty() {
        text.push_str(&format!("; resolution errors: [{}]", errors.join(", ")));
    }
    Err(text)
}
