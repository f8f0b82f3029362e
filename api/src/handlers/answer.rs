//! Writes one object into a response, in the form the client asked for.

use super::negotiate::{Encoding, Output, View};
use super::{Call, partial, pretty};
use crate::http::{Body, respond};
use crate::registry::{Object, Written};
use ::http::{HeaderValue, Response, StatusCode};
use api_machinery::codec;
use api_machinery::status::Status;
use bytes::{BufMut, BytesMut};

impl Call<'_> {
    /// What a create or an update answers, with its warnings.
    pub(super) fn written(&self, written: &Written) -> Result<Response<Body>, Status> {
        written.warnings.iter().for_each(|text| self.cx.warn(text.as_str()));
        let code = if written.created { StatusCode::CREATED } else { StatusCode::OK };
        self.object(code, &written.object)
    }

    /// One object in the form that Accept asks for.
    pub(super) fn object(&self, code: StatusCode, object: &Object) -> Result<Response<Body>, Status> {
        let output = self.output()?;
        let json = match output.view {
            View::Object => {
                let json = match object {
                    Object::Stored(stored) => {
                        let mut out = BytesMut::with_capacity(stored.json_bytes_max() + 1);
                        stored.write_json(&mut out);
                        out
                    }
                    Object::Imagined(_) => BytesMut::from(object.to_json()),
                };
                match self.form {
                    Some(form) => {
                        let mut out = BytesMut::with_capacity(2 * json.len());
                        codec::rename_into(&json, &self.shown.api_version, form.fields, &mut out);
                        out
                    }
                    None => json,
                }
            }
            View::Partial(version) => BytesMut::from(partial::object(version, object)),
            View::Table(version) => {
                self.rows(version)?.one(object).map_err(|error| self.kind.status(&error, self.name()))?
            }
            View::PartialList(_) => {
                return Err(Status::failure(
                    406,
                    api_machinery::status::reason::NOT_ACCEPTABLE,
                    format!(
                        "you requested PartialObjectMetadataList, but the requested object is not a list ({})",
                        self.go_type()
                    ),
                ));
            }
        };
        self.json_as(code, output, json)
    }

    /// Encoded JSON as JSON, indented JSON or YAML.
    pub(super) fn json_as(
        &self,
        code: StatusCode,
        output: Output,
        mut json: BytesMut,
    ) -> Result<Response<Body>, Status> {
        if output.encoding == Encoding::Yaml {
            let yaml = codec::json_to_yaml(&json).map_err(Status::internal_error)?;
            let media_type = HeaderValue::from_static(Encoding::Yaml.content_type());
            return Ok(respond::with_type(code, media_type, yaml));
        }
        if pretty::wanted(self.query(), &self.head.headers) {
            return Ok(respond::json(code, pretty::indent(&json)));
        }
        json.put_u8(b'\n');
        Ok(respond::json(code, json.freeze()))
    }

    /// A Status as the answer of a success.
    pub(super) fn success(&self, code: StatusCode, status: &Status) -> Result<Response<Body>, Status> {
        let encoding = self.output().map_or(Encoding::Json, |output| output.encoding);
        let output = Output { encoding, view: View::Object };
        self.json_as(code, output, BytesMut::from(status.to_json()))
    }
}
