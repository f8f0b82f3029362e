//! What stands before the gRPC services: etcd's few pages for plain HTTP, and refusals of gRPC in the words of the
//! library that etcd uses, which clients and scripts match.
//!
//! As in etcd, a request goes to gRPC if its content type says so, and else to the pages.

use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};

use super::connection::Service;
use super::dispatch::Dispatch;
use super::handled::GRPC_STATUS;
use super::status::too_large;
use crate::client::{COMPATIBLE_VERSION, LocalStore};

const GRPC_TYPE: &[u8] = b"application/grpc";
const GRPC_TIMEOUT: &str = "grpc-timeout";
const TEXT: &str = "text/plain; charset=utf-8";
/// What etcd says that its cluster runs: the minor version of [`COMPATIBLE_VERSION`].
const CLUSTER_VERSION: &str = "3.5.0";

/// What a listener answers with. Cheap to clone.
#[derive(Clone)]
pub(super) struct Front {
    store: Arc<LocalStore>,
    /// None where only the pages are served.
    dispatch: Option<Dispatch>,
}

impl Front {
    /// The pages and etcd's API.
    pub(super) fn new(store: &Arc<LocalStore>) -> Self {
        Self { store: Arc::clone(store), dispatch: Some(Dispatch::new(store)) }
    }

    /// The pages alone.
    pub(super) fn pages(store: &Arc<LocalStore>) -> Self {
        Self { store: Arc::clone(store), dispatch: None }
    }

    fn call(&self, request: Request<Body>) -> impl Future<Output = Response<Body>> + use<> {
        let uri = request.uri().clone();
        let follow = self.store.metrics().handled().call(uri.path());
        let limit = request.headers().get(GRPC_TIMEOUT).and_then(|value| timeout(value.as_bytes()));
        // Counted from here, so that it is over before our library notices.
        let deadline = limit.map(|limit| Instant::now() + limit);
        let answer = self.dispatch.as_ref().and_then(|dispatch| dispatch.call(request));
        async move {
            let answer = match answer {
                Some(answer) => by(deadline, answer).await,
                None => Status::unimplemented("").into_http(),
            };
            follow(reworded(answer, &uri))
        }
    }
}

impl Service for Front {
    fn answer(&self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send + use<> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        if kind.is_some_and(|kind| kind.as_bytes().starts_with(GRPC_TYPE)) {
            return self.call(request).left_future();
        }
        let (store, method, uri) = (Arc::clone(&self.store), request.method().clone(), request.uri().clone());
        async move { page(&store, &method, &uri).await }.right_future()
    }
}

/// The answer, or that the client's time is over: our library says then that the client cancelled the call.
async fn by(
    deadline: Option<Instant>,
    answer: impl Future<Output = Result<Response<Body>, Infallible>>,
) -> Response<Body> {
    let Ok(answer) = match deadline {
        None => answer.await,
        Some(deadline) => match tokio::time::timeout_at(deadline, answer).await {
            Ok(answer) => answer,
            Err(_) => Ok(Status::deadline_exceeded("context deadline exceeded").into_http()),
        },
    };
    answer
}

/// The time that a client gives its call, as gRPC writes it: at most eight digits and a unit.
fn timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last().filter(|(_, digits)| digits.len() <= 8)?;
    let count: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(count * 3_600),
        b'M' => Duration::from_secs(count * 60),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return None,
    })
}

async fn page(store: &LocalStore, method: &Method, uri: &Uri) -> Response<Body> {
    if !matches!(uri.path(), "/metrics" | "/health" | "/version") {
        return answer(StatusCode::NOT_FOUND, TEXT, "404 page not found\n");
    }
    if *method != Method::GET {
        let mut refused = answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, "Method Not Allowed\n");
        refused.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET"));
        return refused;
    }
    match uri.path() {
        "/metrics" => answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", store.metrics().render()),
        "/health" => health(store, uri.query().unwrap_or_default()).await,
        _ => {
            let version = format!(r#"{{"etcdserver":"{COMPATIBLE_VERSION}","etcdcluster":"{CLUSTER_VERSION}"}}"#);
            answer(StatusCode::OK, "application/json", version)
        }
    }
}

