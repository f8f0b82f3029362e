//! Step 3 of the path of a write: the verbs of resources, one file each.
//!
//! A handler reads the request, calls the registry or storage, and writes the answer; it decides nothing about objects.
//! Objects that are only read are never parsed: their bytes are spliced into the answer.

mod answer;
mod body;
mod create;
mod delete;
mod deletecollection;
mod evict;
mod get;
mod kubelets;
mod list;
mod list_body;
mod log;
pub mod negotiate;
mod partial;
mod patch;
pub mod pretty;
pub mod query;
mod reviews;
mod selectors;
mod table;
mod token;
mod update;
mod watch;
mod watch_body;

use self::negotiate::Output;
use crate::auth::tokens::Tokens;
use crate::filters::request_info::{RequestInfo, Verb};
use crate::http::{Body, RequestBody, RequestContext, respond};
use crate::registry::form::Form;
use crate::registry::{Cx, Kind, Registry};
use ::http::request::Parts;
use ::http::{HeaderValue, Method, Request, Response, StatusCode};
use api_machinery::status::Status;
pub use kubelets::{AskError, Kubelets};
use query::Query;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// All verbs of all resources.
pub struct Handlers {
    registry: Arc<Registry>,
    tokens: Arc<Tokens>,
    kubelets: Option<Kubelets>,
    /// Cancelled when the server shuts down: watches end.
    closing: CancellationToken,
}

/// One request to a resource.
pub(crate) struct Call<'a> {
    handlers: &'a Handlers,
    cx: &'a RequestContext,
    head: &'a Parts,
    /// The kind whose objects are meant.
    kind: &'a Kind,
    /// The kind that the path names: another only where it has a form.
    shown: &'a Kind,
    form: Option<&'static Form>,
    /// The form of the answer, read from Accept once; no matter for watches and logs.
    output: Result<Output, Status>,
}

impl Handlers {
    /// The verbs over this registry. Without a client for the nodes there are no logs. Watches end when `closing` is
    /// cancelled.
    pub fn new(
        registry: Arc<Registry>,
        tokens: Arc<Tokens>,
        kubelets: Option<Kubelets>,
        closing: CancellationToken,
    ) -> Self {
        Self { registry, tokens, kubelets, closing }
    }

    /// The registry.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Whether a kind is served at the path, so that the path is not one of another handler.
    pub fn serves(&self, info: &RequestInfo) -> bool {
        info.is_resource() && self.registry.kinds().find(info.group(), info.version(), info.resource()).is_some()
    }

    /// Answers a request to a resource. It has been authenticated and authorized.
    pub async fn serve(&self, cx: &RequestContext, request: Request<RequestBody>) -> Response<Body> {
        let info = &cx.info;
        let (head, body) = request.into_parts();
        let Some(kind) = self.registry.kinds().find(info.group(), info.version(), info.resource()) else {
            let known = self.registry.kinds().iter().any(|kind| kind.info.group == info.group());
            return if known { refuse(&head, &Status::unknown_resource()) } else { page_not_found() };
        };
        let (shown, form) = (kind, kind.strategy.form());
        let kind = form.and_then(|form| self.registry.kinds().stored(form.group, form.resource)).unwrap_or(shown);
        let output = negotiate::output(&head.headers);
        let call = Call { handlers: self, cx, head: &head, kind, shown, form, output };
        let subresource = info.subresource();
        if let Some(text) = kind.strategy.deprecation()
            && (subresource.is_empty() || kind.info.subresource(subresource).is_some())
        {
            cx.warn(text.to_owned());
        }
        match call.dispatch(body).await {
            Ok(response) => response,
            Err(status) => refuse(&head, &status),
        }
    }
}

impl std::fmt::Debug for Handlers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handlers")
    }
}

