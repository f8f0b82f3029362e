//! Feeds the graph and carries its verdicts out.

use super::graph::{self, FOREGROUND, Graph, Identity, ORPHAN, Owner, Verdict, Work};
use crate::Context;
use crate::discover::{self, Kind};
use controllers_runtime::events::Level;
use controllers_runtime::worker::{self, Next};
use controllers_runtime::{Delta, Informer, Key, Queue, Recorder};
use daemon::{OnError, Supervisor, TaskKind};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions, PropagationPolicy};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher;
use kube::{Api, Client, Error};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

const NAME: &str = "generic-garbage-collector";
/// What events call it.
const EVENTS_NAME: &str = "garbage-collector-controller";
/// Objects looked at at a time (upstream: 20).
const WORKERS: usize = 20;
/// Between two looks at discovery for kinds that are new (upstream: 30 s).
const DISCOVERY_PERIOD: Duration = Duration::from_secs(30);
const WATCHES: TaskKind = TaskKind { name: "garbage collector watches", on_error: OnError::ShutDown };
/// Kinds that are never collected: they are many and end by themselves.
const IGNORED: &[(&str, &str)] = &[("", "events"), ("events.k8s.io", "events")];

type Meta = PartialObjectMeta<DynamicObject>;

/// A kind and the watch of its objects' metadata.
type Watched = (Kind, Arc<Informer<Meta>>);

/// Starts the controller.
pub fn start(context: &Context) {
    let collector = Arc::new(Collector {
        client: (context.client_for)(NAME),
        recorder: context.recorder.named(EVENTS_NAME),
        graph: Mutex::default(),
        kinds: Mutex::default(),
        queue: Queue::new("garbage-collector"),
    });
    let (own, supervisor, token) =
        (Arc::clone(&collector), context.supervisor.clone(), context.supervisor.token().clone());
    context.supervisor.spawn(WATCHES, async move {
        loop {
            if let Err(error) = own.watch_new_kinds(&supervisor).await {
                tracing::warn!(%error, "discovery failed; garbage of new kinds is collected later");
            }
            tokio::select! {
                () = token.cancelled() => return Ok::<(), Infallible>(()),
                () = tokio::time::sleep(DISCOVERY_PERIOD) => {}
            }
        }
    });
    let queue = collector.queue.clone();
    worker::start(&queue, WORKERS, &context.supervisor, move |key| {
        let collector = Arc::clone(&collector);
        async move {
            // The work is carried in the key: what to do, and to whom.
            if key.namespace == ORPHAN { collector.orphan(&key.name).await } else { collector.collect(&key.name).await }
        }
    });
}

struct Collector {
    client: Client,
    recorder: Recorder,
    graph: Mutex<Graph>,
    /// By apiVersion and kind.
    kinds: Mutex<HashMap<(String, String), Watched>>,
    queue: Queue<Key>,
}

impl Collector {
    async fn watch_new_kinds(self: &Arc<Self>, supervisor: &Supervisor) -> Result<(), Error> {
        for kind in discover::kinds(&self.client).await? {
            let resource = kind.resource.clone();
            let wanted = kind.can("list") && kind.can("watch") && kind.can("delete");
            let place = (resource.api_version.clone(), resource.kind.clone());
            if !wanted
                || IGNORED.contains(&(resource.group.as_str(), resource.plural.as_str()))
                || self.kinds.lock().contains_key(&place)
            {
                continue;
            }
            let api: Api<Meta> = Api::all_with(self.client.clone(), &resource);
            let informer = Informer::start(api, watcher::Config::default(), supervisor);
            let collector = Arc::clone(self);
            informer.on_change(move |delta| {
                let mut graph = collector.graph.lock();
                let work = match delta {
                    Delta::Applied { new, .. } => graph.observe(&resource.api_version, &resource.kind, &new.metadata),
                    Delta::Deleted(old) => graph.forget(old.metadata.uid.as_deref().unwrap_or_default()),
                };
                drop(graph);
                work.into_iter().for_each(|work| collector.enqueue(work));
            });
            self.kinds.lock().insert(place, (kind, informer));
        }
        Ok(())
    }

