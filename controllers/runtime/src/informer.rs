//! One watch a kind, shared by everybody in the process who needs it (upstream: shared informers).

use crate::{Index, Key};
use daemon::{OnError, Supervisor, TaskKind};
use futures::{StreamExt, pin_mut};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::watch;

const INFORMER: TaskKind = TaskKind { name: "informer", on_error: OnError::ShutDown };

/// A change of one object, as the index saw it.
#[derive(Debug)]
pub enum Delta<K> {
    /// Added or changed.
    Applied {
        /// As it was, if it was known.
        old: Option<Arc<K>>,
        /// As it is.
        new: Arc<K>,
    },
    /// Gone; as last seen.
    Deleted(Arc<K>),
}

impl<K> Delta<K> {
    /// The newest state seen.
    pub fn object(&self) -> &Arc<K> {
        match self {
            Self::Applied { new, .. } => new,
            Self::Deleted(old) => old,
        }
    }
}

impl<K> Clone for Delta<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Applied { old, new } => Self::Applied { old: old.clone(), new: Arc::clone(new) },
            Self::Deleted(old) => Self::Deleted(Arc::clone(old)),
        }
    }
}

type Handler<K> = Box<dyn Fn(&Delta<K>) + Send>;

/// Keeps an [`Index`] current and tells handlers of each change, in order. Handlers only put keys into queues: they run
/// on the informer's task and must not block.
pub struct Informer<K> {
    index: Arc<Index<K>>,
    handlers: Mutex<Vec<Handler<K>>>,
    synced: watch::Sender<bool>,
}

impl<K> Informer<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    /// Starts watching; runs until the supervisor's token is cancelled. Broken watches are resumed with back-off.
    pub fn start(api: Api<K>, config: watcher::Config, supervisor: &Supervisor) -> Arc<Self> {
        Self::start_trimmed(api, config, |_| {}, supervisor)
    }

    /// The same; `trim` takes from each object what nobody here reads, before anybody sees it.
    pub fn start_trimmed(api: Api<K>, config: watcher::Config, trim: fn(&mut K), supervisor: &Supervisor) -> Arc<Self> {
        let informer =
            Arc::new(Self { index: Arc::default(), handlers: Mutex::default(), synced: watch::Sender::new(false) });
        let (running, token) = (Arc::clone(&informer), supervisor.token().clone());
        supervisor.spawn(INFORMER, async move {
            tokio::select! {
                () = token.cancelled() => {}
                () = running.run(api, config, trim) => {}
            }
            Ok::<(), Infallible>(())
        });
        informer
    }

    /// An informer that nothing feeds: tests apply events by hand.
    pub fn detached() -> Arc<Self> {
        Arc::new(Self { index: Arc::default(), handlers: Mutex::default(), synced: watch::Sender::new(true) })
    }

    /// What is known.
    pub fn index(&self) -> &Arc<Index<K>> {
        &self.index
    }

    /// Calls `handler` for every object known now (as an addition), then for every change.
    pub fn on_change(&self, handler: impl Fn(&Delta<K>) + Send + 'static) {
        let mut handlers = self.handlers.lock();
        for object in self.index.list() {
            handler(&Delta::Applied { old: None, new: object });
        }
        handlers.push(Box::new(handler));
    }

    /// Returns when the first full list has arrived.
    pub async fn synced(&self) {
        // The sender lives in self, so waiting cannot fail.
        let _ = self.synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// Applies one event as if the server had sent it.
    pub fn apply(&self, object: K) {
        let handlers = self.handlers.lock();
        if let Some(delta) = self.index.apply(object) {
            handlers.iter().for_each(|handler| handler(&delta));
        }
    }

    /// Deletes one object as if the server had said so.
    pub fn delete(&self, key: &Key) {
        let handlers = self.handlers.lock();
        if let Some(delta) = self.index.delete(key) {
            handlers.iter().for_each(|handler| handler(&delta));
        }
    }

    async fn run(&self, api: Api<K>, config: watcher::Config, trim: fn(&mut K)) {
        let stream = watcher(api, config).default_backoff().modify(trim);
        pin_mut!(stream);
        let mut listed = BTreeSet::new();
        while let Some(event) = stream.next().await {
            match event {
                Ok(watcher::Event::Init) => listed.clear(),
                Ok(watcher::Event::InitApply(object)) => {
                    listed.insert(Key::of(&object));
                    self.apply(object);
                }
                Ok(watcher::Event::InitDone) => {
                    for key in self.index.missing_from(&listed) {
                        self.delete(&key);
                    }
                    listed.clear();
                    self.synced.send_replace(true);
                }
                Ok(watcher::Event::Apply(object)) => self.apply(object),
                Ok(watcher::Event::Delete(object)) => self.delete(&Key::of(&object)),
                Err(error) => tracing::warn!(kind = std::any::type_name::<K>(), %error, "watch interrupted; resuming"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    // proves: CT-37
    #[test]
    fn a_late_handler_hears_of_what_is_already_known() {
        let informer = Informer::<ConfigMap>::detached();
        let object = |version: &str| {
            serde_json::from_value(json!({"metadata": {"namespace": "a", "name": "x", "resourceVersion": version}}))
                .unwrap()
        };
        informer.apply(object("1"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        informer.on_change(move |delta| {
            let version = delta.object().metadata.resource_version.clone().unwrap();
            log.lock().push((matches!(delta, Delta::Deleted(_)), version));
        });
        informer.apply(object("2"));
        informer.delete(&Key::new("a", "x"));
        let expected = [(false, "1"), (false, "2"), (true, "2")].map(|(gone, version)| (gone, version.to_owned()));
        assert_eq!(*seen.lock(), expected);
    }
}
