//! LIST: from the cache's snapshots where they have the wanted state, from the store's history otherwise.

use super::ResourceStore;
use crate::cache::{Cache, Snapshot};
use crate::continue_token::{self, LATEST, Position};
use crate::error::StorageError;
use crate::options::{ListOptions, ListPage, ListRevision};
use crate::scope::Scope;
use crate::store_ops::{after, bounds, header_revision, range_request, starting_at, successor};
use crate::stored::Stored;
use bytes::Bytes;
use store_types::KeyRange;

/// Objects read from the store at once for a list without limit.
const CHUNK_OBJECTS: i64 = 500;
/// Objects read at once, at most, when a selector lets few of them through; upstream's `maxLimit`.
const CHUNK_OBJECTS_MAX: i64 = 10_000;

/// What one request asks for, once token and revision are understood.
struct Query<'a> {
    scope: Scope,
    /// What is left of the scope's range.
    rest: KeyRange,
    limit: usize,
    revision: ListRevision,
    /// Whether this is not the first page.
    continued: bool,
    options: &'a ListOptions,
}

impl ResourceStore {
    /// Lists objects in key order.
    pub async fn list(&self, options: ListOptions) -> Result<ListPage, StorageError> {
        let query = self.query(&options)?;
        if let Some(cache) = self.cache()
            && let Some(snapshot) = self.usable_snapshot(cache, &query).await?
        {
            return Ok(self.page_of_snapshot(&query, &snapshot));
        }
        self.page_of_store(&query).await
    }

