use super::*;
use crate::auth::authz::escalation::{check_binding, check_role};
use crate::auth::authz::policy::{Binding, Role};
use crate::auth::authz::review;
use serde_json::{Value, json};

fn role(rules: Value) -> Role {
    serde_json::from_value(json!({ "rules": rules })).expect("a role")
}

fn binding(kind: &str, role: &str, subjects: Value) -> Binding {
    serde_json::from_value(json!({"roleRef": {"kind": kind, "name": role}, "subjects": subjects})).expect("a binding")
}

fn authorizer() -> Authorizer {
    let mut policy = Policy::default();
    policy.set_role(
        "",
        "view",
        role(json!([
            {"verbs": ["get", "list", "watch"], "apiGroups": [""], "resources": ["pods", "pods/log"]},
            {"verbs": ["get"], "apiGroups": ["apps"], "resources": ["*/scale"]},
            {"verbs": ["get"], "nonResourceURLs": ["/metrics", "/logs/*"]},
        ])),
    );
    policy.set_role(
        "a",
        "one-secret",
        role(json!([
            {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["top"]},
        ])),
    );
    policy.set_role("", "all", role(json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}])));
    policy.set_binding("", "viewers", binding("ClusterRole", "view", json!([{"kind": "Group", "name": "dev"}])));
    policy.set_binding("a", "secret", binding("Role", "one-secret", json!([{"kind": "User", "name": "jane"}])));
    policy.set_binding("a", "robot", binding("ClusterRole", "all", json!([{"kind": "ServiceAccount", "name": "bot"}])));
    policy.set_binding("b", "gone", binding("ClusterRole", "nowhere", json!([{"kind": "User", "name": "jane"}])));
    Authorizer::new(policy)
}

fn asked<'a>(user: &'a UserInfo, verb: &'a str, what: &'a str) -> Attributes<'a> {
    let (group, what) = what.split_once(':').unwrap_or(("", what));
    let (namespace, what) = what.split_once('@').unwrap_or(("", what));
    let mut parts = what.split('/');
    let resource = parts.next().unwrap_or_default();
    let name = parts.next().unwrap_or_default();
    let subresource = parts.next().unwrap_or_default();
    Attributes { subresource, ..Attributes::on_object(user, verb, group, resource, name).in_namespace(namespace) }
}

// proves: SE-10
#[test]
fn rules_allow_what_they_say_and_nothing_else() {
    let authorizer = authorizer();
    let jane = UserInfo::new("jane", ["dev"]);
    let bot = UserInfo::service_account("a", "bot", "1");
    for (user, verb, what, want) in [
        (&jane, "list", "pods", true),
        (&jane, "list", "b@pods", true),
        (&jane, "get", "b@pods/p/log", true),
        (&jane, "get", "b@pods/p/exec", false),
        (&jane, "delete", "b@pods/p", false),
        (&jane, "get", "apps:b@deployments/d/scale", true),
        (&jane, "get", "apps:b@deployments/d", false),
        (&jane, "get", "b@deployments/d/scale", false),
        (&jane, "get", "a@secrets/top", true),
        (&jane, "get", "a@secrets/other", false),
        (&jane, "get", "b@secrets/top", false),
        (&jane, "list", "a@secrets", false),
        (&bot, "delete", "a@secrets/x", true),
        (&bot, "delete", "b@secrets/x", false),
        (&bot, "get", "nodes/n", false),
    ] {
        assert_eq!(authorizer.allows(&asked(user, verb, what)), want, "{} {verb} {what}", user.name);
    }
}

// proves: SE-10
#[test]
fn paths_match_exactly_or_by_a_star_at_the_end() {
    let authorizer = authorizer();
    let jane = UserInfo::new("jane", ["dev"]);
    for (verb, path, want) in [
        ("get", "/metrics", true),
        ("get", "/metrics/slis", false),
        ("get", "/logs/", true),
        ("get", "/logs/a/b", true),
        ("get", "/logs", false),
        ("post", "/metrics", false),
    ] {
        let attributes = Attributes { path, ..asked(&jane, verb, "") };
        assert_eq!(authorizer.allows(&attributes), want, "{verb} {path}");
    }
}

#[test]
fn decisions_say_which_binding_allows_and_which_role_is_missing() {
    let authorizer = authorizer();
    let jane = UserInfo::new("jane", ["dev"]);
    let bot = UserInfo::service_account("a", "bot", "1");
    assert_eq!(
        authorizer.authorize(&asked(&jane, "list", "b@pods")).reason,
        r#"RBAC: allowed by ClusterRoleBinding "viewers" of ClusterRole "view" to Group "dev""#
    );
    assert_eq!(
        authorizer.authorize(&asked(&bot, "list", "a@pods")).reason,
        r#"RBAC: allowed by RoleBinding "robot/a" of ClusterRole "all" to ServiceAccount "bot/a""#
    );
    assert_eq!(
        authorizer.authorize(&asked(&jane, "list", "b@secrets")).reason,
        r#"rbac: RBAC: clusterrole.rbac.authorization.k8s.io "nowhere" not found"#
    );
    assert_eq!(authorizer.authorize(&asked(&jane, "list", "c@secrets")), Decision::default());
}

