//! `raftsman version`: the product's version and the Kubernetes version it is compatible with.

use anyhow::Result;
use clap::{Args, ValueEnum};

/// The product's version.
pub(crate) const PRODUCT: &str = env!("CARGO_PKG_VERSION");
/// The Kubernetes version whose API is served.
pub(crate) const KUBERNETES: &str = "1.37";

/// Flags of `raftsman version`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// How a command prints its answer.
#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match arguments.output {
        Output::Text => println!("raftsman {PRODUCT} (Kubernetes {KUBERNETES})"),
        Output::Json => println!("{}", serde_json::json!({ "version": PRODUCT, "kubernetes": KUBERNETES })),
    }
    Ok(())
}
