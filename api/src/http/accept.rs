//! The accept loop: TCP, then TLS under a deadline and a cap, then the connection in a task of its own.

use crate::http::connection::{self, Service};
use crate::http::peer::Peer;
use crate::metrics;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A handshake that is not done by then is dropped.
pub const HANDSHAKE_DEADLINE_SECONDS: u64 = 10;
/// Handshakes at once. When full the loop stops accepting: further clients wait in the kernel's backlog.
pub const HANDSHAKES_IN_FLIGHT_MAX: usize = 256;
/// Handshakes at once from one address that is not this machine; further connections from it are closed at once.
pub const HANDSHAKES_PER_SOURCE_MAX: usize = 64;
/// Connections at once. When full the loop stops accepting.
pub const CONNECTIONS_MAX: usize = 16_384;
/// After a failed accept (no file descriptors left) the loop waits this long.
const ACCEPT_PAUSE_MILLISECONDS: u64 = 50;

/// Where connections come in and what answers them.
pub struct Acceptor<S> {
    /// The socket.
    pub listener: TcpListener,
    /// Certificates and protocol versions.
    pub tls: TlsAcceptor,
    /// What answers.
    pub service: Arc<S>,
    /// Cancelled to stop accepting and to let connections finish.
    pub stop: CancellationToken,
    /// Owns the connections' tasks.
    pub connections: TaskTracker,
}

impl<S: Service> Acceptor<S> {
    /// Accepts until told to stop.
    pub async fn run(self) -> Result<(), std::convert::Infallible> {
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_IN_FLIGHT_MAX));
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let sources = Arc::new(Sources::default());
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                accepted = next(&self.listener, &handshakes, &slots) => accepted,
            };
            let (stream, address, handshake, slot) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MILLISECONDS)).await;
                    continue;
                }
            };
            let Some(source) = sources.enter(address.ip()) else {
                metrics::tls_handshake_refused();
                continue;
            };
            let (tls, service, stop) = (self.tls.clone(), Arc::clone(&self.service), self.stop.clone());
            self.connections.spawn(async move {
                let _slot = slot;
                let deadline = Duration::from_secs(HANDSHAKE_DEADLINE_SECONDS);
                let outcome = tokio::time::timeout(deadline, handshaken(tls, stream)).await;
                drop((handshake, source));
                match outcome {
                    Ok(Ok(stream)) => {
                        let chain = stream.get_ref().1.peer_certificates().map(<[_]>::to_vec).unwrap_or_default();
                        let peer = Arc::new(Peer::new(address, chain));
                        connection::serve(stream, peer, service, stop).await;
                    }
                    Ok(Err(error)) => {
                        metrics::tls_handshake_error();
                        tracing::debug!(peer = %address, %error, "TLS handshake failed");
                    }
                    Err(_) => {
                        metrics::tls_handshake_error();
                        tracing::debug!(peer = %address, "TLS handshake took too long");
                    }
                }
            });
        }
    }
}

type Permit = tokio::sync::OwnedSemaphorePermit;

async fn next(
    listener: &TcpListener,
    handshakes: &Arc<Semaphore>,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, Permit, Permit)> {
    let slot = Arc::clone(slots).acquire_owned().await.expect("the semaphore is never closed");
    let handshake = Arc::clone(handshakes).acquire_owned().await.expect("the semaphore is never closed");
    let (stream, address) = listener.accept().await?;
    Ok((stream, address, handshake, slot))
}

async fn handshaken(
    tls: TlsAcceptor,
    stream: TcpStream,
) -> std::io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    stream.set_nodelay(true)?;
    tls.accept(stream).await
}

/// Handshakes in flight by source address.
#[derive(Debug, Default)]
struct Sources(Mutex<HashMap<IpAddr, usize>>);

struct Source {
    sources: Arc<Sources>,
    address: Option<IpAddr>,
}

impl Sources {
    fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Source> {
        if address.is_loopback() {
            return Some(Source { sources: Arc::clone(self), address: None });
        }
        let mut counts = self.0.lock();
        let count = counts.entry(address).or_default();
        if *count >= HANDSHAKES_PER_SOURCE_MAX {
            return None;
        }
        *count += 1;
        Some(Source { sources: Arc::clone(self), address: Some(address) })
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut counts = self.sources.0.lock();
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_may_only_have_so_many_handshakes_at_once_unless_it_is_this_machine() {
        let sources = Arc::new(Sources::default());
        let far = IpAddr::from([192, 0, 2, 1]);
        let mut held: Vec<_> = (0..HANDSHAKES_PER_SOURCE_MAX).map(|_| sources.enter(far)).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(sources.enter(far).is_none());
        assert!(sources.enter(IpAddr::from([192, 0, 2, 2])).is_some());
        assert!(sources.enter(IpAddr::from([127, 0, 0, 1])).is_some());
        held.pop();
        assert!(sources.enter(far).is_some());
        held.clear();
        assert!(sources.0.lock().is_empty());
    }
}
