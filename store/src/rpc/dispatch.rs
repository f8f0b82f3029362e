//! From a call's path to the service that answers it.

use http::{Request, Response};
use std::convert::Infallible;
use std::sync::Arc;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};

use super::proto::cluster_server::{self, ClusterServer};
use super::proto::kv_server::{self, KvServer};
use super::proto::lease_server::{self, LeaseServer};
use super::proto::maintenance_server::{self, MaintenanceServer};
use super::proto::watch_server::{self, WatchServer};
use super::services::Services;
use crate::client::{LocalStore, REQUEST_BYTES_MAX};

/// gRPC's own limit for a request: etcd's request limit and 512 KiB of overhead. Larger ones are refused by gRPC with
/// RESOURCE_EXHAUSTED (see `front.rs`), smaller ones above the request limit by the store with its own text.
pub(super) const MESSAGE_BYTES_MAX: usize = REQUEST_BYTES_MAX + (512 << 10);

/// The services of etcd's API. Cheap to clone.
#[derive(Clone)]
pub(super) struct Dispatch {
    kv: KvServer<Services>,
    watch: WatchServer<Services>,
    lease: LeaseServer<Services>,
    cluster: ClusterServer<Services>,
    maintenance: MaintenanceServer<Services>,
}

impl Dispatch {
    pub(super) fn new(store: &Arc<LocalStore>) -> Self {
        let services = Arc::new(Services { store: Arc::clone(store) });
        macro_rules! limited {
            ($server:ident) => {
                $server::from_arc(Arc::clone(&services))
                    .max_decoding_message_size(MESSAGE_BYTES_MAX)
                    .max_encoding_message_size(usize::MAX)
            };
        }
        Self {
            kv: limited!(KvServer),
            watch: limited!(WatchServer),
            lease: limited!(LeaseServer),
            cluster: limited!(ClusterServer),
            maintenance: limited!(MaintenanceServer),
        }
    }

    /// The answer of the service that the path names; none if there is no such service.
    pub(super) fn call(&self, request: Request<Body>) -> Option<BoxFuture<Response<Body>, Infallible>> {
        let (service, _) = request.uri().path().strip_prefix('/')?.split_once('/')?;
        Some(match service {
            kv_server::SERVICE_NAME => self.kv.clone().call(request),
            watch_server::SERVICE_NAME => self.watch.clone().call(request),
            lease_server::SERVICE_NAME => self.lease.clone().call(request),
            cluster_server::SERVICE_NAME => self.cluster.clone().call(request),
            maintenance_server::SERVICE_NAME => self.maintenance.clone().call(request),
            _ => return None,
        })
    }
}
