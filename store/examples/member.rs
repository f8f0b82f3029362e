//! Runs one member of the store on its own, for benchmarks: `member DATA_DIR CLIENT_URL [NAME PEER_URL NAME=URL,...]`.

use store::{Config, start};

/// As in the `raftsman` binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    daemon::logs::init(daemon::logs::Format::Text, "warn");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data_dir, client_url, cluster @ ..] = arguments.as_slice() else {
        return Err("usage: member DATA_DIR CLIENT_URL [NAME PEER_URL NAME=URL,...]".into());
    };
    let mut config = Config::single(data_dir);
    config.listen_client_urls = vec![client_url.clone()];
    if let [name, peer_url, members] = cluster {
        config.name.clone_from(name);
        config.listen_peer_urls = vec![peer_url.clone()];
        let pairs = members.split(',').filter_map(|pair| pair.split_once('='));
        config.initial_cluster = pairs.map(|(name, url)| (name.to_owned(), url.to_owned())).collect();
    }
    let supervisor = daemon::Supervisor::new();
    let started = std::time::Instant::now();
    let member = start(config, &supervisor).await?;
    println!("ready after {:?}", started.elapsed());
    daemon::signals::shut_down_on_signal(&supervisor).await?;
    member.shut_down().await;
    Ok(())
}
