//! Generates the clients of the etcd v3 services over the messages of `store-types`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=../types/proto");
    let files = protox::compile(["../types/proto/rpc.proto"], ["../types/proto"])?;
    tonic_prost_build::configure()
        .build_server(false)
        .bytes(".")
        .extern_path(".etcdserverpb", "::store_types::etcdserverpb")
        .extern_path(".mvccpb", "::store_types::mvccpb")
        .compile_fds(files)?;
    Ok(())
}
