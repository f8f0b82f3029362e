//! Service-account tokens: bound ones, issued for TokenRequest, and those that lie in Secrets ([`legacy`]); checked on every
//! use.
//!
//! A token is worth nothing by itself: its service account, and the pod, secret or node it is bound to, must still be
//! there with the same uid. Signatures are verified once ([`TOKENS_REMEMBERED_MAX`]), the objects every time.

use crate::auth::keys::{KeyError, SigningKey};
use crate::auth::user::UserInfo;
use async_trait::async_trait;
use jiff::civil::Date;
use jsonwebtoken::Validation;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) mod legacy;

/// Verified tokens that are remembered until they expire. When full all are forgotten, and verified again when used.
pub const TOKENS_REMEMBERED_MAX: usize = 4096;
/// Longer tokens are refused unseen; no real one comes near.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Clocks of signer and verifier may differ by this much (upstream's leeway).
const LEEWAY_SECONDS: u64 = 60;

/// Extra attribute: name of the pod a token is bound to.
pub const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
/// Extra attribute: uid of that pod.
pub const POD_UID: &str = "authentication.kubernetes.io/pod-uid";
/// Extra attribute: name of the node.
pub const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
/// Extra attribute: uid of the node.
pub const NODE_UID: &str = "authentication.kubernetes.io/node-uid";

/// An object that a token depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ref {
    /// Its name.
    pub name: String,
    /// Its uid; empty where the claim has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// The private claims of upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kubernetes {
    /// Namespace of the service account and of what it is bound to.
    pub namespace: String,
    /// The node a pod runs on or that the token is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Ref>,
    /// The pod the token is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Ref>,
    /// The secret the token is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Ref>,
    /// The account.
    pub serviceaccount: Ref,
}

/// All claims of a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// For whom the token is.
    pub aud: Vec<String>,
    /// Until when, in seconds.
    pub exp: u64,
    /// Since when it exists, in seconds.
    pub iat: u64,
    /// Who signed it.
    pub iss: String,
    /// An id of its own.
    #[serde(default)]
    pub jti: String,
    /// What it is bound to.
    #[serde(rename = "kubernetes.io")]
    pub kubernetes: Kubernetes,
    /// From when it counts, in seconds.
    pub nbf: u64,
    /// `system:serviceaccount:NAMESPACE:NAME`.
    pub sub: String,
}

/// Why a token is refused. Nothing of it reaches an anonymous client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of this server: another issuer, or no token at all. Another method may know it.
    #[error("not a token of this cluster")]
    Foreign,
    /// Signature, time or form is wrong.
    #[error("invalid bearer token: {0}")]
    Invalid(String),
    /// For somebody else.
    #[error("token audiences [{}] is invalid for the target audiences [{}]", spaced(actual), spaced(wanted))]
    Audience {
        /// What the token is for.
        actual: Vec<String>,
        /// What was asked for.
        wanted: Vec<String>,
    },
    /// The account or what the token is bound to is gone.
    #[error("service account token has been invalidated")]
    Invalidated,
    /// The objects cannot be looked up now.
    #[error("looking up what a token is bound to: {0}")]
    Unavailable(String),
}

/// Quoted and with spaces between, as Go writes a list.
fn spaced(texts: &[String]) -> String {
    texts.iter().map(|text| api_machinery::gotext::quote(text).to_string()).collect::<Vec<_>>().join(" ")
}

/// What tokens may be bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The account itself.
    ServiceAccount,
    /// A pod in its namespace.
    Pod,
    /// A secret in its namespace.
    Secret,
    /// A node.
    Node,
}

/// Looks up whether objects are still there.
#[async_trait]
pub trait Objects: Send + Sync + std::fmt::Debug {
    /// Whether the object with this uid is there.
    async fn has(&self, what: Bound, namespace: &str, name: &str, uid: &str) -> Result<bool, String>;

    /// The token in a Secret that is there to hold one, is not on its way out, and was not declared invalid.
    async fn token_in(&self, namespace: &str, secret: &str) -> Result<Option<String>, String>;

    /// Takes down that the token in a Secret was used today, in UTC.
    async fn token_used(&self, namespace: &str, secret: &str, today: Date) -> Result<(), String>;
}

/// A verified token.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Who it stands for.
    pub user: Arc<UserInfo>,
    /// The audiences of the token that were asked for.
    pub audiences: Vec<String>,
}

/// Issues and checks the tokens of one issuer.
#[derive(Debug)]
pub struct Tokens {
    issuer: String,
    audiences: Vec<String>,
    key: SigningKey,
    objects: Arc<dyn Objects>,
    remembered: Mutex<HashMap<[u8; 32], Arc<Remembered>>>,
}

#[derive(Debug)]
struct Remembered {
    claims: Claims,
    user: Arc<UserInfo>,
}

impl Tokens {
    /// Tokens of an issuer, accepted when they are for one of the audiences (the issuer, if there are none).
    pub fn new(issuer: String, audiences: Vec<String>, key: SigningKey, objects: Arc<dyn Objects>) -> Self {
        let audiences = if audiences.is_empty() { vec![issuer.clone()] } else { audiences };
        Self { issuer, audiences, key, objects, remembered: Mutex::default() }
    }

