//! Filter: is there room. Reads and writes have a cap of their own; long-running requests count for neither.
//!
//! A request gives its place back when the last byte of its answer has been handed over, so that slow readers count.

use crate::auth::user::{MASTERS, UserInfo};
use crate::filters::request_info::RequestInfo;
use crate::http::{Body, Peer, respond};
use crate::metrics::{self, Labels};
use ::http::header::{HeaderValue, RETRY_AFTER};
use ::http::{Response, StatusCode};
use prometheus::IntGauge;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Reads at once (upstream's default). When full: 429 and Retry-After, except to `system:masters`.
pub const READS_IN_FLIGHT_MAX: usize = 400;
/// Writes at once (upstream's default). When full: 429 and Retry-After, except to `system:masters`.
pub const WRITES_IN_FLIGHT_MAX: usize = 200;

/// How many requests are being answered.
#[derive(Debug)]
pub struct InFlight {
    reads: Arc<AtomicUsize>,
    writes: Arc<AtomicUsize>,
    reads_max: usize,
    writes_max: usize,
}

impl Default for InFlight {
    fn default() -> Self {
        Self::new(READS_IN_FLIGHT_MAX, WRITES_IN_FLIGHT_MAX)
    }
}

/// No place is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl InFlight {
    /// Other caps than upstream's.
    pub fn new(reads_max: usize, writes_max: usize) -> Self {
        Self { reads: Arc::default(), writes: Arc::default(), reads_max, writes_max }
    }

    /// Takes a place.
    ///
    /// # Errors
    /// There is none, and the user is no member of `system:masters`.
    pub fn enter(&self, info: &RequestInfo, user: &UserInfo, labels: Labels) -> Result<RequestGuard, Full> {
        if info.is_long_running() {
            let gauge = metrics::long_running(info, labels);
            gauge.inc();
            return Ok(RequestGuard { peer: None, place: Place::LongRunning(gauge) });
        }
        let mutating = !info.verb().is_read();
        let (count, max) = if mutating { (&self.writes, self.writes_max) } else { (&self.reads, self.reads_max) };
        if count.fetch_add(1, Ordering::Relaxed) >= max && !user.in_group(MASTERS) {
            count.fetch_sub(1, Ordering::Relaxed);
            return Err(Full);
        }
        metrics::in_flight(mutating).inc();
        Ok(RequestGuard { peer: None, place: Place::Counted { count: Arc::clone(count), mutating } })
    }
}

/// A request's place; given back when dropped.
#[derive(Debug)]
pub struct RequestGuard {
    peer: Option<Arc<Peer>>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    None,
    LongRunning(IntGauge),
    Counted { count: Arc<AtomicUsize>, mutating: bool },
}

impl RequestGuard {
    /// Takes no place, only keeps the connection busy.
    pub(crate) fn busy(peer: Arc<Peer>) -> Self {
        peer.begin();
        Self { peer: Some(peer), place: Place::None }
    }

    /// Takes over the place of another guard.
    pub(crate) fn absorb(&mut self, mut other: Self) {
        std::mem::swap(&mut self.place, &mut other.place);
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        match &self.place {
            Place::None => {}
            Place::LongRunning(gauge) => gauge.dec(),
            Place::Counted { count, mutating } => {
                count.fetch_sub(1, Ordering::Relaxed);
                metrics::in_flight(*mutating).dec();
            }
        }
        if let Some(peer) = &self.peer {
            peer.end();
        }
    }
}

/// What upstream says to whoever finds no place.
pub fn too_many_requests() -> Response<Body> {
    metrics::terminated(429);
    let mut response = respond::text(StatusCode::TOO_MANY_REQUESTS, "Too many requests, please try again later.\n");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::Method;

    fn info(method: Method, path: &str, query: &str) -> RequestInfo {
        RequestInfo::from_parts(&method, path, query).expect("a good path")
    }

    // proves: OP-02
    #[test]
    fn reads_and_writes_have_their_own_cap_and_long_running_requests_have_none() {
        let room = InFlight::new(1, 1);
        let user = UserInfo::new("jane", ["dev"]);
        let (read, write) = (info(Method::GET, "/api/v1/pods", ""), info(Method::POST, "/api/v1/pods", ""));
        let labels = Labels::default();
        let first = room.enter(&read, &user, labels).expect("room for one read");
        assert_eq!(room.enter(&read, &user, labels).err(), Some(Full));
        let _write = room.enter(&write, &user, labels).expect("writes are counted apart");
        assert_eq!(room.enter(&write, &user, labels).err(), Some(Full));
        let watch = info(Method::GET, "/api/v1/pods", "watch=1");
        let _watches: Vec<_> = (0..9).map(|_| room.enter(&watch, &user, labels).expect("never full")).collect();
        let admin = UserInfo::new("root", [MASTERS]);
        let _admin = room.enter(&read, &admin, labels).expect("masters always find room");
        drop(first);
        assert_eq!(room.enter(&read, &user, labels).err(), Some(Full), "the admin's request still counts");
        drop(_admin);
        assert!(room.enter(&read, &user, labels).is_ok());
    }

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let response = too_many_requests();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()[RETRY_AFTER], "1");
    }
}
