//! Whether what a token is bound to is still there, from the watch caches.

use crate::auth::tokens::legacy::{INVALID_SINCE, LAST_USED};
use crate::auth::tokens::{Bound, Objects};
use crate::registry::Kinds;
use crate::registry::strategy::Strategy;
use api_machinery::meta;
use api_machinery::status::Status;
use api_storage::{Change, Preconditions, ReadRevision, ResourceStore, StorageError, Stored};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::civil::Date;

/// Looks in the caches; unless the object is there, in the store, because it may be newer than the cache.
pub struct LiveObjects {
    accounts: ResourceStore,
    pods: ResourceStore,
    secrets: ResourceStore,
    secret_strategy: &'static dyn Strategy,
    nodes: ResourceStore,
}

impl std::fmt::Debug for LiveObjects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LiveObjects")
    }
}

impl LiveObjects {
    /// Over the storage of these kinds; shares their caches.
    ///
    /// # Errors
    /// The table of kinds lacks one that tokens are bound to.
    pub fn new(kinds: &Kinds) -> Result<Self, Status> {
        let kind = |resource: &str| {
            let kind = kinds.stored("", resource);
            kind.ok_or_else(|| Status::internal_error(format!("the table of kinds has no {resource}")))
        };
        Ok(Self {
            accounts: kind("serviceaccounts")?.store()?.clone(),
            pods: kind("pods")?.store()?.clone(),
            secrets: kind("secrets")?.store()?.clone(),
            secret_strategy: kind("secrets")?.strategy,
            nodes: kind("nodes")?.store()?.clone(),
        })
    }
}

/// Whether a Secret says that its token was used on this day. A server whose clock is ahead may say tomorrow already.
fn is_known_used(secret: &Stored, today: Date) -> bool {
    let said = secret.label(LAST_USED).and_then(|day| day.parse::<Date>().ok());
    said.is_some_and(|day| day == today || Some(day) == today.tomorrow().ok())
}

/// The token of a Secret, if it may be used.
fn token_of(secret: &Stored) -> Result<Option<String>, String> {
    if secret.is_deleting() || secret.label(INVALID_SINCE).is_some() {
        return Ok(None);
    }
    let secret = secret.decode().map_err(|error| error.to_string())?;
    let encoded = secret["data"]["token"].as_str().filter(|_| secret["type"] == "kubernetes.io/service-account-token");
    let token = encoded.and_then(|encoded| BASE64.decode(encoded).ok());
    Ok(token.and_then(|token| String::from_utf8(token).ok()))
}

#[async_trait]
impl Objects for LiveObjects {
    async fn has(&self, what: Bound, namespace: &str, name: &str, uid: &str) -> Result<bool, String> {
        let (store, namespace) = match what {
            Bound::ServiceAccount => (&self.accounts, Some(namespace)),
            Bound::Pod => (&self.pods, Some(namespace)),
            Bound::Secret => (&self.secrets, Some(namespace)),
            Bound::Node => (&self.nodes, None),
        };
        if let Ok(object) = store.get(namespace, name, ReadRevision::Any).await
            && object.uid() == uid
        {
            return Ok(true);
        }
        match store.get(namespace, name, ReadRevision::Consistent).await {
            Ok(object) => Ok(object.uid() == uid),
            Err(StorageError::NotFound { .. } | StorageError::BadRequest(_)) => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn token_in(&self, namespace: &str, secret: &str) -> Result<Option<String>, String> {
        match self.secrets.get(Some(namespace), secret, ReadRevision::Consistent).await {
            Ok(secret) => token_of(&secret),
            Err(StorageError::NotFound { .. } | StorageError::BadRequest(_)) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn token_used(&self, namespace: &str, secret: &str, today: Date) -> Result<(), String> {
        let known = self.secrets.get(Some(namespace), secret, ReadRevision::Any).await;
        if known.is_ok_and(|known| is_known_used(&known, today)) {
            return Ok(());
        }
        let preconditions = Preconditions::default();
        let update =
            self.secrets.guaranteed_update(Some(namespace), secret, &preconditions, None, |current, mut value| {
                if is_known_used(current, today) {
                    return Ok::<_, std::convert::Infallible>(Change::Nothing);
                }
                meta::set_label(&mut value, LAST_USED, &today.to_string());
                let fields = self.secret_strategy.fields(&value);
                Ok(Change::Write { value, fields })
            });
        update.await.map(drop).map_err(|error| error.to_string())
    }
}
