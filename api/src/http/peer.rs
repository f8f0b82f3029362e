//! The other end of a connection: address, certificate chain, and how busy the connection is.

use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

use crate::auth::x509::CachedIdentity;

/// One client connection. Shared by its requests.
#[derive(Debug)]
pub struct Peer {
    /// Where it comes from.
    pub address: SocketAddr,
    /// The certificates the client showed, its own first; none if it showed none. Not verified: see `auth::x509`.
    pub chain: Vec<CertificateDer<'static>>,
    /// What the authentication filter made of the chain, so that a connection pays for the check once.
    pub(crate) identity: CachedIdentity,
    running: AtomicUsize,
    seen: AtomicBool,
    idle_since: Mutex<Instant>,
}

impl Peer {
    /// A connection that has asked nothing yet.
    pub fn new(address: SocketAddr, chain: Vec<CertificateDer<'static>>) -> Self {
        Self {
            address,
            chain,
            identity: CachedIdentity::default(),
            running: AtomicUsize::new(0),
            seen: AtomicBool::new(false),
            idle_since: Mutex::new(Instant::now()),
        }
    }

    /// A request began.
    pub(crate) fn begin(&self) {
        self.seen.store(true, Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::Relaxed);
    }

    /// A request's answer has been sent or dropped.
    pub(crate) fn end(&self) {
        if self.running.fetch_sub(1, Ordering::Relaxed) == 1 {
            *self.idle_since.lock() = Instant::now();
        }
    }

    /// Requests that are being answered; open watches count.
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Whether any request came yet.
    pub(crate) fn has_asked(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }

    /// How long nothing has been going on; `None` while something is.
    pub(crate) fn idle(&self) -> Option<Duration> {
        (self.running() == 0).then(|| self.idle_since.lock().elapsed())
    }
}
