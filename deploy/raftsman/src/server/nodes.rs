//! The nodes that live in this process: each an ordinary node to the API server, under `system:node:NAME`.

use super::clients;
use crate::config::Config;
use crate::pki::Pki;
use anyhow::{Context, Result};
use api::auth::UserInfo;
use api::server::Handle;
use daemon::Supervisor;
use kube::Client;
use node::{Capacity, Engine, HollowOptions, Options, Real, ServerOptions, Tools};
use std::net::{IpAddr, SocketAddr};

/// Starts the simulated nodes, and this machine's node if it is wanted and the machine can run containers.
pub(super) async fn start(config: &Config, pki: &Pki, api: &Handle, supervisor: &Supervisor) -> Result<()> {
    let client = |name: &str| client(api, name);
    let server = |name: &str, address| match hollow_server(pki, name, address) {
        Ok(server) => Some(server),
        Err(error) => {
            tracing::warn!(node = name, error = format!("{error:#}"), "the logs of a simulated node cannot be shown");
            None
        }
    };
    let hollow = HollowOptions::default();
    node::start_hollow(client, server, config.node.hollow_nodes, &hollow, supervisor).await?;
    if !config.node.is_wanted {
        return Ok(());
    }
    let engine = match engine(config) {
        Ok(engine) => engine,
        Err(missing) => {
            tracing::warn!("no containers run here: {missing} (--no-node silences this)");
            return Ok(());
        }
    };
    let options = options(config, pki).context("cannot read what this machine offers")?;
    let client = client(&options.node_name);
    node::start_real(client, options, engine, supervisor).await.context("cannot start the node agent")
}

/// Simulated nodes are many, so each has a certificate of its own, and servers side by side must not meet: any port.
fn hollow_server(pki: &Pki, name: &str, address: IpAddr) -> Result<ServerOptions> {
    let serving = pki.node_serving(name, address)?;
    Ok(ServerOptions {
        listen: SocketAddr::new(address, 0),
        certificate_pem: serving.certificate.into_bytes(),
        key_pem: serving.key.into_bytes(),
        client_ca_pem: pki.ca_certificate()?.into_bytes(),
    })
}

fn client(api: &Handle, name: &str) -> Client {
    clients::client(api, UserInfo::new(format!("system:node:{name}"), ["system:nodes"]))
}

fn engine(config: &Config) -> Result<Engine, node::Missing> {
    Ok(match &config.node.runtime_socket {
        Some(socket) => Engine::Socket(socket.clone()),
        None => Engine::Own {
            directory: config.data_dir.join("node/containerd"),
            tools: Tools::find()?,
            pod_cidr: config.node.pod_cidr,
        },
    })
}

fn options(config: &Config, pki: &Pki) -> Result<Options> {
    // One process, one certificate: it names the addresses and the node.
    let serving = pki.pair(&format!("{}.apiserver", config.name))?;
    let server = ServerOptions {
        listen: SocketAddr::new(config.bind_address, config.node.port),
        certificate_pem: serving.certificate.into_bytes(),
        key_pem: serving.key.into_bytes(),
        client_ca_pem: pki.ca_certificate()?.into_bytes(),
    };
    Ok(Options {
        node_name: config.node.name.clone(),
        node_ip: config.advertise_address,
        server_port: 0,
        labels: Default::default(),
        capacity: Capacity::read(&config.data_dir)?,
        server: Some(server),
        real: Some(Real {
            root: config.data_dir.join("node"),
            cluster_domain: "cluster.local".to_owned(),
            cluster_dns: Vec::new(),
            secrets_in_memory: true,
        }),
    })
}
