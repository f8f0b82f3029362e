//! Simulated nodes: the same agent over a runtime that runs nothing.

use crate::agent::{self, StartError};
use crate::options::{HollowOptions, Options, ServerOptions};
use daemon::{OnError, Supervisor, TaskKind};
use kube::Client;
use node_cri::fake::{self, FakeRuntime};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

const CLOCK: TaskKind = TaskKind { name: "hollow clock", on_error: OnError::Log };
/// How late a simulated container may end.
const TICK: Duration = Duration::from_secs(1);
/// Heartbeats of many nodes are spread over this time.
const SPREAD: Duration = Duration::from_secs(10);
/// Simulated nodes have loopback addresses of their own: nothing that dials one leaves the machine.
const FIRST_NODE_IP: Ipv4Addr = Ipv4Addr::new(127, 64, 0, 1);
/// Addresses that one node hands out to its pods.
const IPS_PER_NODE: u32 = 254;

/// Starts `count` simulated nodes. Each has the client and the server that are given for its name and address.
///
/// # Errors
/// A server cannot be started; the fake runtime always answers.
pub async fn start_hollow(
    client_for: impl Fn(&str) -> Client,
    server_for: impl Fn(&str, IpAddr) -> Option<ServerOptions>,
    count: usize,
    hollow: &HollowOptions,
    supervisor: &Supervisor,
) -> Result<(), StartError> {
    let mut runtimes = Vec::with_capacity(count);
    for number in 0..count {
        let index = u32::try_from(number).unwrap_or(u32::MAX);
        let name = format!("{}{number}", hollow.name_prefix);
        let runtime = FakeRuntime::new(fake::Options {
            start_latency: hollow.start_latency,
            failures_per_mille: hollow.failures_per_mille,
            first_ip: Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 128, 0, 1)).wrapping_add(index.wrapping_mul(256))),
            ips: IPS_PER_NODE,
            seed: u64::from(index),
        });
        let node_ip = IpAddr::V4(Ipv4Addr::from(u32::from(FIRST_NODE_IP).wrapping_add(index)));
        let options = Options {
            server: server_for(&name, node_ip),
            node_ip,
            node_name: name,
            server_port: 0,
            labels: [("type".to_owned(), "hollow".to_owned())].into(),
            capacity: hollow.capacity.clone(),
            real: None,
        };
        let delay = SPREAD.mul_f64(f64::from(index) / f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        let client = client_for(&options.node_name);
        agent::start(client, options, Arc::new(runtime.clone()), delay, supervisor).await?;
        runtimes.push(runtime);
    }
    let token = supervisor.token().clone();
    supervisor.spawn(CLOCK, async move {
        loop {
            tokio::select! {
                () = token.cancelled() => return Ok::<(), Infallible>(()),
                () = tokio::time::sleep(TICK) => runtimes.iter().for_each(FakeRuntime::tick),
            }
        }
    });
    Ok(())
}
