//! The `raftsman` binary: one subcommand a file.

mod config;
mod files;
mod kubeconfig;
mod pki;

mod completion;
mod server;
mod status;
mod stop_containers;
mod store;
mod version;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A Kubernetes control plane on its own replicated store.
#[derive(Parser)]
#[command(name = "raftsman", version = version::PRODUCT, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything: store, API server, controllers, scheduler and node agent
    Server(Box<server::Arguments>),
    /// Run the store alone, with etcd's flag names
    Store(Box<store::Arguments>),
    /// Make the directory of keys that the servers of one cluster share
    Pki(pki::Arguments),
    /// Say how a server is doing
    Status(status::Arguments),
    /// Stop the containers that a server on this machine has left running
    StopContainers(stop_containers::Arguments),
    /// Print a kubeconfig for the cluster's administrator
    Kubeconfig(kubeconfig::Arguments),
    /// Print the version
    Version(version::Arguments),
    /// Print a shell completion script
    Completion(completion::Arguments),
}

fn main() -> ExitCode {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("error: a TLS provider was installed before main");
        return ExitCode::FAILURE;
    }
    let outcome = match Arguments::parse().command {
        Command::Server(arguments) => server::run(*arguments),
        Command::Store(arguments) => store::run(*arguments),
        Command::Pki(arguments) => pki::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::StopContainers(arguments) => stop_containers::run(&arguments),
        Command::Kubeconfig(arguments) => kubeconfig::run(&arguments),
        Command::Version(arguments) => version::run(&arguments),
        Command::Completion(arguments) => completion::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes in one line; those that the error's own words tell already are not told again.
fn told(error: &anyhow::Error) -> String {
    error
        .chain()
        .skip(1)
        .map(ToString::to_string)
        .fold(error.to_string(), |text, cause| if text.contains(&cause) { text } else { format!("{text}: {cause}") })
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn a_cause_is_told_once() {
        let taken = || std::io::Error::other("address in use");
        let both = anyhow::Error::new(taken()).context("listening on 127.0.0.1:1: address in use");
        assert_eq!(told(&both), "listening on 127.0.0.1:1: address in use");
        assert_eq!(told(&anyhow::Error::new(taken()).context("the server")), "the server: address in use");
    }
}