    fn query<'a>(&self, options: &'a ListOptions) -> Result<Query<'a>, StorageError> {
        // The cache may index other fields than this user of it knows of.
        let resource = self.cache().map_or(&self.resource, |cache| &cache.resource);
        let scope = Scope::new(resource, options.namespace.as_deref(), &options.predicate)?;
        let mut query = Query {
            rest: scope.range.clone(),
            limit: options.limit,
            revision: options.revision,
            continued: false,
            scope,
            options,
        };
        let Some(token) = options.continue_token.as_deref().filter(|token| !token.is_empty()) else {
            return Ok(query);
        };
        let listed = self.resource.range(options.namespace.as_deref())?;
        let position = continue_token::decode(&self.hub.continue_key, &listed, token)
            .map_err(|error| StorageError::BadRequest(format!("invalid continue token: {error}")))?;
        if !matches!(options.revision, ListRevision::Consistent | ListRevision::Any) {
            let message = "specifying resource version is not allowed when using continue";
            return Err(StorageError::BadRequest(message.into()));
        }
        query.continued = true;
        query.revision = match position.revision {
            LATEST => ListRevision::Consistent,
            revision => ListRevision::Exact(revision),
        };
        // A single name is left only if the token has not passed it.
        query.rest = match &query.scope.range {
            KeyRange::One(key) if *key < position.start => KeyRange::HalfOpen { start: key.clone(), end: key.clone() },
            KeyRange::One(key) => KeyRange::One(key.clone()),
            range => starting_at(range, position.start),
        };
        Ok(query)
    }

    /// A snapshot that shows the wanted state; `None` if the store has to be asked.
    async fn usable_snapshot(&self, cache: &Cache, query: &Query<'_>) -> Result<Option<Snapshot>, StorageError> {
        if cache.wait_ready().await.is_err() {
            return Ok(None);
        }
        match query.revision {
            ListRevision::Any => {}
            ListRevision::NotOlderThan(revision) => cache.wait_for(revision).await?,
            ListRevision::Consistent => {
                let revision = self.hub.confirmer.current_revision().await?;
                // Without a feed that says how far it is there is nothing to wait for.
                let hopeless = cache.revision() < revision && !cache.can_catch_up();
                if hopeless || cache.wait_for(revision).await.is_err() {
                    cache.metrics.consistent_read_fallbacks.inc();
                    return Ok(None);
                }
                cache.metrics.consistent_reads.inc();
            }
            ListRevision::Exact(revision) => {
                // The cache shows one state for all revisions since the last change.
                let snapshot = cache.snapshot(&query.scope.topic);
                let shows = snapshot.last_change <= revision && revision <= snapshot.revision;
                return Ok(shows.then_some(Snapshot { revision, ..snapshot }));
            }
        }
        Ok(Some(cache.snapshot(&query.scope.topic)))
    }

    fn page_of_snapshot(&self, query: &Query<'_>, snapshot: &Snapshot) -> ListPage {
        let mut page = ListPage { resource_version: snapshot.revision, ..Default::default() };
        let everything = query.scope.predicate.matches_all();
        let mut objects = snapshot.objects.range::<_, [u8]>(bounds(&query.rest)).map(|(_, object)| object);
        while let Some(object) = objects.next() {
            if !everything && !query.scope.predicate.matches(object) {
                continue;
            }
            page.items.push(std::sync::Arc::clone(object));
            if query.limit > 0 && page.items.len() == query.limit {
                let remaining = if everything { objects.count() } else { usize::from(objects.next().is_some()) };
                if remaining > 0 {
                    self.finish(query, &mut page, object.key(), remaining as i64);
                }
                break;
            }
        }
        page
    }

    async fn page_of_store(&self, query: &Query<'_>) -> Result<ListPage, StorageError> {
        let mut page = ListPage::default();
        let mut rest = query.rest.clone();
        let mut revision = match query.revision {
            ListRevision::Exact(revision) => revision,
            _ => 0,
        };
        let mut chunk = match query.limit {
            0 => CHUNK_OBJECTS,
            limit => i64::try_from(limit).unwrap_or(CHUNK_OBJECTS_MAX).min(CHUNK_OBJECTS_MAX),
        };
        loop {
            let response = match self.hub.store.range(range_request(rest.clone(), chunk, revision)).await {
                Ok(response) => response,
                Err(error) => return Err(self.list_error(query, &rest, revision, error).await),
            };
            let current = header_revision(response.header.as_ref());
            if revision == 0 {
                revision = current;
                if let ListRevision::NotOlderThan(requested) = query.revision
                    && requested > current
                {
                    return Err(StorageError::TooLargeResourceVersion { requested, current });
                }
            }
            page.resource_version = revision;
            for (index, kv) in response.kvs.iter().enumerate() {
                let object = Stored::from_store(&self.resource, self.prefix_bytes, kv)?;
                if !query.scope.predicate.matches(&object) {
                    continue;
                }
                page.items.push(object);
                if query.limit > 0 && page.items.len() == query.limit {
                    let remaining = response.count - index as i64 - 1;
                    if remaining > 0 {
                        self.finish(query, &mut page, &kv.key, remaining);
                    }
                    return Ok(page);
                }
            }
            match response.kvs.last() {
                Some(last) if response.more => rest = after(&rest, &last.key),
                _ => return Ok(page),
            }
            chunk = (chunk * 2).min(CHUNK_OBJECTS_MAX);
        }
    }

    /// Adds what a page needs that is not the last one.
    fn finish(&self, query: &Query<'_>, page: &mut ListPage, last: &[u8], remaining: i64) {
        page.continue_token = Some(self.token(query, page.resource_version, successor(last)));
        // With selectors nobody knows how many of the remaining objects match.
        page.remaining_item_count = Some(remaining).filter(|_| query.scope.predicate.matches_all());
    }

    fn token(&self, query: &Query<'_>, revision: i64, start: Bytes) -> String {
        let listed = match &query.scope.range {
            KeyRange::One(_) => self.resource.range(query.options.namespace.as_deref()),
            range => Ok(range.clone()),
        };
        let listed = listed.expect("the namespace was checked when the scope was made");
        continue_token::encode(&self.hub.continue_key, &listed, &Position { revision, start })
    }

    async fn list_error(
        &self,
        query: &Query<'_>,
        rest: &KeyRange,
        revision: i64,
        error: store_client::Error,
    ) -> StorageError {
        if error == store_client::Error::COMPACTED {
            return match query.continued {
                true => StorageError::ContinueExpired { inconsistent: self.token(query, LATEST, rest.start().clone()) },
                false => StorageError::ListExpired,
            };
        }
        if error == store_client::Error::FUTURE_REVISION {
            return match self.hub.confirmer.current_revision().await {
                Ok(current) => StorageError::TooLargeResourceVersion { requested: revision, current },
                Err(error) => error,
            };
        }
        error.into()
    }
}