/// Healthy is who has no alarm, but for those that `exclude=` names, and can answer a read: a linearizable one unless
/// `serializable=true` is asked for.
async fn health(store: &LocalStore, query: &str) -> Response<Body> {
    let serializable = query.split('&').any(|pair| pair == "serializable=true");
    let excluded = |alarm: &str| query.split('&').any(|pair| pair.strip_prefix("exclude=") == Some(alarm));
    let alarm = store.alarms().into_iter().map(|alarm| alarm.alarm().as_str_name()).find(|alarm| !excluded(alarm));
    let reason = match serializable {
        _ if alarm.is_some() => alarm.map(|alarm| format!("ALARM {alarm}")),
        true => None,
        false if store.replica().term_and_leader().1 == 0 => Some("RAFT NO LEADER".to_owned()),
        false => store.replica().linearize().await.err().map(|error| format!("RANGE ERROR:{error}")),
    };
    match reason {
        None => answer(StatusCode::OK, TEXT, r#"{"health":"true","reason":""}"#),
        Some(reason) => {
            let health = serde_json::json!({ "health": "false", "reason": reason });
            answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{health}\n"))
        }
    }
}

fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut answer = Response::new(Body::new(Full::new(body.into())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    answer
}

/// An answer whose head already says that the call failed, in the other library's words.
fn reworded(answer: Response<Body>, uri: &Uri) -> Response<Body> {
    match refusal(answer.headers()) {
        None => answer,
        Some(status) if status.code() == Code::Unimplemented && status.message().is_empty() => {
            Status::unimplemented(unknown(uri.path())).into_http()
        }
        Some(status) => too_large(status).into_http(),
    }
}

fn refusal(head: &HeaderMap) -> Option<Status> {
    if !head.contains_key(GRPC_STATUS) {
        return None;
    }
    Status::from_header_map(head)
}

/// What a call of `path` fails with where nothing is there.
fn unknown(path: &str) -> String {
    const SERVED: [&str; 5] = [
        "etcdserverpb.KV",
        "etcdserverpb.Watch",
        "etcdserverpb.Lease",
        "etcdserverpb.Cluster",
        "etcdserverpb.Maintenance",
    ];
    match path.strip_prefix('/').and_then(|path| path.rsplit_once('/')) {
        None => format!("malformed method name: {path:?}"),
        Some((service, method)) if SERVED.contains(&service) => {
            format!("unknown method {method} for service {service}")
        }
        Some((service, _)) => format!("unknown service {service}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_nothing_are_refused_in_the_words_of_grpc_for_go() {
        assert_eq!(unknown("/etcdserverpb.KV/Nope"), "unknown method Nope for service etcdserverpb.KV");
        assert_eq!(unknown("/etcdserverpb.Auth/AuthStatus"), "unknown service etcdserverpb.Auth");
        assert_eq!(unknown("/nonsense"), "malformed method name: \"/nonsense\"");
    }

    #[tokio::test]
    async fn a_call_whose_time_is_over_is_told_so() {
        let answer = by(Some(Instant::now()), std::future::pending()).await;
        let status = refusal(answer.headers()).expect("it failed");
        assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, "context deadline exceeded"));
        let answer = by(Some(Instant::now()), std::future::ready(Ok(Response::new(Body::empty())))).await;
        assert!(refusal(answer.headers()).is_none(), "what is there in time is answered");
    }

    #[test]
    fn a_timeout_has_digits_and_a_unit() {
        for (value, expected) in [
            ("2S", Some(Duration::from_secs(2))),
            ("150m", Some(Duration::from_millis(150))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3_600))),
            ("123456789m", None),
            ("5", None),
            ("m", None),
            ("", None),
        ] {
            assert_eq!(timeout(value.as_bytes()), expected, "{value}");
        }
    }
}
