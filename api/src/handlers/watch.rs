//! Step 12 of the path of a write: events on the wire.

use super::list::{parse_revision, validate_watch};
use super::negotiate::{self, View};
use super::watch_body::{EncodedView, Encoder, WatchBody};
use super::{Call, table};
use crate::http::{Body, respond};
use ::http::{Response, StatusCode};
use api_machinery::status::Status;
use api_storage::{WatchOptions, WatchStart};
use rand::Rng;
use std::time::Duration;

/// Watches without `timeoutSeconds` end after a time between this and its double, so that they do not all come back
/// at once.
const TIMEOUT_MIN: Duration = Duration::from_secs(1800);

impl Call<'_> {
    pub(super) async fn watch(&self) -> Result<Response<Body>, Status> {
        let query = self.query();
        let output = negotiate::stream(&self.head.headers)?;
        validate_watch(query)?;
        let timeout = match query.number("timeoutSeconds")? {
            Some(seconds) if seconds > 0 => Duration::from_secs(seconds.unsigned_abs()),
            _ => TIMEOUT_MIN.mul_f64(1.0 + rand::rng().random::<f64>()),
        };
        let start = match parse_revision(&query.text("resourceVersion")).map_err(of_watch)? {
            None => WatchStart::Unset,
            Some(0) => WatchStart::Any,
            Some(revision) => WatchStart::From(revision),
        };
        let options = WatchOptions {
            namespace: self.scope().map(str::to_owned),
            predicate: self.predicate()?,
            start,
            bookmarks: query.flag("allowWatchBookmarks").unwrap_or(false),
            send_initial_events: query.flag("sendInitialEvents"),
            timeout: Some(timeout),
        };
        let view = match output.view {
            View::Object => self.form.map(EncodedView::Form),
            View::Partial(version) => Some(EncodedView::Partial(version)),
            View::Table(version) => {
                Some(EncodedView::Table { version, include: table::include_object(query)?, first: true })
            }
            View::PartialList(_) => {
                return Err(Status::failure(
                    406,
                    api_machinery::status::reason::NOT_ACCEPTABLE,
                    "you requested PartialObjectMetadataList, but the requested object is not a list",
                ));
            }
        };
        let (registry, info) = (&self.handlers.registry, self.shown.info);
        let encoder = view.map(|view| Encoder { registry: registry.clone(), info, view });
        let watch = self.kind.store()?.watch(options).await.map_err(|error| self.kind.status(&error, ""))?;
        let body = WatchBody::new(watch, encoder, self.handlers.closing.clone());
        Ok(respond::with_body(StatusCode::OK, Body::boxed(body)))
    }
}

/// Upstream parses the resourceVersion of a watch or a get where nobody makes a client's mistake of it.
pub(super) fn of_watch(status: Status) -> Status {
    let text = status.message.trim_start_matches("invalid resource version: ").to_owned();
    Status::failure(500, "", text)
}
