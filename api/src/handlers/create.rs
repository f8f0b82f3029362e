//! Step 3 of the path of a write: POST. Reads the object, hands it to the registry, answers with what was stored.

use super::Call;
use crate::http::{Body, RequestBody};
use crate::registry::options::WriteOptions;
use ::http::{Response, StatusCode};
use api_machinery::meta;
use api_machinery::status::{Details, Status};
use tracing::Instrument;

impl Call<'_> {
    pub(super) async fn create(&self, body: RequestBody) -> Result<Response<Body>, Status> {
        async {
            let options = WriteOptions::parse(self.query(), "CreateOptions")?;
            let object = self.object_body(body, options.field_validation).await?;
            let cx = self.registry_cx(options.dry_run);
            let written = self.registry().create(self.kind, &cx, object).await?;
            self.written(&written)
        }
        .instrument(tracing::trace_span!("verb"))
        .await
    }

    pub(super) async fn bind(&self, body: RequestBody) -> Result<Response<Body>, Status> {
        let options = WriteOptions::parse(self.query(), "CreateOptions")?;
        let binding = self.object_body(body, options.field_validation).await?;
        if meta::name(&binding) != self.name() {
            return Err(Status::bad_request("name in URL does not match name in Binding object"));
        }
        self.registry().bind(self.kind, &self.registry_cx(options.dry_run), self.name(), &binding).await?;
        let mut status = Status::success(Details::default());
        status.details = None;
        status.code = 201;
        self.success(StatusCode::CREATED, &status)
    }
}
