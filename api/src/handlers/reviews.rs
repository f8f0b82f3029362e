//! Kinds that are asked and answered, never stored: token and access reviews.

use super::Call;
use crate::auth::authz::review;
use crate::auth::tokens::TokenError;
use crate::http::{Body, RequestBody};
use crate::registry::Object;
use crate::registry::create::set_scope;
use crate::registry::options::WriteOptions;
use ::http::{Response, StatusCode};
use api_machinery::gvk::GroupKind;
use api_machinery::status::Status;
use api_machinery::time::format_seconds;
use api_machinery::value;
use serde_json::{Value, json};

impl Call<'_> {
    pub(super) async fn review(&self, body: RequestBody) -> Result<Response<Body>, Status> {
        let options = WriteOptions::parse(self.query(), "CreateOptions")?;
        let mut object = self.object_body(body, options.field_validation).await?;
        let strategy = self.kind.strategy;
        set_scope(self.kind, self.namespace(), &mut object)?;
        strategy.default(&mut object);
        let errors = strategy.validate(&object);
        if !errors.is_empty() {
            return Err(Status::invalid(GroupKind { group: self.kind.info.group, kind: "" }, "", &errors));
        }
        let status = self.evaluate(&object).await?;
        object["status"] = status;
        let metadata = value::map_mut(&mut object, &["metadata"]);
        match self.kind.info.kind {
            "SelfSubjectReview" => {
                metadata.insert("creationTimestamp".into(), format_seconds(jiff::Timestamp::now()).into());
            }
            // The question was about a namespace; the answer does not repeat it.
            "SelfSubjectRulesReview" => object["spec"] = json!({}),
            _ => {}
        }
        self.object(StatusCode::CREATED, &Object::Imagined(object))
    }

    async fn evaluate(&self, object: &Value) -> Result<Value, Status> {
        let none = Value::Null;
        let spec = object.get("spec").unwrap_or(&none);
        let authorizer = self.registry().authorizer();
        match self.kind.info.kind {
            "TokenReview" => self.review_token(spec).await,
            "SelfSubjectReview" => Ok(json!({"userInfo": review::user_info(&self.cx.user)})),
            "SelfSubjectAccessReview" => Ok(review::access(authorizer, &self.cx.user, spec)),
            "SelfSubjectRulesReview" => match value::str_or_empty(spec, &["namespace"]) {
                "" => Err(Status::bad_request("no namespace on request")),
                namespace => Ok(review::rules(authorizer, &self.cx.user, namespace)),
            },
            "LocalSubjectAccessReview" => {
                let namespace = self.namespace();
                if value::str_or_empty(spec, &["resourceAttributes", "namespace"]) != namespace {
                    let why = format!("spec.resourceAttributes.namespace must match namespace: {namespace}");
                    return Err(Status::bad_request(why));
                }
                Ok(review::access(authorizer, &review::subject(spec), spec))
            }
            _ => Ok(review::access(authorizer, &review::subject(spec), spec)),
        }
    }

    async fn review_token(&self, spec: &Value) -> Result<Value, Status> {
        let token = value::str_or_empty(spec, &["token"]);
        if token.is_empty() {
            return Err(Status::bad_request("token is required for TokenReview in authentication"));
        }
        let audiences: Vec<String> = value::items_at(spec, &["audiences"])
            .iter()
            .filter_map(|audience| audience.as_str().map(str::to_owned))
            .collect();
        Ok(match self.handlers.tokens.verify(token, &audiences).await {
            Ok(verified) => json!({"authenticated": true, "user": review::user_info(&verified.user),
                "audiences": verified.audiences}),
            Err(TokenError::Foreign) => json!({"user": {}, "error": "invalid bearer token"}),
            Err(error) => json!({"user": {}, "error": format!("[invalid bearer token, {error}]")}),
        })
    }
}
