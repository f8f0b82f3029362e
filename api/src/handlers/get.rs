//! GET of one object, of its status or of its scale.

use super::Call;
use super::list::parse_revision;
use super::watch::of_watch;
use crate::http::Body;
use crate::registry::{Object, subresource};
use ::http::{Response, StatusCode};
use api_machinery::status::Status;
use api_storage::ReadRevision;

impl Call<'_> {
    pub(super) async fn get(&self) -> Result<Response<Body>, Status> {
        let revision = match self.query().get("resourceVersion") {
            None => ReadRevision::Consistent,
            Some(text) => match parse_revision(&text).map_err(of_watch)? {
                None => ReadRevision::Consistent,
                Some(0) => ReadRevision::Any,
                Some(revision) => ReadRevision::NotOlderThan(revision),
            },
        };
        let read = self.kind.store()?.get(self.scope(), self.name(), revision).await;
        let stored = read.map_err(|error| self.kind.status(&error, self.name()))?;
        if self.cx.info.subresource() == "scale" {
            let object = stored.decode().map_err(|error| self.kind.status(&error, self.name()))?;
            return self.object(StatusCode::OK, &Object::Imagined(subresource::scale_of(self.kind, &object)));
        }
        self.object(StatusCode::OK, &Object::Stored(stored))
    }
}
