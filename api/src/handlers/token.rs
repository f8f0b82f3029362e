//! `serviceaccounts/token`: a token for an account, bound to what the request names.

use super::Call;
use crate::auth::tokens::{Kubernetes, Ref};
use crate::http::{Body, RequestBody};
use crate::registry::Object;
use crate::registry::options::WriteOptions;
use ::http::{Response, StatusCode};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::gotext::quote;
use api_machinery::gvk::{GroupKind, GroupResource};
use api_machinery::meta;
use api_machinery::status::Status;
use api_machinery::time::format_seconds;
use api_machinery::value;
use api_storage::{ReadRevision, Stored};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::sync::Arc;

const KIND: GroupKind<'static> = GroupKind { group: "authentication.k8s.io", kind: "TokenRequest" };
/// What a token lives unless asked otherwise.
const SECONDS_DEFAULT: i64 = 3600;
/// Shorter tokens are refused.
const SECONDS_MIN: i64 = 600;
/// Longer tokens are refused.
const SECONDS_MAX: i64 = 1 << 32;

impl Call<'_> {
    pub(super) async fn token(&self, body: RequestBody) -> Result<Response<Body>, Status> {
        let options = WriteOptions::parse(self.query(), "CreateOptions")?;
        let mut request = self.object_body(body, options.field_validation).await?;
        let (name, namespace) = (self.name(), self.namespace());
        check_place(&request, name, namespace)?;
        let account = self.look_up("serviceaccounts", name).await?;
        let seconds = value::i64_at(&request, &["spec", "expirationSeconds"]).unwrap_or(SECONDS_DEFAULT);
        check_seconds(seconds)?;
        let mut bound = Kubernetes {
            namespace: namespace.to_owned(),
            serviceaccount: Ref { name: name.to_owned(), uid: account.uid().to_owned() },
            ..Kubernetes::default()
        };
        if let Some(reference) = value::get(&request, &["spec", "boundObjectRef"]) {
            self.bind_token(&mut bound, reference, name).await?;
        }
        let tokens = &self.handlers.tokens;
        let mut audiences: Vec<String> = value::items_at(&request, &["spec", "audiences"])
            .iter()
            .filter_map(|audience| audience.as_str().map(str::to_owned))
            .collect();
        if audiences.is_empty() {
            audiences = tokens.audiences().to_vec();
        }
        let now = Timestamp::now();
        let expires = now.checked_add(SignedDuration::from_secs(seconds)).map_err(Status::internal_error)?;
        value::set(&mut request, &["metadata", "name"], name);
        value::set(&mut request, &["metadata", "namespace"], namespace);
        value::set(&mut request, &["metadata", "uid"], uuid::Uuid::new_v4().to_string());
        value::set(&mut request, &["metadata", "creationTimestamp"], format_seconds(now));
        value::set(&mut request, &["spec", "audiences"], audiences.clone());
        value::set(&mut request, &["spec", "expirationSeconds"], seconds);
        let token = tokens
            .issue(bound, audiences, now.as_second().unsigned_abs(), seconds.unsigned_abs())
            .map_err(|error| Status::internal_error(format!("failed to generate token: {error}")))?;
        value::set(&mut request, &["status", "token"], token);
        value::set(&mut request, &["status", "expirationTimestamp"], format_seconds(expires));
        self.object(StatusCode::CREATED, &Object::Imagined(request))
    }

    async fn look_up(&self, resource: &'static str, name: &str) -> Result<Arc<Stored>, Status> {
        let resource = GroupResource { group: "", resource };
        let kind = self.registry().kinds().stored("", resource.resource);
        let kind = kind.ok_or_else(|| Status::not_found(resource, name))?;
        let namespace = kind.scope(self.namespace());
        kind.store()?.get(namespace, name, ReadRevision::Consistent).await.map_err(|error| kind.status(&error, name))
    }

    async fn bind_token(&self, bound: &mut Kubernetes, reference: &Value, account: &str) -> Result<(), Status> {
        let (api_version, kind) = (meta::api_version(reference), meta::kind(reference));
        let name = value::str_or_empty(reference, &["name"]);
        let resource = match (api_version, kind) {
            ("v1", "Pod") => "pods",
            ("v1", "Secret") => "secrets",
            ("v1", "Node") => "nodes",
            _ => {
                let version =
                    if api_version.contains('/') { api_version.to_owned() } else { format!("/{api_version}") };
                return Err(Status::bad_request(format!("cannot bind token to object of type {version}, Kind={kind}")));
            }
        };
        let object = self.look_up(resource, name).await?;
        let uid = value::str_or_empty(reference, &["uid"]);
        if !uid.is_empty() && uid != object.uid() {
            return Err(Status::conflict(
                GroupResource { group: "", resource: kind },
                name,
                format_args!(
                    "the UID in the bound object reference ({uid}) does not match the UID in record. The object might \
                     have been deleted and then recreated"
                ),
            ));
        }
        let found = Ref { name: name.to_owned(), uid: object.uid().to_owned() };
        match kind {
            "Secret" => bound.secret = Some(found),
            "Node" => bound.node = Some(found),
            _ => {
                if object.field("spec.serviceAccountName") != Some(account) {
                    return Err(Status::bad_request(format!(
                        "cannot bind token for serviceaccount {} to pod running with different serviceaccount name.",
                        quote(account)
                    )));
                }
                bound.pod = Some(found);
                if let Some(node) = object.field("spec.nodeName").filter(|node| !node.is_empty()) {
                    let uid = self.look_up("nodes", node).await.map(|node| node.uid().to_owned()).unwrap_or_default();
                    bound.node = Some(Ref { name: node.to_owned(), uid });
                }
            }
        }
        Ok(())
    }
}

/// A request that names an account names that of the path.
fn check_place(request: &Value, name: &str, namespace: &str) -> Result<(), Status> {
    let (own_name, own_namespace) = (meta::name(request), meta::namespace(request));
    if !own_namespace.is_empty() && own_namespace != namespace {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Status::bad_request(why));
    }
    if own_name.is_empty() || own_name == name {
        return Ok(());
    }
    let why = "must match the service account name if specified";
    Err(Status::invalid(KIND, name, &Error::invalid(&Path::of(&["metadata", "name"]), own_name, why).into()))
}

fn check_seconds(seconds: i64) -> Result<(), Status> {
    let path = Path::of(&["spec", "expirationSeconds"]);
    let mut errors = ErrorList::new();
    if seconds < SECONDS_MIN {
        errors.push(Error::invalid(&path, seconds, "may not specify a duration less than 10 minutes"));
    }
    if seconds > SECONDS_MAX {
        errors.push(Error::invalid(&path, seconds, "may not specify a duration larger than 2^32 seconds"));
    }
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid(KIND, "", &errors)) }
}
