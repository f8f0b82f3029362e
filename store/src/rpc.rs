//! etcd's v3 gRPC API on a member: KV, Watch, Lease, Cluster.MemberList, Maintenance.Alarm, Status and Defragment.
//!
//! Status codes and texts are etcd's, because its clients tell errors apart by text. The services are thin: requests go
//! to [`crate::client::LocalStore`] as they are, and only the watch stream has a life of its own.

mod authority;
mod connection;
mod dispatch;
pub(crate) mod encoded;
mod front;
pub(crate) mod handled;
mod listener;
mod range_stream;
mod services;
mod status;
mod streams;
mod tls;
mod watch;

#[allow(missing_docs, unreachable_pub, clippy::all)]
mod proto {
    include!(concat!(env!("OUT_DIR"), "/etcdserverpb.rs"));
}

pub(crate) use listener::{addresses, bind, serve_clients, serve_metrics, serve_peers};
pub(crate) use tls::{ServerTls, client_config};
