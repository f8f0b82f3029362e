//! Tokens that lie in Secrets (upstream: `LegacyIssuer`): without audience and end, worth something as long as the Secret
//! holds them and the account lives.

use super::{Bound, Ref, TokenError, Tokens, Verified};
use crate::auth::user::UserInfo;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::Validation;
use serde::Deserialize;
use std::sync::Arc;

/// Who such tokens say has signed them.
const ISSUER: &str = "kubernetes/serviceaccount";
/// Label of a Secret whose token no longer counts.
pub(crate) const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";
/// Label of a Secret with the day on which its token was last used.
pub(crate) const LAST_USED: &str = "kubernetes.io/legacy-token-last-used";

#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
    #[serde(rename = "kubernetes.io/serviceaccount/namespace", default)]
    namespace: String,
    #[serde(rename = "kubernetes.io/serviceaccount/secret.name", default)]
    secret: String,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.name", default)]
    account: String,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.uid", default)]
    uid: String,
}

/// Whether the token says that it is one of these; nothing is verified.
pub(super) fn is_legacy(token: &str) -> bool {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    let payload = token.split('.').nth(1).and_then(|part| BASE64.decode(part).ok());
    let issuer = payload.and_then(|payload| serde_json::from_slice::<Issuer>(&payload).ok());
    issuer.is_some_and(|issuer| issuer.iss == ISSUER)
}

impl Tokens {
    /// Checks signature, Secret and account. For no audience but the server's own.
    pub(super) async fn verify_legacy(&self, token: &str, audiences: &[String]) -> Result<Verified, TokenError> {
        let wanted = if audiences.is_empty() { self.audiences() } else { audiences };
        let matching: Vec<String> = wanted.iter().filter(|wanted| self.audiences().contains(wanted)).cloned().collect();
        if matching.is_empty() {
            return Err(TokenError::Audience { actual: self.audiences().to_vec(), wanted: wanted.to_vec() });
        }
        let claims = self.signed_legacy(token)?;
        let held = self.objects.token_in(&claims.namespace, &claims.secret).await.map_err(TokenError::Unavailable)?;
        match held {
            None => return Err(TokenError::Invalidated),
            Some(held) if held != token => {
                return Err(TokenError::Invalid("token does not match server's copy".to_owned()));
            }
            Some(_) => {}
        }
        let account = Ref { name: claims.account.clone(), uid: claims.uid.clone() };
        self.still_there(Bound::ServiceAccount, &claims.namespace, &account).await?;
        let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        if let Err(error) = self.objects.token_used(&claims.namespace, &claims.secret, today).await {
            tracing::warn!(claims.namespace, claims.secret, error, "that a token was used could not be taken down");
        }
        let user = UserInfo::service_account(&claims.namespace, &claims.account, &claims.uid);
        Ok(Verified { user: Arc::new(user), audiences: matching })
    }

    fn signed_legacy(&self, token: &str) -> Result<Claims, TokenError> {
        let (key, algorithm) = self.key.decoding();
        let mut validation = Validation::new(algorithm);
        validation.validate_aud = false;
        validation.validate_exp = false;
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["iss", "sub"]);
        let claims = jsonwebtoken::decode::<Claims>(token, key, &validation)
            .map_err(|error| TokenError::Invalid(error.to_string()))?
            .claims;
        for (value, what) in [
            (&claims.namespace, "namespace"),
            (&claims.secret, "secretName"),
            (&claims.account, "serviceAccountName"),
            (&claims.uid, "serviceAccountUID"),
        ] {
            if value.is_empty() {
                return Err(TokenError::Invalid(format!("{what} claim is missing")));
            }
        }
        if claims.sub != format!("system:serviceaccount:{}:{}", claims.namespace, claims.account) {
            return Err(TokenError::Invalid("sub claim is invalid".to_owned()));
        }
        Ok(claims)
    }
}
