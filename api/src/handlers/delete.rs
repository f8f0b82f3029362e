//! DELETE of one object. The options come from the body, or from the query where there is none.

use super::Call;
use super::negotiate::{self, Input};
use crate::http::{Body, RequestBody};
use crate::registry::Deleted;
use crate::registry::options::DeleteOptions;
use ::http::{Response, StatusCode};
use api_machinery::codec;
use api_machinery::gvk::GroupVersionKind;
use api_machinery::schema::{Schema, protobuf};
use api_machinery::status::Status;
use serde_json::Value;

impl Call<'_> {
    pub(super) async fn delete(&self, body: RequestBody) -> Result<Response<Body>, Status> {
        let options = self.delete_options(body).await?;
        let cx = self.registry_cx(options.dry_run);
        match self.registry().delete(self.kind, &cx, self.name(), &options).await? {
            Deleted::Gone(mut status) => {
                if let Some(details) = &mut status.details {
                    details.group = self.shown.info.group.to_owned();
                }
                self.success(StatusCode::OK, &status)
            }
            Deleted::GoneObject(object) => self.object(StatusCode::OK, &object),
            // Upstream's sign that the dependents go first.
            Deleted::Pending(object) if options.orphan_dependents == Some(false) => {
                self.object(StatusCode::ACCEPTED, &object)
            }
            Deleted::Pending(object) => self.object(StatusCode::OK, &object),
        }
    }

    pub(super) async fn delete_options(&self, body: RequestBody) -> Result<DeleteOptions, Status> {
        let bytes = self.read(body).await?;
        if bytes.is_empty() {
            return DeleteOptions::from_query(self.query());
        }
        let value = match negotiate::input(&self.head.headers)? {
            Input::Protobuf => {
                let expected = GroupVersionKind::new("", "v1", "DeleteOptions");
                protobuf::decode(&bytes, &expected).map_err(|error| Status::bad_request(error.to_string()))?
            }
            Input::Text(format) => {
                codec::decode(format, &bytes).map_err(|error| Status::bad_request(error.to_string()))?.value
            }
        };
        check_types(&value)?;
        DeleteOptions::from_body(&value)
    }
}

/// Upstream decodes options into a struct, which takes no other types.
fn check_types(options: &Value) -> Result<(), Status> {
    match Schema::get().kind("", "v1", "DeleteOptions") {
        Some(definition) if options.is_object() => {
            definition.conform(&mut options.clone()).map(drop).map_err(Status::bad_request)
        }
        _ => Ok(()),
    }
}