    /// What tokens are for unless their request says otherwise.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// Who issues.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The signing key.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Signs a token for an account. Seconds since the epoch: `now`, and how long it lives.
    ///
    /// # Errors
    /// Signing failed.
    pub fn issue(
        &self,
        bound: Kubernetes,
        audiences: Vec<String>,
        now_seconds: u64,
        seconds: u64,
    ) -> Result<String, KeyError> {
        let claims = Claims {
            aud: if audiences.is_empty() { self.audiences.clone() } else { audiences },
            exp: now_seconds + seconds,
            iat: now_seconds,
            iss: self.issuer.clone(),
            jti: uuid::Uuid::new_v4().to_string(),
            sub: format!("system:serviceaccount:{}:{}", bound.namespace, bound.serviceaccount.name),
            kubernetes: bound,
            nbf: now_seconds,
        };
        self.key.sign(&claims)
    }

    /// Checks a token for these audiences (the server's own, if there are none).
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn verify(&self, token: &str, audiences: &[String]) -> Result<Verified, TokenError> {
        let known = match self.signed(token) {
            // Looked at only where a bound token ends, so that it costs those nothing.
            Err(_) if token.len() <= TOKEN_BYTES_MAX && legacy::is_legacy(token) => {
                return self.verify_legacy(token, audiences).await;
            }
            outcome => outcome?,
        };
        let claims = &known.claims;
        let wanted = if audiences.is_empty() { &self.audiences } else { audiences };
        let matching: Vec<String> = wanted.iter().filter(|wanted| claims.aud.contains(wanted)).cloned().collect();
        if matching.is_empty() {
            return Err(TokenError::Audience { actual: claims.aud.clone(), wanted: wanted.to_vec() });
        }
        let Kubernetes { namespace, serviceaccount, pod, secret, node } = &claims.kubernetes;
        self.still_there(Bound::ServiceAccount, namespace, serviceaccount).await?;
        match (secret, pod, node) {
            (Some(secret), ..) => self.still_there(Bound::Secret, namespace, secret).await?,
            (_, Some(pod), _) => self.still_there(Bound::Pod, namespace, pod).await?,
            (_, _, Some(node)) => self.still_there(Bound::Node, "", node).await?,
            _ => {}
        }
        Ok(Verified { user: Arc::clone(&known.user), audiences: matching })
    }

    /// Verifies signature, issuer and times.
    fn signed(&self, token: &str) -> Result<Arc<Remembered>, TokenError> {
        if token.len() > TOKEN_BYTES_MAX || !token.starts_with("ey") {
            return Err(TokenError::Foreign);
        }
        let now_seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let fingerprint: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(known) = self.remembered.lock().get(&fingerprint).cloned() {
            return if now_seconds > known.claims.exp + LEEWAY_SECONDS {
                Err(TokenError::Invalid("token has expired".to_owned()))
            } else {
                Ok(known)
            };
        }
        let (key, algorithm) = self.key.decoding();
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.validate_aud = false;
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        let claims = jsonwebtoken::decode::<Claims>(token, key, &validation)
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidIssuer => TokenError::Foreign,
                _ => TokenError::Invalid(error.to_string()),
            })?
            .claims;
        let user = user(&claims).ok_or_else(|| TokenError::Invalid("the subject does not fit the claims".into()))?;
        let known = Arc::new(Remembered { claims, user: Arc::new(user) });
        let mut remembered = self.remembered.lock();
        if remembered.len() >= TOKENS_REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(fingerprint, Arc::clone(&known));
        Ok(known)
    }

    async fn still_there(&self, what: Bound, namespace: &str, object: &Ref) -> Result<(), TokenError> {
        match self.objects.has(what, namespace, &object.name, &object.uid).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(TokenError::Invalidated),
            Err(error) => Err(TokenError::Unavailable(error)),
        }
    }
}

fn user(claims: &Claims) -> Option<UserInfo> {
    let Kubernetes { namespace, serviceaccount, pod, node, .. } = &claims.kubernetes;
    let mut user = UserInfo::service_account(namespace, &serviceaccount.name, &serviceaccount.uid);
    if user.name != claims.sub || serviceaccount.name.is_empty() || namespace.is_empty() {
        return None;
    }
    let mut extra = |key: &str, value: String| user.extra.insert(key.to_owned(), vec![value]);
    if !claims.jti.is_empty() {
        extra(crate::auth::x509::CREDENTIAL_ID, format!("JTI={}", claims.jti));
    }
    for (object, name, uid) in [(pod, POD_NAME, POD_UID), (node, NODE_NAME, NODE_UID)] {
        if let Some(object) = object {
            extra(name, object.name.clone());
            if !object.uid.is_empty() {
                extra(uid, object.uid.clone());
            }
        }
    }
    Some(user)
}

#[cfg(test)]
mod tests;
