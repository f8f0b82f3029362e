//! What a token Secret lacks. Pure.

use crate::objects::{annotation, is_terminating, name, uid};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ObjectReference, Secret, ServiceAccount};
use serde::Serialize;

/// Type of the Secrets that this controller fills.
pub const TYPE: &str = "kubernetes.io/service-account-token";
/// Annotation with the account's name.
pub const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
/// Annotation with the account's uid.
pub const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";
/// Who signs such tokens; they have no audience and no end.
const ISSUER: &str = "kubernetes/serviceaccount";
/// Key of the token.
const TOKEN: &str = "token";
/// Key of the cluster CA.
const CA: &str = "ca.crt";
/// Key of the namespace.
const NAMESPACE: &str = "namespace";

/// The claims of a token, under upstream's names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claims {
    iss: &'static str,
    #[serde(rename = "kubernetes.io/serviceaccount/namespace")]
    namespace: String,
    #[serde(rename = "kubernetes.io/serviceaccount/secret.name")]
    secret: String,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.name")]
    account: String,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.uid")]
    account_uid: String,
    sub: String,
}

impl Claims {
    /// The claims of the token in `secret`.
    pub fn of(account: &ServiceAccount, secret: &Secret) -> Self {
        let namespace = secret.metadata.namespace.clone().unwrap_or_default();
        Self {
            iss: ISSUER,
            secret: name(&secret.metadata).to_owned(),
            account: name(&account.metadata).to_owned(),
            account_uid: uid(&account.metadata).to_owned(),
            sub: format!("system:serviceaccount:{namespace}:{}", name(&account.metadata)),
            namespace,
        }
    }
}

/// What to do with a token Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It has what it needs.
    Nothing,
    /// Its account is gone, or is another one of that name.
    Delete,
    /// Some of its data is missing or old.
    Fill {
        /// Whether a token has to be signed.
        token: bool,
    },
}

/// Decides about one Secret. Without a CA none is written.
pub fn plan(secret: &Secret, account: Option<&ServiceAccount>, ca_pem: &str) -> Step {
    let Some(account) = account else { return Step::Delete };
    let wanted_uid = annotation(&secret.metadata, ACCOUNT_UID).unwrap_or_default();
    if !wanted_uid.is_empty() && wanted_uid != uid(&account.metadata) {
        return Step::Delete;
    }
    let value = |key: &str| secret.data.as_ref().and_then(|data| data.get(key)).map_or(&[][..], |bytes| &bytes.0);
    let token = value(TOKEN).is_empty();
    let stale_ca = !ca_pem.is_empty() && value(CA) != ca_pem.as_bytes();
    if is_terminating(&secret.metadata) || !(token || stale_ca || value(NAMESPACE).is_empty()) {
        return Step::Nothing;
    }
    Step::Fill { token }
}

/// The Secret with everything that it needs; `token` replaces the one it has.
pub fn filled(secret: &Secret, account: &ServiceAccount, ca_pem: &str, token: Option<String>) -> Secret {
    let mut filled = secret.clone();
    let data = filled.data.get_or_insert_default();
    if let Some(token) = token {
        data.insert(TOKEN.to_owned(), ByteString(token.into_bytes()));
    }
    if !ca_pem.is_empty() {
        data.insert(CA.to_owned(), ByteString(ca_pem.as_bytes().to_vec()));
    }
    if data.get(NAMESPACE).is_none_or(|bytes| bytes.0.is_empty()) {
        let namespace = secret.metadata.namespace.clone().unwrap_or_default();
        data.insert(NAMESPACE.to_owned(), ByteString(namespace.into_bytes()));
    }
    let annotations = filled.metadata.annotations.get_or_insert_default();
    annotations.insert(ACCOUNT_NAME.to_owned(), name(&account.metadata).to_owned());
    annotations.insert(ACCOUNT_UID.to_owned(), uid(&account.metadata).to_owned());
    filled
}

/// The account's references without those to Secrets that are gone; `None` if there is none of them.
pub fn without(account: &ServiceAccount, gone: &[String]) -> Option<Vec<ObjectReference>> {
    let is_gone = |reference: &ObjectReference| reference.name.as_ref().is_some_and(|name| gone.contains(name));
    let references = account.secrets.as_deref().unwrap_or_default();
    references.iter().any(is_gone).then(|| references.iter().filter(|reference| !is_gone(reference)).cloned().collect())
}
