//! The watches that the controllers share.

use crate::tokens;
use controllers_runtime::{Informer, trim};
use daemon::Supervisor;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Endpoints, Namespace, Node, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::runtime::watcher;
use kube::{Api, Client};
use std::sync::Arc;

/// The namespace of the nodes' leases.
const NODE_LEASES: &str = "kube-node-lease";
/// The ConfigMap that carries the cluster CA in each namespace.
pub(crate) const ROOT_CA_CONFIG_MAP: &str = "kube-root-ca.crt";

/// One informer a kind.
#[allow(missing_docs, reason = "each field is named after its kind")]
pub struct Informers {
    pub deployments: Arc<Informer<Deployment>>,
    pub replica_sets: Arc<Informer<ReplicaSet>>,
    pub pods: Arc<Informer<Pod>>,
    pub services: Arc<Informer<Service>>,
    pub endpoints: Arc<Informer<Endpoints>>,
    pub endpoint_slices: Arc<Informer<EndpointSlice>>,
    pub namespaces: Arc<Informer<Namespace>>,
    pub nodes: Arc<Informer<Node>>,
    pub service_accounts: Arc<Informer<ServiceAccount>>,
    pub cluster_roles: Arc<Informer<ClusterRole>>,
    /// Only those that hold tokens of service accounts.
    pub token_secrets: Arc<Informer<Secret>>,
    /// Only those called [`ROOT_CA_CONFIG_MAP`].
    pub root_ca_config_maps: Arc<Informer<ConfigMap>>,
    /// Only those of nodes.
    pub node_leases: Arc<Informer<Lease>>,
}

impl Informers {
    /// Starts all watches.
    pub fn start(client: &Client, supervisor: &Supervisor) -> Self {
        let all = || watcher::Config::default().streaming_lists();
        let named = all().fields(&format!("metadata.name={ROOT_CA_CONFIG_MAP}"));
        let tokens = all().fields(&format!("type={}", tokens::plan::TYPE));
        macro_rules! informer {
            () => {
                Informer::start(Api::all(client.clone()), all(), supervisor)
            };
        }
        Self {
            deployments: informer!(),
            replica_sets: informer!(),
            pods: Informer::start_trimmed(Api::all(client.clone()), all(), trim::pod, supervisor),
            services: informer!(),
            endpoints: informer!(),
            endpoint_slices: informer!(),
            namespaces: informer!(),
            nodes: informer!(),
            service_accounts: informer!(),
            cluster_roles: informer!(),
            token_secrets: Informer::start(Api::all(client.clone()), tokens, supervisor),
            root_ca_config_maps: Informer::start(Api::all(client.clone()), named, supervisor),
            node_leases: Informer::start(Api::namespaced(client.clone(), NODE_LEASES), all(), supervisor),
        }
    }

    /// Returns when every first list has arrived.
    pub async fn synced(&self) {
        tokio::join!(
            self.deployments.synced(),
            self.replica_sets.synced(),
            self.pods.synced(),
            self.services.synced(),
            self.endpoints.synced(),
            self.endpoint_slices.synced(),
            self.namespaces.synced(),
            self.nodes.synced(),
            self.service_accounts.synced(),
            self.cluster_roles.synced(),
            self.token_secrets.synced(),
            self.root_ca_config_maps.synced(),
            self.node_leases.synced(),
        );
    }
}
