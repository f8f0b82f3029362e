//! Filter: may they.

use crate::auth::UserInfo;
use crate::auth::authz::{Attributes, Authorizer};
use crate::filters::request_info::RequestInfo;
use crate::metrics;
use api_machinery::status::Status;

/// Paths that everybody may read, known or not: they say how the server is and what it is (upstream's
/// `system:public-info-viewer`, without a policy that could be broken).
pub fn is_public(path: &str) -> bool {
    let below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    below("/livez") || below("/readyz") || below("/healthz") || matches!(path, "/version" | "/version/")
}

/// Lets the request through.
///
/// # Errors
/// 403 with upstream's sentence.
pub fn check(authorizer: &Authorizer, user: &UserInfo, info: &RequestInfo) -> Result<(), Status> {
    if !info.is_resource() && is_public(info.path()) && info.verb().is_read() {
        return Ok(());
    }
    let attributes = Attributes::of_request(user, info);
    if authorizer.allows(&attributes) {
        metrics::authorization(true);
        return Ok(());
    }
    metrics::authorization(false);
    let reason = authorizer.authorize(&attributes).reason;
    Err(Status::not_authorized(&attributes.for_status(), &reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::Method;

    fn refusal(path: &str) -> Option<String> {
        let info = RequestInfo::from_parts(&Method::GET, path, "").expect("good");
        check(&Authorizer::default(), &UserInfo::new("x", ["g"]), &info).err().map(|status| status.message)
    }

    // proves: SE-10
    #[test]
    fn refusals_are_worded_as_upstream_words_them() {
        for (path, want) in [
            (
                "/api/v1/namespaces/default/pods",
                r#"pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "default""#,
            ),
            (
                "/apis/apps/v1/namespaces/a/deployments/d/scale",
                "deployments.apps \"d\" is forbidden: User \"x\" cannot get resource \"deployments/scale\" in API \
                 group \"apps\" in the namespace \"a\"",
            ),
            (
                "/api/v1/nodes/n",
                r#"nodes "n" is forbidden: User "x" cannot get resource "nodes" in API group "" at the cluster scope"#,
            ),
            ("/metrics", r#"forbidden: User "x" cannot get path "/metrics""#),
            ("/livezx", r#"forbidden: User "x" cannot get path "/livezx""#),
        ] {
            assert_eq!(refusal(path).as_deref(), Some(want));
        }
    }

    #[test]
    fn health_and_version_are_for_everybody() {
        for path in ["/livez", "/readyz/ping", "/healthz", "/version"] {
            assert_eq!(refusal(path), None, "{path}");
        }
    }
}
