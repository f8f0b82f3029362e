//! Deletes everything that a selector matches, page by page; each object by the ordinary rules.

use super::Registry;
use super::kind::Kind;
use super::options::DeleteOptions;
use super::strategy::Cx;
use api_machinery::status::{Status, reason};
use api_storage::{ListOptions, ListPage, Stored};
use futures::StreamExt;
use futures::stream::FuturesUnordered;

/// Objects that are listed at once.
const PAGE_OBJECTS: usize = 500;
/// Deletions under way at once; the rest of the page waits.
const DELETIONS_MAX: usize = 8;

impl Registry {
    /// Deletes what matches and returns it as it was, with the revision at which it was listed. With a `limit` that is one
    /// page, from `continue_token` on, and no more.
    ///
    /// # Errors
    /// The first deletion that is refused; those before it are done. What is gone already is passed over.
    pub async fn delete_collection(
        &self,
        kind: &Kind,
        cx: &Cx<'_>,
        list: ListOptions,
        options: &DeleteOptions,
    ) -> Result<ListPage, Status> {
        let store = kind.store()?;
        let mut deleted = Vec::new();
        let is_limited = list.limit > 0;
        let mut list = ListOptions { limit: if is_limited { list.limit } else { PAGE_OBJECTS }, ..list };
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
            if is_limited {
                return Ok(page);
            }
            deleted.extend(page.items);
            match page.continue_token {
                Some(token) => list.continue_token = Some(token),
                None => {
                    let resource_version = page.resource_version;
                    return Ok(ListPage { items: deleted, resource_version, ..ListPage::default() });
                }
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
