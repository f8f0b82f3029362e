//! The table "the path of a write" (README, DESIGN 6), executed: the spans that one create passes, in the order in which
//! they are first entered, on a real server: TLS, fsync and all.

use super::tests::config;
use super::{ControlPlane, Stages, start_control_plane};
use crate::kubeconfig;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{PostParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_stream::StreamExt;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// A span for each row of the table.
const STEPS: [&str; 12] = [
    "http",
    "filters",
    "verb",
    "registry",
    "storage",
    "store_call",
    "propose",
    "raft_append",
    "apply",
    "announce",
    "watch_cache",
    "wire",
];

/// The server renews what it keeps alive now and then; a create that coincides with that is tried again.
const ATTEMPTS: usize = 20;

#[derive(Clone, Default)]
struct Entered(Arc<Mutex<Vec<&'static str>>>);

impl Entered {
    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Entered {
    fn on_enter(&self, id: &tracing::span::Id, context: Context<'_, S>) {
        if let Some(name) = context.span(id).map(|span| span.name())
            && STEPS.contains(&name)
        {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        }
    }
}

/// Each name once, where it came first.
fn first_entries(entered: &[&'static str]) -> Vec<&'static str> {
    let mut first = Vec::new();
    for name in entered {
        if !first.contains(name) {
            first.push(*name);
        }
    }
    first
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_create_passes_the_steps_of_the_table_in_order() {
    let entered = Entered::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(entered.clone()))
        .expect("no other test of this crate collects spans");
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(&folder.path().join("data"));
    let stages = Stages::default();
    let ControlPlane { member, api, .. } = start_control_plane(&config, &stages).await.expect("a control plane");

    // HTTP/1.1 and TLS from outside, as kubectl comes in.
    let file = Kubeconfig::read_from(kubeconfig::path(&config.data_dir)).expect("a kubeconfig");
    let client = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.expect("a client");
    let maps: Api<ConfigMap> = Api::namespaced(Client::try_from(client).expect("a client"), "default");
    let watch = maps.watch(&WatchParams::default(), "0").await.expect("a watch");
    let mut watch = pin!(watch);
    let mut seen = Vec::new();
    for attempt in 0..ATTEMPTS {
        let name = format!("attempt-{attempt}");
        let map = ConfigMap {
            metadata: kube::core::ObjectMeta { name: Some(name.clone()), ..Default::default() },
            ..Default::default()
        };
        entered.take();
        maps.create(&PostParams::default(), &map).await.expect("created");
        // The watcher has it: the last step is behind us.
        while let Some(event) = watch.next().await {
            if let WatchEvent::Added(added) = event.expect("an event")
                && added.metadata.name.as_deref() == Some(&name)
            {
                break;
            }
        }
        seen = entered.take();
        if seen.iter().filter(|step| **step == "apply").count() == 1 {
            break;
        }
    }
    assert_eq!(first_entries(&seen), STEPS);
    stages.shut_down(&api, &member).await.expect("a clean stop");
}
