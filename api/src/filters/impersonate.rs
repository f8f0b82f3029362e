//! Filter: acting as somebody else, for those who hold the verb `impersonate` on every part of that identity.
//!
//! The headers are taken off, so that nothing behind sees them. `system:masters` is impersonated only with a grant on
//! that group, like any other; whoever is in it already may.

use crate::auth::UserInfo;
use crate::auth::authz::{Attributes, Authorizer};
use crate::auth::user::{ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED};
use ::http::header::{HeaderMap, HeaderName};
use api_machinery::gotext::quote;
use api_machinery::status::Status;
use std::collections::BTreeMap;
use std::sync::Arc;

const USER: HeaderName = HeaderName::from_static("impersonate-user");
const GROUP: HeaderName = HeaderName::from_static("impersonate-group");
const UID: HeaderName = HeaderName::from_static("impersonate-uid");
/// What the names of extra attributes begin with, in lower case as all header names here.
const EXTRA: &str = "impersonate-extra-";
/// Groups and extra values of one request; each is a decision, so more are refused.
const PARTS_MAX: usize = 128;
/// The group of the kinds that stand for parts of an identity.
const AUTHENTICATION: &str = "authentication.k8s.io";

/// The user the request is to be answered as.
///
/// # Errors
/// 403 with upstream's sentence for the first part that `user` may not impersonate; 400 for headers that name no user.
pub fn apply(authorizer: &Authorizer, user: Arc<UserInfo>, headers: &mut HeaderMap) -> Result<Arc<UserInfo>, Status> {
    if !headers.keys().any(|name| name.as_str().starts_with("impersonate-")) {
        return Ok(user);
    }
    let wanted = Wanted::take(headers)?;
    if wanted.name.is_empty() {
        return Ok(user);
    }
    wanted.check(authorizer, &user)?;
    Ok(Arc::new(wanted.user()))
}

#[derive(Debug, Default)]
struct Wanted {
    name: String,
    uid: String,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
}

impl Wanted {
    fn take(headers: &mut HeaderMap) -> Result<Self, Status> {
        let mut wanted = Self::default();
        let mut parts = 0;
        for (name, value) in &*headers {
            let name = name.as_str();
            if !name.starts_with("impersonate-") {
                continue;
            }
            let text =
                value.to_str().map_err(|_| Status::bad_request("impersonation headers must be text"))?.to_owned();
            parts += 1;
            if name == USER.as_str() {
                wanted.name = text;
            } else if name == UID.as_str() {
                wanted.uid = text;
            } else if name == GROUP.as_str() {
                wanted.groups.push(text);
            } else if let Some(key) = name.strip_prefix(EXTRA) {
                let key = crate::filters::request_info::decode_value(&key.replace('+', "%2B")).to_lowercase();
                wanted.extra.entry(key).or_default().push(text);
            }
        }
        let names: Vec<HeaderName> =
            headers.keys().filter(|name| name.as_str().starts_with("impersonate-")).cloned().collect();
        for name in names {
            headers.remove(name);
        }
        if parts > PARTS_MAX {
            return Err(Status::bad_request("too many impersonation headers"));
        }
        let is_more_than_a_name = !wanted.uid.is_empty() || !wanted.groups.is_empty() || !wanted.extra.is_empty();
        if wanted.name.is_empty() && is_more_than_a_name {
            return Err(Status::bad_request(wanted.without_name()));
        }
        Ok(wanted)
    }

    /// The refusal of everything but a name, in Go's notation of what was asked for.
    fn without_name(&self) -> String {
        let list = |values: &[String]| match values {
            [] => "[]string(nil)".to_owned(),
            values => {
                let quoted: Vec<String> = values.iter().map(|value| quote(value)).collect();
                format!("[]string{{{}}}", quoted.join(", "))
            }
        };
        let extra = match self.extra.is_empty() {
            true => "map[string][]string(nil)".to_owned(),
            false => {
                let pairs: Vec<String> =
                    self.extra.iter().map(|(key, values)| format!("{}:{}", quote(key), list(values))).collect();
                format!("map[string][]string{{{}}}", pairs.join(", "))
            }
        };
        format!(
            "requested &user.DefaultInfo{{Name:\"\", UID:{}, Groups:{}, Extra:{extra}}} without impersonating a user \
             name",
            quote(&self.uid),
            list(&self.groups)
        )
    }

    /// The namespace and name of a service account.
    fn account(&self) -> Option<(&str, &str)> {
        let (namespace, name) = self.name.strip_prefix("system:serviceaccount:")?.split_once(':')?;
        (!namespace.is_empty() && !name.is_empty() && !name.contains(':')).then_some((namespace, name))
    }

