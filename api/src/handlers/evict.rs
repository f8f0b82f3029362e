//! POST of an eviction below a pod.

use super::Call;
use crate::http::{Body, RequestBody};
use crate::registry::create::set_scope;
use crate::registry::options::{DeleteOptions, WriteOptions};
use ::http::{Response, StatusCode};
use api_machinery::meta;
use api_machinery::status::{Details, Status};
use serde_json::json;

impl Call<'_> {
    pub(super) async fn evict(&self, body: RequestBody) -> Result<Response<Body>, Status> {
        let options = WriteOptions::parse(self.query(), "CreateOptions")?;
        let mut eviction = self.object_body(body, options.field_validation).await?;
        set_scope(self.kind, self.namespace(), &mut eviction)?;
        if meta::name(&eviction) != self.name() {
            return Err(Status::bad_request("name in URL does not match name in Eviction object"));
        }
        let wanted = eviction.get("deleteOptions").cloned().unwrap_or_else(|| json!({}));
        let wanted = DeleteOptions::from_body(&wanted)?;
        let cx = self.registry_cx(options.dry_run || wanted.dry_run);
        self.registry().evict(self.kind, &cx, self.name(), &wanted).await?;
        let mut status = Status::success(Details::default());
        status.details = None;
        status.code = 201;
        self.success(StatusCode::CREATED, &status)
    }
}
