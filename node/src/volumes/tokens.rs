//! Tokens of the pod's service account, bound to the pod and renewed long before they expire.

use jiff::{Timestamp, ToSpan};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount, ServiceAccountTokenProjection};
use kube::api::PostParams;
use kube::{Api, Client};
use std::collections::BTreeMap;

/// Life of a token whose volume says nothing (upstream: one hour).
const EXPIRATION_SECONDS: i64 = 3600;
/// No token is used for longer than this, whatever its life (upstream: 24 hours).
const AGE_HOURS_MAX: i64 = 24;

/// The tokens of one pod.
#[derive(Debug, Default)]
pub struct Tokens {
    held: BTreeMap<(String, String), Held>,
}

#[derive(Debug)]
struct Held {
    token: String,
    renew_at: Timestamp,
}

impl Tokens {
    /// Gets the tokens that are missing or old.
    ///
    /// # Errors
    /// The API server did not give one; upstream's words.
    pub async fn ensure(
        &mut self,
        client: &Client,
        pod: &Pod,
        wanted: &[(String, ServiceAccountTokenProjection)],
    ) -> Result<(), String> {
        for (volume, projection) in wanted {
            let key = (volume.clone(), projection.path.clone());
            let now = Timestamp::now();
            if self.held.get(&key).is_some_and(|held| now < held.renew_at) {
                continue;
            }
            match request(client, pod, projection).await {
                Ok((token, expires)) => drop(self.held.insert(key, Held { token, renew_at: renew_at(now, expires) })),
                // An old one may still be good; the next look tries again.
                Err(error) if self.held.contains_key(&key) => tracing::warn!(%error, "a token could not be renewed"),
                Err(error) => return Err(format!("failed to fetch token: {error}")),
            }
        }
        Ok(())
    }

    /// The tokens by volume and path.
    pub fn values(&self) -> BTreeMap<(String, String), String> {
        self.held.iter().map(|(key, held)| (key.clone(), held.token.clone())).collect()
    }
}

/// When 80 % of its life is over.
pub fn renew_at(now: Timestamp, expires: Timestamp) -> Timestamp {
    let life = expires.as_second() - now.as_second();
    let at = now.checked_add((life * 8 / 10).seconds()).unwrap_or(now);
    at.min(now.checked_add(AGE_HOURS_MAX.hours()).unwrap_or(at))
}

async fn request(
    client: &Client,
    pod: &Pod,
    projection: &ServiceAccountTokenProjection,
) -> Result<(String, Timestamp), String> {
    let meta = &pod.metadata;
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), meta.namespace.as_deref().unwrap_or_default());
    let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref()).unwrap_or("default");
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            audiences: projection.audience.clone().map(|audience| vec![audience]).or_else(|| Some(Vec::new())),
            expiration_seconds: Some(projection.expiration_seconds.unwrap_or(EXPIRATION_SECONDS)),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: meta.name.clone(),
                uid: meta.uid.clone(),
            }),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let answer = api.create_token_request(account, &PostParams::default(), &request).await;
    let status = answer.map_err(|error| error.to_string())?.status.unwrap_or_default();
    match (status.token, status.expiration_timestamp) {
        (Some(token), Some(expires)) => Ok((token, expires.0)),
        _ => Err("the answer has no token".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_renewed_at_four_fifths_of_their_life_and_once_a_day() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let at = |hours: i64| renew_at(now, now.checked_add(hours.hours()).unwrap()).to_string();
        assert_eq!(at(1), "2026-01-01T00:48:00Z");
        assert_eq!(at(1000), "2026-01-02T00:00:00Z");
    }
}
