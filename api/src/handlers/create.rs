//! Step 3 of the path of a write: POST. Reads the object, hands it to the registry, answers with what was stored.

use super::Call;
use crate::http::{Body, RequestBody};
use crate::registry::Kind;
use crate::registry::create::set_scope;
use crate::registry::options::WriteOptions;
use ::http::{Response, StatusCode};
use api_machinery::meta;
use api_machinery::status::{Details, Status};
use serde_json::Value;
use tracing::Instrument;

impl Call<'_> {
    pub(super) async fn create(&self, body: RequestBody) -> Result<Response<Body>, Status> {
        async {
            let options = WriteOptions::parse(self.query(), "CreateOptions")?;
            let mut object = self.object_body(body, options.field_validation).await?;
            if let Some(form) = self.form {
                set_scope(self.kind, self.namespace(), &mut object)?;
                let mut errors = self.kind.strategy.validate(&object);
                errors.append((form.validate)(&object));
                self.check(&object, &errors)?;
            }
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
        self.bound(self.kind, self.name(), &binding, options.dry_run).await
    }

    /// Binds the pod that the body names.
    pub(super) async fn bind_named(&self, body: RequestBody) -> Result<Response<Body>, Status> {
        let options = WriteOptions::parse(self.query(), "CreateOptions")?;
        let mut binding = self.object_body(body, options.field_validation).await?;
        set_scope(self.kind, self.namespace(), &mut binding)?;
        let pods = self.registry().kinds().stored("", "pods").ok_or_else(Status::unknown_resource)?;
        self.bound(pods, meta::name(&binding), &binding, options.dry_run).await
    }

    async fn bound(&self, pods: &Kind, name: &str, binding: &Value, dry_run: bool) -> Result<Response<Body>, Status> {
        self.registry().bind(pods, &self.registry_cx(dry_run), name, binding).await?;
        let mut status = Status::success(Details::default());
        status.details = None;
        status.code = 201;
        self.success(StatusCode::CREATED, &status)
    }
}
