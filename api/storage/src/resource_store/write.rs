//! Step 5 of the path of a write: from objects to conditional writes of the store (step 6).

use super::ResourceStore;
use crate::envelope;
use crate::error::{StorageError, UpdateError};
use crate::options::{Change, NewObject, Outcome, Preconditions, Updated};
use crate::store_ops::{Conditional, delete_if, put_if};
use crate::stored::Stored;
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use store_types::KeyValue;
use tracing::Instrument;

/// Attempts of an update that keeps losing against other writers; after these the client gets a conflict. Each
/// attempt loses only because another write succeeded, so the limit is far from ordinary contention.
const ATTEMPTS_MAX: u32 = 100;

impl ResourceStore {
    /// Creates an object; with a TTL it vanishes some time (up to a minute) after that.
    pub async fn create(
        &self,
        namespace: Option<&str>,
        name: &str,
        object: NewObject<'_>,
        ttl: Option<Duration>,
    ) -> Result<Arc<Stored>, StorageError> {
        let key = self.resource.key(namespace, name)?;
        let value = envelope::encode(object.value, &object.fields)?;
        let put = self.put(&key, 0, value.clone(), ttl).instrument(tracing::trace_span!("storage"));
        match put.await? {
            Conditional::Done(revision) => self.stored(key, value, revision),
            Conditional::Lost(_) => {
                Err(StorageError::AlreadyExists { key: self.resource.display_key(namespace, name) })
            }
        }
    }

    /// Changes an object: reads it, lets `change` make a new state of it, and writes that if nobody else has written
    /// in between; otherwise begins again from the newer state. Nothing is written if the result, serialised, equals
    /// what is stored. `change` may run several times and first on a state that is slightly old; an error that it
    /// returns for an old state is not final.
    pub async fn guaranteed_update<E>(
        &self,
        namespace: Option<&str>,
        name: &str,
        preconditions: &Preconditions,
        ttl: Option<Duration>,
        mut change: impl FnMut(&Arc<Stored>, Value) -> Result<Change, E> + Send,
    ) -> Result<Updated, UpdateError<E>> {
        let key = self.resource.key(namespace, name)?;
        let not_found = || StorageError::NotFound { key: self.resource.display_key(namespace, name) };
        let cached = self.running_cache().and_then(|cache| cache.get(&key));
        let mut fresh = cached.is_none();
        let mut current = match cached {
            Some(cached) => cached,
            None => self.get_from_store(&key).await?.0.ok_or_else(not_found)?,
        };
        for _ in 0..ATTEMPTS_MAX {
            let decided = self.decide(&current, namespace, name, preconditions, &mut change);
            let written = match decided {
                // Whatever an old state says may be wrong: no refusal and no "nothing to do" before a fresh read.
                Err(_) | Ok(Decision::Nothing) if !fresh => {
                    let read = self.get_consistent(&key).await?.ok_or_else(not_found)?;
                    fresh = true;
                    if read.resource_version() == current.resource_version() {
                        // The old state was the current one after all.
                        decided?;
                        return Ok(Updated { object: current, outcome: Outcome::Unchanged });
                    }
                    current = read;
                    continue;
                }
                Err(error) => return Err(error),
                Ok(Decision::Nothing) => return Ok(Updated { object: current, outcome: Outcome::Unchanged }),
                Ok(Decision::Delete) => delete_if(&*self.hub.store, &key, current.resource_version())
                    .await?
                    .map(|revision| Ok((current.at_revision(revision), Outcome::Deleted))),
                Ok(Decision::Put(value)) => self
                    .put(&key, current.resource_version(), value.clone(), ttl)
                    .await?
                    .map(|revision| Ok((self.stored(key.clone(), value, revision)?, Outcome::Written))),
            };
            match written {
                Ok(done) => {
                    let (object, outcome) = done.map_err(UpdateError::Storage)?;
                    return Ok(Updated { object, outcome });
                }
                Err(found) => {
                    current = self.found(found)?.ok_or_else(not_found)?;
                    fresh = true;
                }
            }
        }
        let key = self.resource.display_key(namespace, name);
        Err(StorageError::Contended { key, attempts: ATTEMPTS_MAX }.into())
    }