    fn check(&self, authorizer: &Authorizer, user: &UserInfo) -> Result<(), Status> {
        let allowed = |attributes: Attributes<'_>| {
            if authorizer.allows(&attributes) {
                return Ok(());
            }
            let reason = authorizer.authorize(&attributes).reason;
            Err(Status::not_authorized(&attributes.for_status(), &reason))
        };
        let on = |group, resource, name| Attributes::on_object(user, "impersonate", group, resource, name);
        match self.account() {
            Some((namespace, name)) => allowed(on("", "serviceaccounts", name).in_namespace(namespace))?,
            None => allowed(on("", "users", &self.name))?,
        }
        if !self.uid.is_empty() {
            allowed(on(AUTHENTICATION, "uids", &self.uid))?;
        }
        for group in &self.groups {
            allowed(on("", "groups", group))?;
        }
        for (key, values) in &self.extra {
            for value in values {
                allowed(Attributes { subresource: key, ..on(AUTHENTICATION, "userextras", value) })?;
            }
        }
        Ok(())
    }

    fn user(self) -> UserInfo {
        let mut groups = self.groups.clone();
        if groups.is_empty()
            && let Some((namespace, _)) = self.account()
        {
            groups = vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
        }
        let known = |groups: &[String], name: &str| groups.iter().any(|group| group == name);
        if self.name == ANONYMOUS {
            if !known(&groups, UNAUTHENTICATED) {
                groups.push(UNAUTHENTICATED.to_owned());
            }
        } else if !known(&groups, AUTHENTICATED) && !known(&groups, UNAUTHENTICATED) {
            groups.push(AUTHENTICATED.to_owned());
        }
        UserInfo { name: self.name, uid: self.uid, groups, extra: self.extra }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::authz::policy::Policy;
    use crate::auth::user::MASTERS;
    use ::http::HeaderValue;
    use serde_json::json;

    fn authorizer() -> Authorizer {
        let mut policy = Policy::default();
        let role = json!({"rules": [
            {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"], "resourceNames": ["jane"]},
            {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["groups"], "resourceNames": ["dev"]},
            {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["serviceaccounts"]},
            {"verbs": ["impersonate"], "apiGroups": ["authentication.k8s.io"], "resources": ["userextras/scopes"]},
        ]});
        let binding =
            json!({"roleRef": {"kind": "ClusterRole", "name": "i"}, "subjects": [{"kind": "User", "name": "op"}]});
        policy.set_role("", "i", serde_json::from_value(role).expect("a role"));
        policy.set_binding("", "i", serde_json::from_value(binding).expect("a binding"));
        Authorizer::new(policy)
    }

    fn ask(who: UserInfo, sent: &[(&'static str, &'static str)]) -> Result<Arc<UserInfo>, Status> {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let outcome = apply(&authorizer(), Arc::new(who), &mut headers);
        assert!(headers.is_empty(), "no handler sees the headers");
        outcome
    }

    fn op() -> UserInfo {
        UserInfo::new("op", ["ops"])
    }

    // proves: SE-09
    #[test]
    fn whoever_holds_the_verb_acts_as_the_other_and_nothing_more() {
        let jane = ask(op(), &[("impersonate-user", "jane"), ("impersonate-group", "dev")]).expect("granted");
        assert_eq!((jane.name.as_str(), jane.groups.join(" ")), ("jane", "dev system:authenticated".to_owned()));
        let bot = ask(op(), &[("impersonate-user", "system:serviceaccount:a:bot")]).expect("granted");
        assert_eq!(bot.groups, ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"]);
        let extra = ask(op(), &[("impersonate-user", "jane"), ("impersonate-extra-scopes", "view")]).expect("granted");
        assert_eq!(extra.extra["scopes"], ["view"]);
        assert_eq!(ask(op(), &[]).expect("nothing asked").name, "op");
    }

    #[test]
    fn parts_without_a_name_are_a_bad_request_in_gos_notation() {
        for (sent, want) in [
            (("impersonate-group", "dev"), r#"UID:"", Groups:[]string{"dev"}, Extra:map[string][]string(nil)"#),
            (("impersonate-uid", "u"), r#"UID:"u", Groups:[]string(nil), Extra:map[string][]string(nil)"#),
        ] {
            let status = ask(op(), &[sent]).expect_err(want);
            let message =
                format!(r#"requested &user.DefaultInfo{{Name:"", {want}}} without impersonating a user name"#);
            assert_eq!((status.code, status.message), (400, message));
        }
        assert_eq!(ask(op(), &[("impersonate-mood", "good")]).expect("a header like others").name, "op");
    }

    // proves: SE-09
    #[test]
    fn every_part_needs_its_own_grant() {
        for (sent, want) in [
            (
                &[("impersonate-user", "joe")][..],
                r#"users "joe" is forbidden: User "op" cannot impersonate resource "users" in API group "" at the cluster scope"#,
            ),
            (
                &[("impersonate-user", "jane"), ("impersonate-group", "system:masters")],
                r#"groups "system:masters" is forbidden: User "op" cannot impersonate resource "groups" in API group "" at the cluster scope"#,
            ),
            (
                &[("impersonate-user", "jane"), ("impersonate-uid", "1")],
                "uids.authentication.k8s.io \"1\" is forbidden: User \"op\" cannot impersonate resource \"uids\" in API \
                 group \"authentication.k8s.io\" at the cluster scope",
            ),
            (
                &[("impersonate-user", "jane"), ("impersonate-extra-secret", "x")],
                "userextras.authentication.k8s.io \"x\" is forbidden: User \"op\" cannot impersonate resource \
                 \"userextras/secret\" in API group \"authentication.k8s.io\" at the cluster scope",
            ),
        ] {
            let refused = ask(op(), sent).expect_err("not granted");
            assert_eq!((refused.http_code(), refused.message.as_str()), (403, want));
        }
        assert!(ask(op(), &[("impersonate-group", "dev")]).is_err(), "a group without a user");
        let root = UserInfo::new("root", [MASTERS]);
        assert!(ask(root, &[("impersonate-user", "joe"), ("impersonate-group", MASTERS)]).is_ok());
    }
}