    fn enqueue(&self, work: Work) {
        self.queue.add(match work {
            Work::Collect(uid) => Key::new("", uid),
            Work::Orphan(uid) => Key::new(ORPHAN, uid),
        });
    }

    async fn collect(&self, uid: &str) -> Result<Next, Error> {
        let Some(node) = self.graph.lock().node(uid).cloned() else { return Ok(Next::Wait) };
        // The live object decides.
        let Some(live) = self.live(&node.identity).await? else {
            let work = self.graph.lock().forget(uid);
            work.into_iter().for_each(|work| self.enqueue(work));
            return Ok(Next::Wait);
        };
        if live.deletion_timestamp.is_some() && !node.waits_for_dependents {
            return Ok(Next::Wait);
        }
        let mut owners = Vec::new();
        for reference in live.owner_references.clone().unwrap_or_default() {
            let owner = self.classify(&node.identity, &reference).await?;
            owners.push((reference, owner));
        }
        let verdict = graph::judge(&self.graph.lock(), uid, &owners);
        match verdict {
            Verdict::Keep => {}
            Verdict::Wait(blocking) => blocking.into_iter().for_each(|uid| self.enqueue(Work::Collect(uid))),
            Verdict::Unlink(gone) => {
                let kept: Vec<_> = owners
                    .iter()
                    .map(|(reference, _)| reference)
                    .filter(|reference| !gone.contains(&reference.uid))
                    .collect();
                self.patch(&node.identity, &live, json!({ "ownerReferences": kept })).await?;
            }
            Verdict::Release => self.remove_finalizer(&node.identity, &live, FOREGROUND).await?,
            Verdict::Delete(policy) => self.delete(&node.identity, &live, policy).await?,
        }
        Ok(Next::Wait)
    }

    /// Takes the owner's reference from its dependents, then the finalizer from the owner.
    async fn orphan(&self, uid: &str) -> Result<Next, Error> {
        let (owner, dependents) = {
            let graph = self.graph.lock();
            let Some(owner) = graph.node(uid).cloned() else { return Ok(Next::Wait) };
            let dependents: Vec<Identity> =
                graph.dependents(uid).into_iter().map(|node| node.identity.clone()).collect();
            (owner, dependents)
        };
        for dependent in dependents {
            let Some(live) = self.live(&dependent).await? else { continue };
            let references = live.owner_references.clone().unwrap_or_default();
            let kept: Vec<_> = references.iter().filter(|reference| reference.uid != uid).collect();
            if kept.len() != references.len() {
                self.patch(&dependent, &live, json!({ "ownerReferences": kept })).await?;
            }
        }
        if let Some(live) = self.live(&owner.identity).await? {
            self.remove_finalizer(&owner.identity, &live, ORPHAN).await?;
        }
        Ok(Next::Wait)
    }

    async fn classify(&self, dependent: &Identity, reference: &OwnerReference) -> Result<Owner, Error> {
        let known = self.graph.lock().node(&reference.uid).cloned();
        match known {
            Some(known) if known.is_meant_by(reference, dependent) => {
                return Ok(if known.waits_for_dependents { Owner::Waiting } else { Owner::Solid });
            }
            Some(_) => self.tell_of_foreign_owner(dependent, reference),
            None => {}
        }
        let identity = Identity {
            api_version: reference.api_version.clone(),
            kind: reference.kind.clone(),
            namespace: dependent.namespace.clone(),
            name: reference.name.clone(),
            uid: reference.uid.clone(),
        };
        // An owner of a kind that the server does not have may come back with it, and one that is in some namespace cannot
        // be looked for from outside: nothing is deleted for them.
        if self.api(&identity).is_none() || dependent.namespace.is_empty() && self.is_namespaced(&identity) {
            return Ok(Owner::Solid);
        }
        Ok(match self.live(&identity).await? {
            None => Owner::Absent,
            Some(live) if live.deletion_timestamp.is_some() && has_finalizer(&live, FOREGROUND) => Owner::Waiting,
            Some(_) => Owner::Solid,
        })
    }

