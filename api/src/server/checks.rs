//! The health checks of this server.

use crate::bootstrap::hooks::{Hook, Hooks};
use crate::health::{Check, Root};
use api_storage::Storage;
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the server is on its way out.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<AtomicBool>);

impl Shutdown {
    /// Begins it; true for the first who does.
    pub fn begin(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// All of them, in upstream's order and under upstream's names.
pub fn all(storage: &Storage, hooks: &Hooks, shutdown: &Shutdown) -> Vec<Arc<dyn Check>> {
    let mut all: Vec<Arc<dyn Check>> = vec![
        Arc::new(StoreAnswers { storage: storage.clone(), name: "etcd", ready_only: false }),
        Arc::new(StoreAnswers { storage: storage.clone(), name: "etcd-readiness", ready_only: true }),
    ];
    all.extend(Hook::ALL.map(|hook| -> Arc<dyn Check> { Arc::new(HookFinished { hook, hooks: hooks.clone() }) }));
    all.push(Arc::new(NotShuttingDown(shutdown.clone())));
    all
}

/// The store answers a linearizable read.
struct StoreAnswers {
    storage: Storage,
    name: &'static str,
    ready_only: bool,
}

#[async_trait]
impl Check for StoreAnswers {
    fn name(&self) -> &'static str {
        self.name
    }

    fn counts_for(&self, root: Root) -> bool {
        !self.ready_only || root == Root::Readyz
    }

    async fn check(&self) -> Result<(), String> {
        self.storage.current_revision().await.map(drop).map_err(|error| error.to_string())
    }
}

/// A piece of the start's work has been done.
struct HookFinished {
    hook: Hook,
    hooks: Hooks,
}

#[async_trait]
impl Check for HookFinished {
    fn name(&self) -> &'static str {
        self.hook.name()
    }

    fn counts_for(&self, _root: Root) -> bool {
        true
    }

    async fn check(&self) -> Result<(), String> {
        if self.hooks.has_finished(self.hook) { Ok(()) } else { Err("not finished".to_owned()) }
    }
}

/// The server takes requests.
struct NotShuttingDown(Shutdown);

#[async_trait]
impl Check for NotShuttingDown {
    fn name(&self) -> &'static str {
        "shutdown"
    }

    fn counts_for(&self, root: Root) -> bool {
        root == Root::Readyz
    }

    async fn check(&self) -> Result<(), String> {
        if self.0.has_begun() { Err("process is shutting down".to_owned()) } else { Ok(()) }
    }
}
