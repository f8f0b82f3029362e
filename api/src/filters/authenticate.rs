//! Filter: who asks. A client certificate first, then a bearer token; without either, nobody in particular, who may
//! only look at health and version.

use crate::auth::UserInfo;
use crate::auth::tokens::{TokenError, Tokens};
use crate::auth::x509::Verifier;
use crate::filters::authorize;
use crate::filters::request_info::RequestInfo;
use crate::http::Peer;
use crate::metrics;
use ::http::header::{AUTHORIZATION, HeaderMap};
use api_machinery::status::Status;
use std::sync::Arc;

/// Every method of authentication there is.
#[derive(Debug)]
pub struct Authenticator {
    /// Client certificates.
    pub certificates: Verifier,
    /// Service-account tokens.
    pub tokens: Arc<Tokens>,
}

impl Authenticator {
    /// Who sends this request. The Authorization header is taken off: no handler sees it.
    ///
    /// # Errors
    /// 401, without saying why; the log says it.
    pub async fn authenticate(
        &self,
        peer: &Peer,
        info: &RequestInfo,
        headers: &mut HeaderMap,
    ) -> Result<Arc<UserInfo>, Status> {
        let certificate = self.certificates.authenticate(peer);
        if let Ok(Some(user)) = certificate {
            headers.remove(AUTHORIZATION);
            metrics::authenticated();
            return Ok(user);
        }
        let token = bearer_token(headers);
        headers.remove(AUTHORIZATION);
        let refused = match (token, certificate) {
            (Some(token), _) => match self.tokens.verify(&token, &[]).await {
                Ok(verified) => {
                    metrics::authenticated();
                    return Ok(verified.user);
                }
                Err(TokenError::Unavailable(error)) => {
                    metrics::unauthenticated("error");
                    tracing::warn!(peer = %peer.address, error, "token not checked");
                    return Err(Status::unauthorized("Unauthorized"));
                }
                Err(error) => error.to_string(),
            },
            (None, Err(error)) => error.to_string(),
            (None, Ok(_)) if !info.is_resource() && authorize::is_public(info.path()) => {
                return Ok(Arc::new(UserInfo::anonymous()));
            }
            (None, Ok(_)) => "no credentials".to_owned(),
        };
        metrics::unauthenticated("failure");
        tracing::debug!(peer = %peer.address, path = info.path(), reason = refused, "unauthenticated");
        Err(Status::unauthorized("Unauthorized"))
    }
}

/// The token of `Authorization: Bearer TOKEN`: what is between the first space and the next. Headers of other kinds are
/// nobody's, and so is a token that a second space comes before.
fn bearer_token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let mut parts = value.trim().split(' ');
    let is_bearer = parts.next()?.eq_ignore_ascii_case("bearer");
    parts.next().filter(|token| is_bearer && !token.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::HeaderValue;

    #[test]
    fn only_bearer_tokens_are_tokens() {
        let token = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
            bearer_token(&headers)
        };
        assert_eq!(token("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(token(" bearer abc ").as_deref(), Some("abc"));
        assert_eq!(token("Bearer abc d").as_deref(), Some("abc"));
        assert_eq!(token("Bearer  abc"), None);
        assert_eq!(token("Bearer "), None);
        assert_eq!(token("Basic abc"), None);
        assert_eq!(bearer_token(&HeaderMap::new()), None);
    }
}
