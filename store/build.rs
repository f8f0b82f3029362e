//! Generates the servers of the etcd v3 services over the messages of `store-types`, and the peer service.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=types/proto");
    println!("cargo::rerun-if-changed=proto");
    let etcd = protox::compile(["types/proto/rpc.proto"], ["types/proto"])?;
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(true)
        .bytes(".")
        // Watch responses are put together from events that are encoded once for all watchers.
        .extern_path(".etcdserverpb.WatchResponse", "crate::rpc::encoded::WatchResponse")
        .extern_path(".etcdserverpb", "::store_types::etcdserverpb")
        .extern_path(".mvccpb", "::store_types::mvccpb")
        .compile_fds(etcd)?;
    let peer = protox::compile(["proto/peer.proto"], ["proto"])?;
    tonic_prost_build::configure().bytes(".").compile_fds(peer)?;
    Ok(())
}
