//! Step 1 of the path of a write: socket, TLS, HTTP. What a connection and a request look like to everything behind.
//!
//! The accept loop is our own, because the peer's certificate chain must reach the authentication filter: rustls only
//! proves that the client holds the key, whose certificate it is and whether it is trusted is decided per request.
//!
//! Not here: who may do what (`filters`), and what a path means (`filters::request_info`).

pub mod accept;
pub mod body;
pub mod connection;
pub mod context;
pub mod gather;
pub mod peer;
pub mod respond;
pub mod tls;

pub use body::{Body, BoxError, RequestBody};
pub use context::RequestContext;
pub use peer::Peer;
pub use tls::TlsMaterial;
