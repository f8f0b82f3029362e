//! Controllers and scheduler: each runs where its lease is held.

use super::clients;
use crate::config::Config;
use crate::pki::Pki;
use anyhow::Result;
use api::auth::keys::SigningKey;
use api::server::Handle;
use controllers::{Context, Informers, Options};
use controllers_runtime::Recorder;
use controllers_runtime::leader::{self, Election};
use daemon::{OnError, Supervisor, TaskKind};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const CANDIDATE: TaskKind = TaskKind { name: "leader election", on_error: OnError::ShutDown };
/// How long the tasks of a lost term may take to end before the next term may begin.
const TERM_END_MAX: Duration = Duration::from_secs(5);
/// Upstream's `--node-monitor-grace-period`.
const NODE_MONITOR_GRACE_PERIOD: Duration = Duration::from_secs(50);

/// Starts both candidates.
pub(super) async fn start(config: &Config, pki: &Pki, api: &Handle, supervisor: &Supervisor) -> Result<()> {
    let key = SigningKey::from_pem(pki.service_account_key()?.as_bytes())?;
    let options = Arc::new(Options {
        root_ca_pem: pki.ca_certificate()?,
        sign_token: Arc::new(move |claims| key.sign(claims).map_err(|error| error.to_string())),
        node_monitor_grace_period: NODE_MONITOR_GRACE_PERIOD,
    });
    let handle = api.clone();
    let manager = clients::component(api, "system:kube-controller-manager");
    compete(&manager, "kube-controller-manager", &config.name, supervisor, move |term| {
        let (handle, options) = (handle.clone(), Arc::clone(&options));
        async move { run_controllers(&handle, options, &term).await }
    });
    let scheduler = clients::component(api, "system:kube-scheduler");
    let client = scheduler.clone();
    compete(&scheduler, "kube-scheduler", &config.name, supervisor, move |term| {
        let client = client.clone();
        async move { scheduler::start(client, scheduler::Options::default(), &term).await }
    });
    Ok(())
}

async fn run_controllers(api: &Handle, options: Arc<Options>, term: &Supervisor) {
    let client = clients::component(api, "system:kube-controller-manager");
    let informers = Arc::new(Informers::start(&client, term));
    informers.synced().await;
    let context = Context {
        client: client.clone(),
        client_for: clients::controllers(api),
        informers,
        recorder: Recorder::start(client, "kube-controller-manager", term),
        supervisor: term.clone(),
        options,
    };
    controllers::start(&context);
}

/// Runs `start` in a supervisor of its own for each term of leadership.
fn compete<F, R>(client: &Client, lease: &'static str, identity: &str, supervisor: &Supervisor, start: F)
where
    F: Fn(Supervisor) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    // A member's name is its own as long as its data directory is locked, so a restarted server takes its lease back at once.
    let election = Election { lease, identity: identity.to_owned() };
    let leases: Api<Lease> = Api::namespaced(client.clone(), "kube-system");
    let (token, start) = (supervisor.token().clone(), Arc::new(start));
    let body = move |term_token: CancellationToken| {
        let start = Arc::clone(&start);
        async move {
            let term = Supervisor::new();
            tokio::select! {
                () = async { start(term.clone()).await; term.token().cancelled().await } => {}
                () = term_token.cancelled() => {}
            }
            if let Some(failure) = term.failure() {
                tracing::error!(lease, failure, "a vital task failed: giving up the lease");
            }
            term.shut_down();
            term_token.cancel();
            let late = term.wait(TERM_END_MAX).await;
            if !late.is_empty() {
                tracing::warn!(lease, ?late, "tasks of the term did not end in time");
            }
        }
    };
    supervisor.spawn(CANDIDATE, async move {
        leader::run(leases, election, token, body).await;
        Ok::<(), Infallible>(())
    });
}
