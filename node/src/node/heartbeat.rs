//! Registers the node, renews its lease, reports its status.

use super::object::{self, Machine};
use super::pressure::Pressure;
use super::transitions::transitions;
use crate::events::Recorder;
use crate::options::Options;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use node_cri::Runtime;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Between two renewals of the lease (upstream: a quarter of the lease).
const RENEW_PERIOD: Duration = Duration::from_secs(10);
/// A node whose lease is older than this may be gone (upstream: `nodeLeaseDurationSeconds`).
const LEASE_DURATION_SECONDS: i32 = 40;
/// A status that did not change is reported all the same after this (upstream: `nodeStatusReportFrequency`).
const REPORT_PERIOD: Duration = Duration::from_secs(5 * 60);
/// Between two attempts to register.
const REGISTER_RETRY: Duration = Duration::from_secs(1);
const LEASES: &str = "kube-node-lease";

/// Says how the node is until the token is cancelled.
pub struct Heartbeat {
    nodes: Api<Node>,
    leases: Api<Lease>,
    options: Arc<Options>,
    runtime: Arc<dyn Runtime>,
    machine: Machine,
    /// Simulated nodes tell no events: there are many, and nothing ever happens to them.
    recorder: Option<Recorder>,
    reported: Option<(Node, Instant)>,
}

impl Heartbeat {
    /// Nothing is written before [`Self::run`].
    pub fn new(
        client: &Client,
        options: Arc<Options>,
        runtime: Arc<dyn Runtime>,
        machine: Machine,
        recorder: Recorder,
    ) -> Self {
        let (nodes, leases) = (Api::all(client.clone()), Api::namespaced(client.clone(), LEASES));
        let recorder = options.real.as_ref().map(|_| recorder);
        Self { nodes, leases, options, runtime, machine, recorder, reported: None }
    }

    /// Registers, then renews and reports. `first_delay` spreads many nodes of one process over the period.
    pub async fn run(mut self, first_delay: Duration, token: CancellationToken) {
        let beat = async {
            if let Some(recorder) = &self.recorder {
                recorder.node("Starting", "Starting kubelet.".to_owned());
            }
            while let Err(error) = self.register().await {
                tracing::warn!(node = self.options.node_name, %error, "cannot register yet");
                tokio::time::sleep(REGISTER_RETRY).await;
            }
            self.beat().await;
            tokio::time::sleep(first_delay).await;
            loop {
                tokio::time::sleep(RENEW_PERIOD).await;
                self.beat().await;
            }
        };
        tokio::select! {
            () = token.cancelled() => {}
            () = beat => {}
        }
    }

    async fn beat(&mut self) {
        if let Err(error) = self.renew().await {
            tracing::warn!(node = self.options.node_name, %error, "cannot renew the node's lease");
        }
        if let Err(error) = self.report().await {
            tracing::warn!(node = self.options.node_name, %error, "cannot report the node's status");
        }
    }

    async fn register(&mut self) -> Result<(), kube::Error> {
        let name = self.options.node_name.as_str();
        let status = object::status(&self.options, &self.machine, &self.health().await, None, Timestamp::now());
        let metadata = object::metadata(&self.options);
        let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status });
        let node = serde_json::from_value(node).map_err(kube::Error::SerdeError)?;
        let node = match self.nodes.create(&PostParams::default(), &node).await {
            Ok(node) => {
                self.tell(&transitions(None, &status));
                node
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let patch = json!({ "metadata": metadata });
                self.nodes.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?
            }
            Err(error) => return Err(error),
        };
        self.reported = Some((node, Instant::now() - REPORT_PERIOD));
        Ok(())
    }

    async fn report(&mut self) -> Result<(), kube::Error> {
        let name = self.options.node_name.as_str();
        let (current, at) = match &self.reported {
            Some((node, at)) => (Some(node), Some(*at)),
            None => (None, None),
        };
        let status = object::status(&self.options, &self.machine, &self.health().await, current, Timestamp::now());
        let is_due = at.is_none_or(|at| at.elapsed() >= REPORT_PERIOD);
        if !is_due && !object::differs(current, &status) {
            return Ok(());
        }
        let patch = Patch::Strategic(json!({ "status": status }));
        match self.nodes.patch_status(name, &PatchParams::default(), &patch).await {
            Ok(node) => {
                self.tell(&transitions(current, &status));
                self.reported = Some((node, Instant::now()));
            }
            Err(kube::Error::Api(status)) if status.code == 404 => self.register().await?,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn tell(&self, reasons: &[&str]) {
        for reason in reasons {
            let message = format!("Node {} status is now: {reason}", self.options.node_name);
            self.recorder.iter().for_each(|recorder| recorder.node(reason, message.clone()));
        }
    }

    async fn renew(&self) -> Result<(), kube::Error> {
        let name = self.options.node_name.as_str();
        let renewed = json!({ "spec": { "renewTime": MicroTime(Timestamp::now()) } });
        match self.leases.patch(name, &PatchParams::default(), &Patch::Merge(renewed)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            outcome => return outcome.map(drop),
        }
        let owner = self.reported.as_ref().and_then(|(node, _)| {
            Some(OwnerReference {
                api_version: "v1".to_owned(),
                kind: "Node".to_owned(),
                name: name.to_owned(),
                uid: node.metadata.uid.clone()?,
                ..OwnerReference::default()
            })
        });
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                owner_references: owner.map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(name.to_owned()),
                lease_duration_seconds: Some(LEASE_DURATION_SECONDS),
                renew_time: Some(MicroTime(Timestamp::now())),
                ..LeaseSpec::default()
            }),
        };
        self.leases.create(&PostParams::default(), &lease).await.map(drop)
    }

    /// Simulated nodes have no images of their own and share the machine with whoever runs it.
    async fn health(&self) -> object::Health {
        let complaint = self.readiness().await.err();
        let Some(real) = &self.options.real else { return object::Health { complaint, ..object::Health::default() } };
        let images = self.runtime.list_images().await.unwrap_or_default();
        object::Health { complaint, pressure: Pressure::read(&real.root), images }
    }

    async fn readiness(&self) -> Result<(), String> {
        let status = self.runtime.status().await.map_err(|error| format!("container runtime is down: {error}"))?;
        match (status.runtime_ready, status.network_ready) {
            (true, true) => Ok(()),
            (false, _) => Err(format!("container runtime not ready: {}", status.message)),
            (true, false) => Err(format!("container runtime network not ready: {}", status.message)),
        }
    }
}