    /// The owner that is meant lives in another namespace, or is called otherwise.
    fn tell_of_foreign_owner(&self, dependent: &Identity, reference: &OwnerReference) {
        let OwnerReference { api_version, kind, name, uid, .. } = reference;
        let namespace = &dependent.namespace;
        let object = ObjectReference {
            api_version: Some(dependent.api_version.clone()),
            kind: Some(dependent.kind.clone()),
            namespace: Some(namespace.clone()).filter(|namespace| !namespace.is_empty()),
            name: Some(dependent.name.clone()),
            uid: Some(dependent.uid.clone()),
            ..ObjectReference::default()
        };
        let message = format!(
            "ownerRef [{api_version}/{kind}, namespace: {namespace}, name: {name}, uid: {uid}] does not exist in namespace \
             \"{namespace}\""
        );
        self.recorder.event_about(object, Level::Warning, "OwnerRefInvalidNamespace", message);
    }

    fn is_namespaced(&self, identity: &Identity) -> bool {
        let kinds = self.kinds.lock();
        kinds.get(&(identity.api_version.clone(), identity.kind.clone())).is_some_and(|(kind, _)| kind.namespaced)
    }

    /// The live object's metadata; `None` when it is gone or another one by now.
    async fn live(&self, identity: &Identity) -> Result<Option<ObjectMeta>, Error> {
        let Some(api) = self.api(identity) else { return Ok(None) };
        let found = api.get_metadata_opt(&identity.name).await?;
        Ok(found.map(|found| found.metadata).filter(|meta| meta.uid.as_deref() == Some(identity.uid.as_str())))
    }

    async fn delete(&self, identity: &Identity, live: &ObjectMeta, policy: Option<&'static str>) -> Result<(), Error> {
        let Some(api) = self.api(identity) else { return Ok(()) };
        let propagation = match policy {
            Some("Foreground") => PropagationPolicy::Foreground,
            _ if has_finalizer(live, ORPHAN) => PropagationPolicy::Orphan,
            _ if has_finalizer(live, FOREGROUND) => PropagationPolicy::Foreground,
            _ => PropagationPolicy::Background,
        };
        let preconditions = Preconditions { uid: live.uid.clone(), resource_version: live.resource_version.clone() };
        let parameters = DeleteParams {
            propagation_policy: Some(propagation),
            preconditions: Some(preconditions),
            ..DeleteParams::default()
        };
        ignore_gone(api.delete(&identity.name, &parameters).await.map(drop))
    }

    async fn remove_finalizer(&self, identity: &Identity, live: &ObjectMeta, finalizer: &str) -> Result<(), Error> {
        let kept: Vec<_> = live.finalizers.iter().flatten().filter(|name| *name != finalizer).collect();
        self.patch(identity, live, json!({ "finalizers": kept })).await
    }

    async fn patch(&self, identity: &Identity, live: &ObjectMeta, mut metadata: Value) -> Result<(), Error> {
        let Some(api) = self.api(identity) else { return Ok(()) };
        metadata["uid"] = json!(live.uid);
        metadata["resourceVersion"] = json!(live.resource_version);
        let patch = Patch::Merge(json!({ "metadata": metadata }));
        let outcome = api.patch_metadata(&identity.name, &PatchParams::default(), &patch).await;
        match outcome {
            Err(Error::Api(status)) if status.code == 404 => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    fn api(&self, identity: &Identity) -> Option<Api<DynamicObject>> {
        let kinds = self.kinds.lock();
        let (kind, _) = kinds.get(&(identity.api_version.clone(), identity.kind.clone()))?;
        Some(if kind.namespaced {
            Api::namespaced_with(self.client.clone(), &identity.namespace, &kind.resource)
        } else {
            Api::all_with(self.client.clone(), &kind.resource)
        })
    }
}

fn has_finalizer(meta: &ObjectMeta, finalizer: &str) -> bool {
    meta.finalizers.iter().flatten().any(|name| name == finalizer)
}

/// Gone is what was wanted; changed means that the watch brings it back.
fn ignore_gone(outcome: Result<(), Error>) -> Result<(), Error> {
    match outcome {
        Err(Error::Api(status)) if status.code == 404 => Ok(()),
        outcome => outcome,
    }
}
