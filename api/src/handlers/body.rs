//! Reads and decodes the body of a write: format, kind, fields, scope, name.

use super::Call;
use super::negotiate::{self, Input};
use crate::filters::body_limit;
use crate::http::RequestBody;
use api_machinery::codec;
use api_machinery::gvk::GroupVersionKind;
use api_machinery::meta;
use api_machinery::schema::{self, FieldValidation, protobuf};
use api_machinery::status::Status;
use bytes::Bytes;
use serde_json::Value;

/// Upstream's warning about owners that are named twice: in a body, or in what a patch made.
fn repeated_owners(is_patched: bool, uids: &[String]) -> String {
    let when = if is_patched { " after mutating admission happens" } else { "" };
    format!(
        ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and may \
         reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
        uids.join(", ")
    )
}

impl Call<'_> {
    /// The whole body, at most the server's limit.
    pub(super) async fn read(&self, body: RequestBody) -> Result<Bytes, Status> {
        body_limit::read(body).await
    }

    /// An object of the kind that this path takes.
    pub(super) async fn object_body(&self, body: RequestBody, validation: FieldValidation) -> Result<Value, Status> {
        let input = negotiate::input(&self.head.headers)?;
        let bytes = self.read(body).await?;
        let mut object = self.decode(input, &bytes, &self.body_kind(), validation)?;
        self.dedup_owners(&mut object, false);
        if let Some(form) = self.form {
            form.store(&mut object, self.kind);
        }
        Ok(object)
    }

    /// Keeps every owner once, and says so.
    pub(super) fn dedup_owners(&self, object: &mut Value, is_patched: bool) {
        let repeated = meta::dedup_owner_references(object);
        if !repeated.is_empty() {
            self.cx.warn(repeated_owners(is_patched, &repeated));
        }
    }

    /// Group, version and kind of what travels at this path.
    pub(super) fn body_kind(&self) -> GroupVersionKind {
        let info = self.shown.info;
        let subresource = info.subresource(self.cx.info.subresource()).and_then(|subresource| subresource.body);
        let (group, version, kind) = subresource.unwrap_or((info.group, info.version, info.kind));
        GroupVersionKind::new(group, version, kind)
    }

    /// Decodes an object of `expected`, which is also what an object without a kind is taken for.
    pub(super) fn decode(
        &self,
        input: Input,
        bytes: &[u8],
        expected: &GroupVersionKind,
        validation: FieldValidation,
    ) -> Result<Value, Status> {
        let decoded = match input {
            Input::Text(format) => schema::decode_body(format, bytes, expected, validation)?,
            Input::Protobuf => {
                let refuse = |error: protobuf::Error| {
                    let error = codec::DecodeError::Kind(error.to_string());
                    Status::bad_request(codec::unrecognized(&expected.kind, &error, bytes))
                };
                let value = protobuf::decode(bytes, expected).map_err(refuse)?;
                schema::decode_value(value, Vec::new(), expected, validation)?
            }
        };
        decoded.warnings.into_iter().for_each(|text| self.cx.warn(text));
        Ok(decoded.object)
    }

    /// The object's name must be that of the path.
    pub(super) fn check_name(&self, object: &Value) -> Result<(), Status> {
        let (own, name) = (meta::name(object), self.name());
        if own.is_empty() {
            return Err(Status::bad_request(format!(
                "the name of the object ({name} based on URL) was undeterminable: name must be provided"
            )));
        }
        if own != name {
            return Err(Status::bad_request(format!(
                "the name of the object ({own}) does not match the name on the URL ({name})"
            )));
        }
        Ok(())
    }
}
