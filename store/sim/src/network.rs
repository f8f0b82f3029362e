//! The network between members: delays, lost requests, lost answers, partitions in one direction or both.
//!
//! A call that is delivered runs to its end at the callee, whether or not the caller still waits: as on a real network.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use store::peer::{CallError, Handler, Method, Target, Transport};

/// How bad the network is.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Longest delay of a message, one way.
    pub delay_max: Duration,
    /// Share of messages that are lost.
    pub loss: f64,
}

/// A quiet local network.
pub const CALM: Weather = Weather { delay_max: Duration::from_millis(2), loss: 0.0 };

/// All links.
pub struct Network {
    inner: Mutex<Inner>,
}

struct Inner {
    random: StdRng,
    answers: BTreeMap<u64, Weak<dyn Handler>>,
    cut: BTreeSet<(u64, u64)>,
    weather: Weather,
}

/// One member's side of the network, for one life of it.
pub struct Port {
    network: Arc<Network>,
    id: OnceLock<u64>,
    dead: AtomicBool,
}

impl Network {
    /// A calm network.
    pub fn new(seed: u64) -> Arc<Network> {
        let inner = Inner {
            random: StdRng::seed_from_u64(seed),
            answers: BTreeMap::new(),
            cut: BTreeSet::new(),
            weather: CALM,
        };
        Arc::new(Network { inner: Mutex::new(inner) })
    }

    /// Changes delays and losses.
    pub fn set_weather(&self, weather: Weather) {
        self.inner.lock().weather = weather;
    }

    /// Loses everything from `from` to `to`.
    pub fn cut(&self, from: u64, to: u64) {
        self.inner.lock().cut.insert((from, to));
    }

    /// Ends all partitions.
    pub fn heal(&self) {
        self.inner.lock().cut.clear();
    }

    /// A way into the network for a member that starts.
    pub fn port(self: &Arc<Self>) -> Arc<Port> {
        Arc::new(Port { network: Arc::clone(self), id: OnceLock::new(), dead: AtomicBool::new(false) })
    }

    /// Delay of a message, or `None` when it is lost.
    fn fate(&self, from: u64, to: u64) -> Option<Duration> {
        let mut inner = self.inner.lock();
        let weather = inner.weather;
        let delay = inner.random.random_range(Duration::ZERO..=weather.delay_max);
        let lost = inner.random.random_bool(weather.loss);
        (!lost && !inner.cut.contains(&(from, to))).then_some(delay)
    }

    fn handler(&self, id: u64) -> Option<Arc<dyn Handler>> {
        self.inner.lock().answers.get(&id)?.upgrade()
    }
}

impl Port {
    /// The member of this port is no more: nothing goes out or comes in.
    pub fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
        if let Some(id) = self.id.get() {
            self.network.inner.lock().answers.remove(id);
        }
    }

    fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "what is delivered outlives the caller; the runtime ends with the run"
    )]
    async fn exchange(&self, from: u64, to: u64, method: Method, request: Bytes) -> Result<Bytes, CallError> {
        travel(self.network.fate(from, to)).await;
        let handler = self.network.handler(to).filter(|_| !self.is_dead());
        let Some(handler) = handler else { return Err(CallError::Unreachable("connection refused".into())) };
        let callee = Arc::downgrade(&handler);
        let answer = tokio::spawn(async move { handler.answer(from, method, request).await });
        let answer = answer.await.map_err(|_| CallError::Unreachable("connection reset".into()))?;
        // A member that died meanwhile has not answered.
        let still_there = self.network.handler(to).is_some_and(|now| Weak::ptr_eq(&Arc::downgrade(&now), &callee));
        if !still_there {
            return Err(CallError::Unreachable("connection reset".into()));
        }
        travel(self.network.fate(to, from)).await;
        answer.map_err(CallError::Refused)
    }
}

#[async_trait]
impl Transport for Port {
    async fn call(&self, target: &Target, method: Method, request: Bytes, limit: Duration) -> Result<Bytes, CallError> {
        let Some(from) = self.id.get().copied().filter(|_| !self.is_dead()) else {
            return Err(CallError::Unreachable("no network".into()));
        };
        let exchange = self.exchange(from, target.id, method, request);
        tokio::time::timeout(limit, exchange).await.unwrap_or(Err(CallError::Timeout))
    }

    fn serve(&self, member_id: u64, answers: Weak<dyn Handler>) {
        self.id.get_or_init(|| member_id);
        self.network.inner.lock().answers.insert(member_id, answers);
    }
}

async fn travel(fate: Option<Duration>) {
    match fate {
        Some(delay) => tokio::time::sleep(delay).await,
        None => std::future::pending().await,
    }
}