#[test]
fn masters_may_do_everything_without_any_policy() {
    let root = UserInfo::new("root", [MASTERS]);
    assert!(Authorizer::default().allows(&asked(&root, "delete", "kube-system@secrets/x")));
    let path = Attributes { path: "/metrics", ..asked(&root, "get", "") };
    assert!(Authorizer::default().allows(&path));
}

#[test]
fn a_changed_or_removed_binding_no_longer_grants() {
    let authorizer = authorizer();
    let jane = UserInfo::new("jane", ["dev"]);
    let list = asked(&jane, "list", "b@pods");
    authorizer.update(|policy| {
        policy.set_binding("", "viewers", binding("ClusterRole", "view", json!([{"kind": "Group", "name": "ops"}])));
    });
    assert!(!authorizer.allows(&list));
    let ops = UserInfo::new("joe", ["ops"]);
    assert!(authorizer.allows(&asked(&ops, "list", "b@pods")));
    authorizer.update(|policy| policy.remove_binding("", "viewers"));
    assert!(!authorizer.allows(&asked(&ops, "list", "b@pods")));
}

// proves: SE-10
#[test]
fn nobody_hands_out_rights_they_do_not_hold() {
    let authorizer = authorizer();
    let jane = UserInfo::new("jane", ["dev"]);
    let wanted = |rules: Value| json!({"metadata": {"name": "r"}, "rules": rules});
    let check = |user: &UserInfo, rules| check_role(&authorizer, user, "a", "roles", &wanted(rules));
    let held = json!([{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["x"]}]);
    assert_eq!(check(&jane, held), Ok(()));
    let refused = check(
        &jane,
        json!([
            {"verbs": ["get", "delete"], "apiGroups": [""], "resources": ["pods", "nodes"]},
            {"verbs": ["get"], "nonResourceURLs": ["/metrics", "/x"]},
        ]),
    )
    .expect_err("more than jane holds");
    assert_eq!(refused.http_code(), 403);
    assert_eq!(
        refused.message,
        "roles.rbac.authorization.k8s.io \"r\" is forbidden: user \"jane\" (groups=[\"dev\" \
         \"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n\
         {APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\" \"delete\"]}\n\
         {APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\"]}\n\
         {NonResourceURLs:[\"/x\"], Verbs:[\"get\"]}"
    );
    let everything = json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]);
    assert_eq!(check(&UserInfo::new("root", [MASTERS]), everything.clone()), Ok(()));
    authorizer.update(|policy| {
        let rules =
            json!([{"verbs": ["escalate"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"]}]);
        policy.set_role("a", "escalator", role(rules));
        policy.set_binding("a", "e", binding("Role", "escalator", json!([{"kind": "User", "name": "jane"}])));
    });
    assert_eq!(check(&jane, everything), Ok(()));
}

// proves: SE-10
#[test]
fn binding_a_role_needs_its_rights_or_the_verb_bind() {
    let authorizer = authorizer();
    let jane = UserInfo::new("jane", ["dev"]);
    let check = |role: &str| {
        let binding = json!({"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": role}});
        check_binding(&authorizer, &jane, "a", "rolebindings", &binding)
    };
    assert_eq!(check("view"), Ok(()));
    assert_eq!(check("all").expect_err("not held").http_code(), 403);
    let missing = check("nowhere").expect_err("no such role");
    assert_eq!(missing.message, "rolebindings.rbac.authorization.k8s.io \"nowhere\" not found");
    authorizer.update(|policy| {
        let rules = json!([{"verbs": ["bind"], "apiGroups": ["rbac.authorization.k8s.io"],
            "resources": ["clusterroles"], "resourceNames": ["all"]}]);
        policy.set_role("a", "binder", role(rules));
        policy.set_binding("a", "b", binding("Role", "binder", json!([{"kind": "User", "name": "jane"}])));
    });
    assert_eq!(check("all"), Ok(()));
}

// proves: SE-13
#[test]
fn reviews_answer_for_anybody_and_list_the_rules_of_the_asker() {
    let authorizer = authorizer();
    let spec = json!({"user": "jane", "groups": ["dev"],
        "resourceAttributes": {"verb": "get", "resource": "pods", "subresource": "log", "namespace": "b"}});
    assert_eq!(
        review::access(&authorizer, &review::subject(&spec), &spec),
        json!({"allowed": true,
            "reason": "RBAC: allowed by ClusterRoleBinding \"viewers\" of ClusterRole \"view\" to Group \"dev\""})
    );
    let path = json!({"user": "joe", "nonResourceAttributes": {"verb": "get", "path": "/metrics"}});
    assert_eq!(review::access(&authorizer, &review::subject(&path), &path), json!({"allowed": false}));
    let on = json!({"verb": "list", "resource": "pods", "fieldSelector": {"rawSelector": "x"},
        "labelSelector": {"requirements": [{"key": "a", "operator": "Near"}]}});
    let unreadable = json!({"user": "nobody", "resourceAttributes": on});
    assert_eq!(
        review::access(&authorizer, &review::subject(&unreadable), &unreadable)["evaluationError"],
        "spec.resourceAttributes.fieldSelector ignored due to parse error; spec.resourceAttributes.labelSelector \
         ignored due to parse error"
    );
    let rules = review::rules(&authorizer, &UserInfo::new("jane", ["none"]), "a");
    assert_eq!(
        rules["resourceRules"],
        json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["top"]}])
    );
    assert_eq!((&rules["nonResourceRules"], &rules["incomplete"]), (&json!([]), &json!(false)));
}