    /// Deletes an object; returns its last state, at the revision of the deletion.
    pub async fn delete(
        &self,
        namespace: Option<&str>,
        name: &str,
        preconditions: &Preconditions,
    ) -> Result<Arc<Stored>, StorageError> {
        self.delete_validated(namespace, name, preconditions, |_| Ok::<_, std::convert::Infallible>(())).await.map_err(
            |error| match error {
                UpdateError::Storage(error) => error,
                UpdateError::Refused(never) => match never {},
            },
        )
    }

    /// Deletes an object if `validate` agrees with the state that is deleted.
    pub async fn delete_validated<E>(
        &self,
        namespace: Option<&str>,
        name: &str,
        preconditions: &Preconditions,
        mut validate: impl FnMut(&Arc<Stored>) -> Result<(), E> + Send,
    ) -> Result<Arc<Stored>, UpdateError<E>> {
        let key = self.resource.key(namespace, name)?;
        let not_found = || StorageError::NotFound { key: self.resource.display_key(namespace, name) };
        let cached = self.running_cache().and_then(|cache| cache.get(&key));
        let mut fresh = cached.is_none();
        let mut current = match cached {
            Some(cached) => cached,
            None => self.get_from_store(&key).await?.0.ok_or_else(not_found)?,
        };
        for _ in 0..ATTEMPTS_MAX {
            let checked = self.check(&current, namespace, name, preconditions).map_err(UpdateError::Storage);
            match checked.and_then(|()| validate(&current).map_err(UpdateError::Refused)) {
                Ok(()) => {}
                // What an old state refuses may be right for the current one.
                Err(_) if !fresh => {
                    current = self.get_consistent(&key).await?.ok_or_else(not_found)?;
                    fresh = true;
                    continue;
                }
                Err(error) => return Err(error),
            }
            match delete_if(&*self.hub.store, &key, current.resource_version()).await? {
                Conditional::Done(revision) => return Ok(current.at_revision(revision)),
                Conditional::Lost(found) => {
                    current = self.found(found)?.ok_or_else(not_found)?;
                    fresh = true;
                }
            }
        }
        let key = self.resource.display_key(namespace, name);
        Err(StorageError::Contended { key, attempts: ATTEMPTS_MAX }.into())
    }

    fn decide<E>(
        &self,
        current: &Arc<Stored>,
        namespace: Option<&str>,
        name: &str,
        preconditions: &Preconditions,
        change: &mut impl FnMut(&Arc<Stored>, Value) -> Result<Change, E>,
    ) -> Result<Decision, UpdateError<E>> {
        self.check(current, namespace, name, preconditions)?;
        Ok(match change(current, current.decode()?).map_err(UpdateError::Refused)? {
            Change::Nothing => Decision::Nothing,
            Change::Delete => Decision::Delete,
            Change::Write { value, fields } => {
                let envelope = envelope::encode(&value, &fields).map_err(StorageError::from)?;
                if envelope == current.envelope() { Decision::Nothing } else { Decision::Put(envelope) }
            }
        })
    }

    fn check(
        &self,
        current: &Stored,
        namespace: Option<&str>,
        name: &str,
        preconditions: &Preconditions,
    ) -> Result<(), StorageError> {
        preconditions
            .check(current)
            .map_err(|message| StorageError::InvalidObject { key: self.resource.display_key(namespace, name), message })
    }

    async fn put(
        &self,
        key: &Bytes,
        expected: i64,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<Conditional, StorageError> {
        let Some(ttl) = ttl else {
            return put_if(&*self.hub.store, key, expected, value, 0).await;
        };
        let lease = self.hub.leases.lease_for(ttl).await?;
        match put_if(&*self.hub.store, key, expected, value.clone(), lease).await {
            Err(StorageError::Store(error)) if error == store_client::Error::LEASE_NOT_FOUND => {
                self.hub.leases.forget(lease).await;
                let lease = self.hub.leases.lease_for(ttl).await?;
                put_if(&*self.hub.store, key, expected, value, lease).await
            }
            result => result,
        }
    }

    fn found(&self, found: Option<KeyValue>) -> Result<Option<Arc<Stored>>, StorageError> {
        found.map(|kv| Stored::from_store(&self.resource, self.prefix_bytes, &kv)).transpose()
    }

    fn stored(&self, key: Bytes, value: Bytes, revision: i64) -> Result<Arc<Stored>, StorageError> {
        Stored::new(&self.resource, self.prefix_bytes, key, value, revision)
    }
}

enum Decision {
    Nothing,
    Delete,
    Put(Bytes),
}
