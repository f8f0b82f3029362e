//! PUT of an object, of its status, of its scale; and of a namespace's finalizers.

use super::Call;
use crate::auth::authz::Attributes;
use crate::http::{Body, RequestBody};
use crate::registry::Part;
use crate::registry::options::WriteOptions;
use ::http::Response;
use api_machinery::field::{ErrorList, Path};
use api_machinery::meta;
use api_machinery::status::{Status, reason};
use api_machinery::value;
use serde_json::Value;

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
            _ => match self
                .registry()
                .update(self.kind, &cx, self.name(), Part::Main, |old| self.change(&wanted, old))
                .await
            {
                Err(status) if status.reason == reason::NOT_FOUND && self.kind.strategy.allow_create_on_update() => {
                    self.may_create()?;
                    self.registry().create(self.kind, &cx, wanted).await?
                }
                updated => updated?,
            },
        };
        self.written(&written)
    }

    /// The wanted object, if what it is shown as lets the stored one become it.
    pub(super) fn change(&self, wanted: &Value, old: &Value) -> Result<Value, Status> {
        if let Some(form) = self.form {
            self.check(wanted, &(form.validate_update)(wanted, old))?;
        }
        Ok(wanted.clone())
    }

    /// 422 if there are errors.
    pub(super) fn check(&self, object: &Value, errors: &ErrorList) -> Result<(), Status> {
        if errors.is_empty() { Ok(()) } else { Err(self.kind.invalid(meta::name(object), errors)) }
    }

    /// An update that creates needs the right to create too.
    fn may_create(&self) -> Result<(), Status> {
        let info = self.shown.info;
        let attributes = Attributes::on_object(&self.cx.user, "create", info.group, info.resource, self.name())
            .in_namespace(self.namespace());
        if self.registry().authorizer().allows(&attributes) {
            return Ok(());
        }
        Err(Status::not_authorized(&attributes.for_status(), ""))
    }

    pub(super) async fn finalize(&self, body: RequestBody) -> Result<Response<Body>, Status> {
        let options = WriteOptions::parse(self.query(), "UpdateOptions")?;
        let wanted = self.object_body(body, options.field_validation).await?;
        self.check_name(&wanted)?;
        let finalizers = value::items_at(&wanted, &["spec", "finalizers"]).iter().filter_map(|name| name.as_str());
        let errors = meta::validate_finalizer_names(finalizers, &Path::of(&["spec", "finalizers"]));
        if !errors.is_empty() {
            return Err(self.kind.invalid(self.name(), &errors));
        }
        let cx = self.registry_cx(options.dry_run);
        self.written(&self.registry().finalize(self.kind, &cx, self.name(), &wanted).await?)
    }
}
