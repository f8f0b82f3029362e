//! Checks and generators of this repository: `cargo xtask verify` only reads, `cargo xtask fix` writes.

mod deps;
mod enums;
mod features;
mod field_numbers;
mod kinds;
mod tidy;
mod workspace;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use std::process::Command;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Checks and generators of this repository")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that must hold before a change lands; reads only
    Verify,
    /// Formats, applies clippy's suggestions, rewrites the edge list
    Fix,
    /// Length and shape of files, banned words, undeclared modules
    Tidy,
    /// Compares the crate graph with the committed edge list
    Deps,
    /// Feature IDs and the tests that prove them
    Features,
    /// Rewrites the table of kind facts from the OpenAPI definitions of Kubernetes
    Kinds {
        /// `_definitions.json` of the Python package kubernetes-validate
        definitions: std::path::PathBuf,
    },
    /// Rewrites the table of allowed values from the Go sources of Kubernetes
    Enums {
        /// `pkg/generated/openapi/zz_generated.openapi.go` of the module k8s.io/kubernetes
        source: std::path::PathBuf,
    },
    /// Rewrites the table of protobuf field numbers from the sources of the crate k8s-pb
    FieldNumbers {
        /// Folder of the unpacked crate
        sources: std::path::PathBuf,
    },
}

fn main() -> Result<()> {
    let root = workspace::root()?;
    std::env::set_current_dir(&root).with_context(|| format!("cannot enter {}", root.display()))?;
    match Arguments::parse().task {
        Task::Verify => verify(),
        Task::Fix => fix(),
        Task::Tidy => tidy::check(&root),
        Task::Deps => deps::check(&root),
        Task::Features => features::print(&root),
        Task::Kinds { definitions } => kinds::generate(&definitions, &root.join("api/machinery/schema/kinds.json")),
        Task::Enums { source } => enums::generate(
            &source,
            &root.join("api/machinery/schema/kinds.json"),
            &root.join("api/machinery/schema/enums.json"),
        ),
        Task::FieldNumbers { sources } => field_numbers::generate(
            &sources,
            &root.join("api/machinery/schema/kinds.json"),
            &root.join("api/machinery/schema/field_numbers.json"),
        ),
    }
}

fn verify() -> Result<()> {
    let root = workspace::root()?;
    cargo(&["fmt", "--all", "--check"])?;
    tidy::check(&root)?;
    deps::check(&root)?;
    features::check(&root)?;
    cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"])
}

fn fix() -> Result<()> {
    let root = workspace::root()?;
    cargo(&["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty", "--allow-staged"])?;
    cargo(&["fmt", "--all"])?;
    deps::write(&root)
}

fn cargo(arguments: &[&str]) -> Result<()> {
    let status = Command::new("cargo").args(arguments).status().context("cannot run cargo")?;
    if !status.success() {
        bail!("`cargo {}` failed", arguments.join(" "));
    }
    Ok(())
}
