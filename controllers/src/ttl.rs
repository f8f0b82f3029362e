//! How long agents may go on using what they have read of ConfigMaps and Secrets: told on each node, longer the more nodes
//! there are (upstream: `pkg/controller/ttl`).

use crate::Context;
use crate::objects::{annotation, name};
use controllers_runtime::worker::{self, Next};
use controllers_runtime::{Delta, Key, Queue};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{Patch, PatchParams};
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;

const NAME: &str = "ttl-controller";
/// Annotation with the seconds.
const TTL: &str = "node.alpha.kubernetes.io/ttl";
/// Nodes written at a time (upstream: 5).
const WORKERS: usize = 5;

/// Fewest and most nodes of each size of cluster, and the seconds that go with it. Sizes overlap, so that a cluster at
/// a border does not go back and forth.
const SIZES: [(usize, usize, u32); 5] =
    [(0, 100, 0), (90, 500, 15), (450, 1000, 30), (900, 2000, 60), (1800, usize::MAX, 300)];

/// The size of the cluster, as nodes come and go.
#[derive(Debug, Default)]
struct Size {
    nodes: usize,
    step: usize,
}

impl Size {
    fn joined(&mut self) {
        self.nodes += 1;
        if self.nodes > SIZES[self.step].1 {
            self.step += 1;
        }
    }

    fn left(&mut self) {
        self.nodes = self.nodes.saturating_sub(1);
        if self.nodes < SIZES[self.step].0 {
            self.step -= 1;
        }
    }

    fn seconds(&self) -> u32 {
        SIZES[self.step].2
    }
}

/// Starts the controller. A node that says something else than the cluster's size asks for is corrected when it is next
/// seen, at its next heartbeat.
pub fn start(context: &Context) {
    let queue: Queue<Key> = Queue::new("ttl");
    let size = Arc::new(Mutex::new(Size::default()));
    let (keys, own) = (queue.clone(), Arc::clone(&size));
    context.informers.nodes.on_change(move |delta| {
        match delta {
            Delta::Applied { old: None, .. } => own.lock().joined(),
            Delta::Applied { .. } => {}
            Delta::Deleted(_) => return own.lock().left(),
        }
        keys.add(Key::of(delta.object().as_ref()));
    });
    let (client, informers) = ((context.client_for)(NAME), Arc::clone(&context.informers));
    worker::start(&queue, WORKERS, &context.supervisor, move |key| {
        let (client, informers, size) = (client.clone(), Arc::clone(&informers), Arc::clone(&size));
        async move {
            let seconds = size.lock().seconds().to_string();
            let Some(node) = informers.nodes.index().get(&key) else { return Ok(Next::Wait) };
            if annotation(&node.metadata, TTL) == Some(seconds.as_str()) {
                return Ok(Next::Wait);
            }
            let patch = Patch::Strategic(json!({ "metadata": { "annotations": { TTL: seconds } } }));
            let nodes: Api<Node> = Api::all(client);
            match nodes.patch(name(&node.metadata), &PatchParams::default(), &patch).await {
                Ok(_) => Ok(Next::Wait),
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(Next::Wait),
                Err(error) => Err(error),
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: CT-19
    #[test]
    fn the_more_nodes_the_longer_and_borders_overlap() {
        let mut size = Size::default();
        let mut to = |nodes: usize| {
            while size.nodes < nodes {
                size.joined();
            }
            while size.nodes > nodes {
                size.left();
            }
            size.seconds()
        };
        assert_eq!([to(0), to(100), to(101), to(500), to(501)], [0, 0, 15, 15, 30]);
        assert_eq!([to(450), to(449), to(90), to(89)], [30, 15, 15, 0]);
        assert_eq!([to(5000), to(0)], [300, 0]);
    }
}
