//! Steps 1 and 2 of the path of a write meet here: a request's way through the filters to its handler, in upstream's
//! order, in one function that reads top to bottom.

use crate::auth::UserInfo;
use crate::auth::authz::Authorizer;
use crate::auth::jwks;
use crate::auth::tokens::Tokens;
use crate::discovery::Discovery;
use crate::filters::authenticate::Authenticator;
use crate::filters::in_flight::{self, InFlight, RequestGuard};
use crate::filters::request_info::{BadPath, RequestInfo};
use crate::filters::{audit_id, authorize, compress, contain, deadline, impersonate, warnings};
use crate::handlers::{self, Handlers, negotiate};
use crate::health::Health;
use crate::http::connection::Service;
use crate::http::{Body, Peer, RequestBody, RequestContext, respond};
use crate::metrics::{self, Labels};
use crate::openapi::OpenApi;
use crate::registry::Registry;
use crate::server::checks::Shutdown;
use crate::version;
use ::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use ::http::request::Parts;
use ::http::{Method, Request, Response, StatusCode, Version};
use api_machinery::gotext::quote;
use api_machinery::status::Status;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// Everything that answers requests.
pub struct App {
    pub(crate) authenticator: Authenticator,
    pub(crate) authorizer: Arc<Authorizer>,
    pub(crate) in_flight: InFlight,
    pub(crate) discovery: Discovery,
    pub(crate) openapi: OpenApi,
    pub(crate) handlers: Handlers,
    pub(crate) registry: Arc<Registry>,
    pub(crate) tokens: Arc<Tokens>,
    /// Where the keys of tokens are found by those who verify them.
    pub(crate) served_at: Option<SocketAddr>,
    pub(crate) health: Health,
    pub(crate) shutdown: Shutdown,
    /// Cancelled to end watches and other streams.
    pub(crate) streams: CancellationToken,
    /// Cancelled to stop accepting and to let connections finish.
    pub(crate) stop: CancellationToken,
    /// Owns writes, which go on when their client goes away.
    pub(crate) writes: TaskTracker,
}

/// How the user is known.
enum Caller {
    Peer(Arc<Peer>),
    Known(Arc<UserInfo>),
}

