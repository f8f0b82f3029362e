//! Generates clients of the runtime's services from our own proto text.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(["proto/runtime.proto"], ["proto"])?;
    tonic_prost_build::configure().build_server(false).btree_map(".").compile_fds(files)?;
    Ok(())
}
