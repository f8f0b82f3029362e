//! `raftsman server`: everything in one process, in stages. The store starts first and stops last; the API server stands
//! on it; controllers, scheduler and node agent are its clients, each with its own identity, through an in-process
//! service that passes the same filters as a socket.

mod certificates;
mod clients;
mod control;
mod nodes;
#[cfg(test)]
mod path_of_a_write;
mod stages;
#[cfg(test)]
mod tests;

use crate::config::{Config, Settings};
use crate::pki::Pki;
use crate::{files, kubeconfig};
use anyhow::{Context, Result};
use api::server::Handle;
use certificates::Certificates;
use clap::Args;
use daemon::{logs, signals};
use stages::Stages;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What is logged unless `RAFTSMAN_LOG` says otherwise; the consensus library narrates every step at `info`.
pub(crate) const DEFAULT_LOG_FILTER: &str = "info,openraft=warn";

/// Flags of `raftsman server`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A TOML file with the same names as the flags
    #[arg(long)]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let file = arguments.config.as_deref().map(Settings::read).transpose()?.unwrap_or_default();
    let config = arguments.settings.or(file).resolve()?;
    logs::init(config.log_format, DEFAULT_LOG_FILTER);
    runtime()?.block_on(serve(config))
}

/// The runtime of a server: one worker a core.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")
}

async fn serve(config: Config) -> Result<()> {
    api_storage::metrics::register(daemon::metrics::registry())?;
    let stages = Stages::default();
    let ControlPlane { pki, certificates, member, api } = start_control_plane(&config, &stages).await?;
    certificates.keep(api.clone(), &stages.api);
    control::start(&config, &pki, &api, &stages.clients).await?;
    nodes::start(&config, &pki, &api, &stages.clients).await?;
    tracing::info!(kubeconfig = %kubeconfig::path(&config.data_dir).display(), "ready");

    stages.until_stopped(signals::shut_down_on_signal(&stages.clients)).await?;
    stages.shut_down(&api, &member).await
}

/// What everything else is a client of.
struct ControlPlane {
    pki: Pki,
    certificates: Certificates,
    member: store::Member,
    api: Handle,
}

/// Keys, store and API server, and a kubeconfig for whoever administers them.
async fn start_control_plane(config: &Config, stages: &Stages) -> Result<ControlPlane> {
    files::create_private_folder(&config.data_dir)?;
    let pki = Pki::create(&config.data_dir.join("pki"))?;
    let certificates = Certificates::open(config, &pki)?;
    let member = store::start(store_config(config, &pki), &stages.store).await?;
    let api = api::server::start(api_config(config, &pki, certificates.material(), &member)?, &stages.api).await?;
    write_kubeconfig(config, &pki, &api)?;
    Ok(ControlPlane { pki, certificates, member, api })
}

fn store_config(config: &Config, pki: &Pki) -> store::Config {
    let tls = store::Tls {
        cert_file: pki.certificate_file(&format!("{}.store", config.name)),
        key_file: pki.key_file(&format!("{}.store", config.name)),
        trusted_ca_file: pki.certificate_file("store-ca"),
    };
    store::Config {
        name: config.name.clone(),
        initial_cluster: config.initial_cluster.clone(),
        listen_peer_urls: config.listen_peer_urls.clone(),
        peer_tls: (!config.listen_peer_urls.is_empty()).then_some(tls),
        ..store::Config::single(config.data_dir.join("store"))
    }
}

fn api_config(
    config: &Config,
    pki: &Pki,
    tls: api::http::TlsMaterial,
    member: &store::Member,
) -> Result<api::config::Config> {
    let kubelet = pki.pair("kubelet-client")?;
    let signing_key = pki.service_account_key()?;
    let ca = pki.ca_certificate()?.into_bytes();
    // All servers of a cluster must read each other's tokens, so the key comes from what they share.
    let continue_key = api_storage::ContinueKey::new(signing_key.as_bytes());
    Ok(api::config::Config {
        listen: vec![SocketAddr::new(config.bind_address, config.secure_port)],
        tls,
        client_ca_pem: ca.clone(),
        service_account_issuer: "https://kubernetes.default.svc.cluster.local".to_owned(),
        service_account_audiences: Vec::new(),
        service_account_signing_key_pem: signing_key.into_bytes(),
        service_cidr: config.service_cidr,
        node_port_range: config.node_ports.clone(),
        kubelet_client: api::config::KubeletClient {
            cert_pem: kubelet.certificate.into_bytes(),
            key_pem: kubelet.key.into_bytes(),
            ca_pem: ca,
        },
        hostname: config.hostname.clone(),
        advertise: Some(SocketAddr::new(config.advertise_address, config.secure_port)),
        storage: api_storage::Storage::new(member.client(), continue_key),
        shutdown_delay: std::time::Duration::ZERO,
    })
}

/// For clients on this machine the address served on, else the one advertised.
fn write_kubeconfig(config: &Config, pki: &Pki, api: &Handle) -> Result<()> {
    let port = api.local_addr().map_or(config.secure_port, |address| address.port());
    let host = if config.bind_address.is_unspecified() { config.advertise_address } else { config.bind_address };
    let host = if host.is_unspecified() { std::net::Ipv4Addr::LOCALHOST.into() } else { host };
    let server = format!("https://{}", SocketAddr::new(host, port));
    files::write_private(&kubeconfig::path(&config.data_dir), kubeconfig::render(pki, &server)?.as_bytes())
}
