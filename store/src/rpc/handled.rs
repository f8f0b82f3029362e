//! Calls counted as gRPC's library for Go counts them for Prometheus, so that dashboards made for etcd work.

use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use prometheus::{IntCounterVec, Opts};
use tonic::body::Body;
use tonic::{Code, Status};

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
const UNARY: &str = "unary";
const SERVER_STREAM: &str = "server_stream";
const BOTH_STREAM: &str = "bidi_stream";

/// The counters. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Handled {
    started: IntCounterVec,
    handled: IntCounterVec,
}

/// A call under way; counted as handled when it goes.
struct Call {
    handled: IntCounterVec,
    method: (&'static str, &'static str, &'static str),
    code: Code,
}

impl Handled {
    pub(crate) fn new() -> Self {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(name, help), labels).expect("name and labels are valid")
        };
        Self {
            started: counters(
                "grpc_server_started_total",
                "Total number of RPCs started on the server.",
                &["grpc_method", "grpc_service", "grpc_type"],
            ),
            handled: counters(
                "grpc_server_handled_total",
                "Total number of RPCs completed on the server, regardless of success or failure.",
                &["grpc_code", "grpc_method", "grpc_service", "grpc_type"],
            ),
        }
    }

    pub(crate) fn started(&self) -> &IntCounterVec {
        &self.started
    }

    pub(crate) fn handled(&self) -> &IntCounterVec {
        &self.handled
    }

    /// Begins to count a call of `path`. What comes out is to be given the answer.
    pub(super) fn call(&self, path: &str) -> impl FnOnce(Response<Body>) -> Response<Body> + use<> {
        let called = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        let method = METHODS.into_iter().find(|(service, method, _)| called == Some((service, method)));
        let call = method.map(|method| {
            let (service, name, kind) = method;
            self.started.with_label_values(&[name, service, kind]).inc();
            // What is given up before it ends has been cancelled.
            Call { handled: self.handled.clone(), method, code: Code::Cancelled }
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
        let status = Status::from_header_map(headers);
        if let Some(status) = &status {
            self.code = status.code();
        }
        status.is_some()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let (service, method, kind) = self.method;
        self.handled.with_label_values(&[name(self.code), method, service, kind]).inc();
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
