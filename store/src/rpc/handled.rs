//! Calls counted as gRPC's library for Go counts them for Prometheus, so that dashboards made for etcd work.

use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use prometheus::{IntCounter, IntCounterVec, Opts};
use std::sync::Arc;
use tonic::Code;
use tonic::body::Body;

/// Every method that is served: service, method, type. Calls of others are not counted, or anybody could make labels.
const METHODS: [(&str, &str, &str); 16] = [
    ("etcdserverpb.KV", "Range", UNARY),
    ("etcdserverpb.KV", "RangeStream", SERVER_STREAM),
    ("etcdserverpb.KV", "Put", UNARY),
    ("etcdserverpb.KV", "DeleteRange", UNARY),
    ("etcdserverpb.KV", "Txn", UNARY),
    ("etcdserverpb.KV", "Compact", UNARY),
    ("etcdserverpb.Watch", "Watch", BOTH_STREAM),
    ("etcdserverpb.Lease", "LeaseGrant", UNARY),
    ("etcdserverpb.Lease", "LeaseRevoke", UNARY),
    ("etcdserverpb.Lease", "LeaseKeepAlive", BOTH_STREAM),
    ("etcdserverpb.Lease", "LeaseTimeToLive", UNARY),
    ("etcdserverpb.Lease", "LeaseLeases", UNARY),
    ("etcdserverpb.Cluster", "MemberList", UNARY),
    ("etcdserverpb.Maintenance", "Alarm", UNARY),
    ("etcdserverpb.Maintenance", "Status", UNARY),
    ("etcdserverpb.Maintenance", "Defragment", UNARY),
];
/// Where gRPC says how a call ended: in the trailers, or in the head of one that brought nothing.
pub(super) const GRPC_STATUS: &str = "grpc-status";
const UNARY: &str = "unary";
const SERVER_STREAM: &str = "server_stream";
const BOTH_STREAM: &str = "bidi_stream";

/// The counters of every method and code are there from the start, as with gRPC for Go. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Handled {
    started: IntCounterVec,
    handled: IntCounterVec,
    methods: Arc<[Method]>,
}

struct Method {
    /// As a request names it: `/service/method`.
    path: String,
    started: IntCounter,
    /// By code.
    handled: [IntCounter; CODES],
}

/// gRPC's codes are the numbers from 0.
const CODES: usize = 17;

/// A call under way; counted as handled when it goes.
struct Call {
    methods: Arc<[Method]>,
    method: usize,
    code: Code,
}

impl Handled {
    pub(crate) fn new() -> Self {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(name, help), labels).expect("name and labels are valid")
        };
        let started = counters(
            "grpc_server_started_total",
            "Total number of RPCs started on the server.",
            &["grpc_method", "grpc_service", "grpc_type"],
        );
        let handled = counters(
            "grpc_server_handled_total",
            "Total number of RPCs completed on the server, regardless of success or failure.",
            &["grpc_code", "grpc_method", "grpc_service", "grpc_type"],
        );
        let methods = METHODS.into_iter().map(|(service, method, kind)| Method {
            path: format!("/{service}/{method}"),
            started: started.with_label_values(&[method, service, kind]),
            handled: std::array::from_fn(|code| {
                handled.with_label_values(&[name(Code::from_i32(code as i32)), method, service, kind])
            }),
        });
        Self { methods: methods.collect(), started, handled }
    }

    pub(crate) fn started(&self) -> &IntCounterVec {
        &self.started
    }

    pub(crate) fn handled(&self) -> &IntCounterVec {
        &self.handled
    }

    /// Begins to count a call of `path`. What comes out is to be given the answer.
    pub(super) fn call(&self, path: &str) -> impl FnOnce(Response<Body>) -> Response<Body> + use<> {
        let call = self.methods.iter().position(|method| method.path == path).map(|method| {
            self.methods[method].started.inc();
            // What is given up before it ends has been cancelled.
            Call { methods: Arc::clone(&self.methods), method, code: Code::Cancelled }
        });
        move |answer| match call {
            None => answer,
            Some(call) => call.follow(answer),
        }
    }
}

impl Call {
    fn follow(mut self, answer: Response<Body>) -> Response<Body> {
        if self.ends_with(answer.headers()) {
            return answer;
        }
        answer.map(|body| {
            Body::new(body.map_frame(move |frame| {
                if let Some(trailers) = frame.trailers_ref() {
                    self.ends_with(trailers);
                }
                frame
            }))
        })
    }

    fn ends_with(&mut self, headers: &HeaderMap) -> bool {
        let code = headers.get(GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()));
        self.code = code.unwrap_or(self.code);
        code.is_some()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.methods[self.method].handled[self.code as usize].inc();
    }
}

/// As the library for Go names its codes.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}
