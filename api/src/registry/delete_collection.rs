//! Deletes everything that a selector matches, page by page; each object by the ordinary rules.

use super::Registry;
use super::kind::Kind;
use super::options::DeleteOptions;
use super::strategy::Cx;
use api_machinery::status::{Status, reason};
use api_storage::{ListOptions, Predicate, Stored};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::sync::Arc;

/// Objects that are listed at once.
const PAGE_OBJECTS: usize = 500;
/// Deletions under way at once; the rest of the page waits.
const DELETIONS_MAX: usize = 8;

impl Registry {
    /// Deletes what matches and returns it as it was, with the revision at which it was listed.
    ///
    /// # Errors
    /// The first deletion that is refused; those before it are done. What is gone already is passed over.
    pub async fn delete_collection(
        &self,
        kind: &Kind,
        cx: &Cx<'_>,
        predicate: Predicate,
        options: &DeleteOptions,
    ) -> Result<(Vec<Arc<Stored>>, i64), Status> {
        let store = kind.store()?;
        let mut deleted = Vec::new();
        let mut list = ListOptions {
            namespace: kind.scope(cx.namespace).map(str::to_owned),
            predicate,
            limit: PAGE_OBJECTS,
            ..ListOptions::default()
        };
        loop {
            let page = store.list(list.clone()).await.map_err(|error| kind.status(&error, ""))?;
            let mut deletions = FuturesUnordered::new();
            for item in &page.items {
                if deletions.len() >= DELETIONS_MAX {
                    deletions.next().await.unwrap_or(Ok(()))?;
                }
                deletions.push(self.delete_one(kind, cx, item, options));
            }
            while let Some(outcome) = deletions.next().await {
                outcome?;
            }
            drop(deletions);
            deleted.extend(page.items);
            match page.continue_token {
                Some(token) => list.continue_token = Some(token),
                None => return Ok((deleted, page.resource_version)),
            }
        }
    }

    async fn delete_one(&self, kind: &Kind, cx: &Cx<'_>, item: &Stored, options: &DeleteOptions) -> Result<(), Status> {
        let here = Cx { namespace: item.namespace().unwrap_or_default(), ..*cx };
        match self.delete(kind, &here, item.name(), options).await {
            Err(status) if status.reason != reason::NOT_FOUND => Err(status),
            _ => Ok(()),
        }
    }
}