impl Call<'_> {
    async fn dispatch(&self, body: RequestBody) -> Result<Response<Body>, Status> {
        let (info, verbs) = (&self.cx.info, self.kind.info.verbs);
        let verb = info.verb();
        if !self.is_in_scope() || info.part_count() > 3 {
            return Err(Status::unknown_resource());
        }
        if !info.subresource().is_empty() {
            return self.subresource(body).await;
        }
        let on_collection = info.name().is_empty();
        let misplaced = match verb {
            Verb::Create => !on_collection,
            Verb::Update | Verb::Patch => on_collection,
            _ => false,
        };
        if !self.kind.info.stored && !on_collection {
            return Err(Status::unknown_resource());
        }
        if !verbs.contains(&verb.as_str()) || misplaced || self.head.method == Method::HEAD {
            return Err(Status::method_not_allowed());
        }
        negotiate::admit_object(&self.head.headers, on_collection && verb.is_read())?;
        self.check_answerable()?;
        match verb {
            Verb::Get => self.get().await,
            Verb::List => self.list().await,
            Verb::Watch => self.watch().await,
            Verb::Create if self.kind.info.kind == "Binding" => self.bind_named(body).await,
            Verb::Create if !self.kind.info.stored => self.review(body).await,
            Verb::Create if self.kind.info.namespaced && info.namespace().is_empty() => {
                Err(Status::method_not_allowed())
            }
            Verb::Create => self.create(body).await,
            Verb::Update => self.update(body).await,
            Verb::Patch => self.patch(body).await,
            Verb::Delete => self.delete(body).await,
            Verb::DeleteCollection if self.kind.info.namespaced && info.namespace().is_empty() => {
                Err(Status::method_not_allowed())
            }
            Verb::DeleteCollection => self.delete_collection(body).await,
            _ => Err(Status::method_not_allowed()),
        }
    }

    async fn subresource(&self, body: RequestBody) -> Result<Response<Body>, Status> {
        let info = &self.cx.info;
        let Some(subresource) = self.kind.info.subresource(info.subresource()) else {
            return Err(Status::unknown_resource());
        };
        if !subresource.verbs.contains(&info.verb().as_str()) || self.head.method == Method::HEAD {
            return Err(Status::method_not_allowed());
        }
        if subresource.name != "log" {
            negotiate::admit_object(&self.head.headers, false)?;
        }
        self.check_answerable()?;
        match (subresource.name, info.verb()) {
            ("status" | "scale", Verb::Get) => self.get().await,
            ("status" | "scale", Verb::Update) => self.update(body).await,
            ("log", Verb::Get) => self.log().await,
            ("status" | "scale", Verb::Patch) => self.patch(body).await,
            ("finalize", Verb::Update) => self.finalize(body).await,
            ("binding", Verb::Create) => self.bind(body).await,
            ("eviction", Verb::Create) => self.evict(body).await,
            ("token", Verb::Create) => self.token(body).await,
            _ => Err(Status::method_not_allowed()),
        }
    }

    /// Whether the answer can take a form that the client accepts: what it cannot read is not done either.
    fn check_answerable(&self) -> Result<(), Status> {
        match (self.cx.info.verb(), self.cx.info.subresource()) {
            (Verb::Watch, _) | (_, "log") => Ok(()),
            _ => self.output().map(drop),
        }
    }

    /// The form of the answer; a 406 where the client accepts none.
    fn output(&self) -> Result<Output, Status> {
        self.output.clone()
    }

    /// Whether the path has a namespace exactly where the kind has one.
    fn is_in_scope(&self) -> bool {
        let info = &self.cx.info;
        let has_namespace = !info.namespace().is_empty() && !info.is_namespace_itself();
        match self.kind.info.namespaced {
            true => has_namespace || info.name().is_empty(),
            false => !has_namespace,
        }
    }

    /// What upstream calls the type of these objects.
    fn go_type(&self) -> String {
        let package = match self.kind.info.group.split('.').next().unwrap_or_default() {
            "" => "core",
            package => package,
        };
        format!("*{package}.{}", self.kind.info.kind)
    }

    fn query(&self) -> Query<'_> {
        Query::of(&self.head.uri)
    }

    fn name(&self) -> &str {
        self.cx.info.name()
    }

    fn namespace(&self) -> &str {
        if self.kind.info.namespaced { self.cx.info.namespace() } else { "" }
    }

    fn scope(&self) -> Option<&str> {
        self.kind.scope(self.namespace())
    }

    fn registry(&self) -> &Registry {
        &self.handlers.registry
    }

    fn registry_cx(&self, dry_run: bool) -> Cx<'_> {
        Cx {
            now: jiff::Timestamp::now(),
            user: &self.cx.user,
            namespace: self.namespace(),
            subresource: Some(self.cx.info.subresource()).filter(|name| !name.is_empty()),
            dry_run,
        }
    }
}

/// A refusal in the form the client asked for.
pub(crate) fn refuse(head: &Parts, status: &Status) -> Response<Body> {
    let mut response = respond::status(status);
    let json = status.to_json();
    let pretty = pretty::wanted(Query::of(&head.uri), &head.headers);
    let body = match negotiate::error_encoding(&head.headers) {
        negotiate::Encoding::Yaml => match api_machinery::codec::json_to_yaml(&json) {
            Ok(yaml) => {
                let yaml_type = HeaderValue::from_static("application/yaml");
                response.headers_mut().insert(::http::header::CONTENT_TYPE, yaml_type);
                yaml
            }
            Err(_) => json,
        },
        // Upstream indents what it cannot say as the client wishes.
        _ if pretty || negotiate::output(&head.headers).is_err() => pretty::indent(&json),
        _ => [&json[..], b"\n"].concat().into(),
    };
    *response.body_mut() = Body::full(body);
    response
}

/// What a path says whose group nobody serves.
fn page_not_found() -> Response<Body> {
    respond::text(StatusCode::NOT_FOUND, "404 page not found\n")
}

#[cfg(test)]
mod tests;