impl Service for App {
    async fn serve(self: Arc<Self>, peer: Arc<Peer>, request: Request<RequestBody>) -> Response<Body> {
        let busy = RequestGuard::busy(Arc::clone(&peer));
        let closing = self.shutdown.has_begun() && request.version() <= Version::HTTP_11;
        let mut response = self.answer(Caller::Peer(peer), Some(busy), request).await;
        if closing {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl App {
    pub(crate) async fn serve_local(
        self: Arc<Self>,
        user: Arc<UserInfo>,
        request: Request<RequestBody>,
    ) -> Response<Body> {
        self.answer(Caller::Known(user), None, request).await
    }

    async fn answer(
        self: Arc<Self>,
        caller: Caller,
        mut guard: Option<RequestGuard>,
        request: Request<RequestBody>,
    ) -> Response<Body> {
        let id = audit_id::of(request.headers());
        let is_head = request.method() == Method::HEAD;
        let filtered = self.filtered(caller, &mut guard, request).instrument(tracing::trace_span!("filters"));
        let answered = filtered.instrument(tracing::trace_span!("http")).await;
        let mut response = answered.unwrap_or_else(|status| respond::status(&status));
        let headers = response.headers_mut();
        audit_id::write(id, headers);
        if !headers.contains_key(CACHE_CONTROL) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        }
        match guard {
            _ if is_head => without_body(response),
            Some(guard) => response.map(|body| body.guarded(guard)),
            None => response,
        }
    }

    /// The filters, in upstream's order. The guard takes the request's place among those in flight.
    async fn filtered(
        self: Arc<Self>,
        caller: Caller,
        guard: &mut Option<RequestGuard>,
        mut request: Request<RequestBody>,
    ) -> Result<Response<Body>, Status> {
        let started = Instant::now();
        if is_ambiguous(request.headers()) {
            return Err(Status::bad_request("Content-Length and Transfer-Encoding in one request"));
        }
        let info = match RequestInfo::new(request.method(), request.uri()) {
            Ok(info) => info,
            Err(error @ BadPath::SpecialVerbAlone) => return Ok(unreadable(request.uri().path(), &error)),
            Err(error) => return Err(Status::bad_request(error.to_string())),
        };
        let user = match caller {
            Caller::Known(user) => Ok(user),
            Caller::Peer(peer) => self.authenticator.authenticate(&peer, &info, request.headers_mut()).await,
        };
        let count = |status: &Status| metrics::request(&info, Labels::default(), status.http_code(), started.elapsed());
        let user = user.inspect_err(count)?;
        let user = match impersonate::apply(&self.authorizer, user, request.headers_mut()).inspect_err(count) {
            Ok(user) => user,
            Err(status) => return Ok(unsniffed(respond::status(&status))),
        };
        let labels = self.labels(&info);
        let gzip = compress::wanted(request.headers());
        let cx = Arc::new(RequestContext::new(info, user));
        let response = match self.in_flight.enter(&cx.info, &cx.user, labels) {
            Err(in_flight::Full) => in_flight::too_many_requests(),
            Ok(place) => {
                match guard {
                    Some(guard) => guard.absorb(place),
                    None => *guard = Some(place),
                }
                let response = self.contained(Arc::clone(&cx), request).await;
                compress::apply(gzip, cx.info.verb(), response)
            }
        };
        metrics::request(&cx.info, labels, response.status().as_u16(), started.elapsed());
        Ok(response)
    }

    async fn contained(self: Arc<Self>, cx: Arc<RequestContext>, request: Request<RequestBody>) -> Response<Body> {
        let limit = match deadline::of(&cx.info, request.uri().query().unwrap_or("")) {
            Ok(limit) => limit,
            Err(status) => return respond::status(&status),
        };
        match limit {
            Some(limit) if !cx.info.verb().is_read() => {
                let app = Arc::clone(&self);
                let write = async move { app.authorized(&cx, request).await }.in_current_span();
                contain::write(limit, &self.writes, write).await
            }
            limit => contain::read(limit, self.authorized(&cx, request)).await,
        }
    }

    async fn authorized(&self, cx: &RequestContext, request: Request<RequestBody>) -> Response<Body> {
        let outcome = match authorize::check(&self.authorizer, &cx.user, &cx.info) {
            Err(status) => Ok(unsniffed(handlers::refuse(&request.into_parts().0, &status))),
            // Upstream's mux knows no path that begins so.
            Ok(()) if cx.info.path().starts_with("//") => Ok(not_found()),
            Ok(()) if cx.info.is_resource() => Ok(self.handlers.serve(cx, request).await),
            Ok(()) => {
                let (head, _) = request.into_parts();
                let found = self.document(&cx.info, &head).await;
                Ok(found.unwrap_or_else(|status| handlers::refuse(&head, &status)))
            }
        };
        let mut response = outcome.unwrap_or_else(|status: Status| respond::status(&status));
        warnings::write(cx, response.headers_mut());
        response
    }

    /// Whatever is no resource. What upstream's router has is only read; its mux takes every method for GET.
    async fn document(&self, info: &RequestInfo, head: &Parts) -> Result<Response<Body>, Status> {
        let (path, headers) = (info.path().trim_end_matches('/'), &head.headers);
        let produced: Option<&[&str]> = match path {
            "/version" | "/.well-known/openid-configuration" => Some(&["application/json"]),
            "/openid/v1/jwks" => Some(&["application/jwk-set+json"]),
            _ => None,
        };
        if (produced.is_some() || self.discovery.routes(path)) && head.method != Method::GET {
            return Err(Status::method_not_allowed());
        }
        if let Some(produced) = produced {
            negotiate::admit(headers, produced)?;
        }
        let query = head.uri.query().unwrap_or("");
        if let Some(response) = self.health.answer(info.path(), query).await {
            return Ok(response);
        }
        let found = match path {
            "/version" => Some(respond::json(StatusCode::OK, version::document())),
            "/metrics" => Some(respond::with_type(
                StatusCode::OK,
                HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
                daemon::metrics::render().into(),
            )),
            "/metrics/slis" => Some(self.health.slis().await),
            "/openid/v1/jwks" => Some(jwks::keys(&self.tokens)),
            "/.well-known/openid-configuration" => Some(jwks::configuration(&self.tokens, self.served_at)),
            "" if info.path().len() > 1 => None,
            _ if info.path() == "/openapi/v3/" => return self.nothing_at(info.path()),
            _ if path.starts_with("/openapi/") => self.openapi.answer(path, query, headers),
            _ => self.discovery.answer(path, headers)?,
        };
        found.map_or_else(|| self.nothing_at(path), Ok)
    }

    /// Below what is served upstream's router answers, and its mux everywhere else.
    fn nothing_at(&self, path: &str) -> Result<Response<Body>, Status> {
        if path.starts_with("/openapi/v3/") {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        }
        let (parent, _) = path.rsplit_once('/').unwrap_or_default();
        let served = parent == "/version" || parent.starts_with("/api") && self.discovery.serves(parent);
        if served && parent != "/apis" { Err(Status::unknown_resource()) } else { Ok(not_found()) }
    }

    /// Labels of what is served; none of what is not.
    fn labels(&self, info: &RequestInfo) -> Labels {
        if !info.is_resource() {
            let known = ["metrics", "version", "livez", "readyz", "healthz", "openapi", "apis", "api"];
            let first = info.path().trim_start_matches('/').split('/').next().unwrap_or_default();
            let subresource = known.into_iter().find(|known| *known == first).unwrap_or_default();
            return Labels { subresource, ..Labels::default() };
        }
        let Some(kind) = self.registry.kinds().find(info.group(), info.version(), info.resource()) else {
            return Labels::default();
        };
        let kind = kind.info;
        let subresource = kind.subresource(info.subresource()).map_or("", |subresource| subresource.name);
        Labels { group: kind.group, version: kind.version, resource: kind.resource, subresource }
    }
}

/// The answer to HEAD: how long the body would be, if that is known, and no body.
fn without_body(response: Response<Body>) -> Response<Body> {
    let length = http_body::Body::size_hint(response.body()).exact();
    let mut response = response.map(|_| Body::empty());
    if let Some(length) = length {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}

/// Tells browsers to take a refusal for what it says it is.
fn unsniffed(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// What upstream says to a path that names no resource where it must.
fn unreadable(path: &str, error: &BadPath) -> Response<Body> {
    let text = format!("Internal Server Error: {}: failed to create RequestInfo: {error}, {path}\n", quote(path));
    respond::text(StatusCode::INTERNAL_SERVER_ERROR, text)
}

/// What upstream's mux says to paths it does not know.
fn not_found() -> Response<Body> {
    respond::text(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// Whether two readers could see two ends of the body: the door for smuggled requests.
fn is_ambiguous(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH)
}
