//! PUT of an object, of its status, of its scale; and of a namespace's finalizers.

use super::Call;
use crate::http::{Body, RequestBody};
use crate::registry::Part;
use crate::registry::options::WriteOptions;
use ::http::Response;
use api_machinery::status::Status;

impl Call<'_> {
    pub(super) async fn update(&self, body: RequestBody) -> Result<Response<Body>, Status> {
        let options = WriteOptions::parse(self.query(), "UpdateOptions")?;
        let wanted = self.object_body(body, options.field_validation).await?;
        self.check_name(&wanted)?;
        let cx = self.registry_cx(options.dry_run);
        let written = match self.cx.info.subresource() {
            "scale" => self.registry().update_scale(self.kind, &cx, self.name(), |_| Ok(wanted.clone())).await?,
            "status" => {
                self.registry().update(self.kind, &cx, self.name(), Part::Status, |_| Ok(wanted.clone())).await?
            }
            _ => self.registry().update(self.kind, &cx, self.name(), Part::Main, |_| Ok(wanted.clone())).await?,
        };
        self.written(&written)
    }

    pub(super) async fn finalize(&self, body: RequestBody) -> Result<Response<Body>, Status> {
        let options = WriteOptions::parse(self.query(), "UpdateOptions")?;
        let wanted = self.object_body(body, options.field_validation).await?;
        self.check_name(&wanted)?;
        let cx = self.registry_cx(options.dry_run);
        self.written(&self.registry().finalize(self.kind, &cx, self.name(), &wanted).await?)
    }
}
