//! The nodes that live in this process: each an ordinary node to the API server, under `system:node:NAME`.

use super::clients;
use crate::config::Config;
use anyhow::Result;
use api::auth::UserInfo;
use api::server::Handle;
use daemon::Supervisor;
use node::HollowOptions;

/// Starts the simulated nodes.
pub(super) async fn start(config: &Config, api: &Handle, supervisor: &Supervisor) -> Result<()> {
    let client = |name: &str| clients::client(api, UserInfo::new(format!("system:node:{name}"), ["system:nodes"]));
    node::start_hollow(client, config.node.hollow_nodes, &HollowOptions::default(), supervisor).await?;
    Ok(())
}
