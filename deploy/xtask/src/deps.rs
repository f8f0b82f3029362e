//! The crate graph against a committed list, so that a new edge is a reviewed change.
//!
//! `deploy/xtask/edges.txt` holds one line a crate: its name, a colon, and the crates of ours that it imports (tests'
//! imports in brackets). What a crate must never see is stated in [`FORBIDDEN`] and holds for ordinary dependencies.

use crate::workspace::{self, Package};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::Path;

const EDGES: &str = "deploy/xtask/edges.txt";

/// Crate, and the libraries that it must never import (a trailing `*` stands for any ending).
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("store-types", &["tokio", "axum", "rocksdb", "openraft", "kube"]),
    ("api-machinery", &["tokio", "axum", "rocksdb", "openraft", "kube"]),
    ("node-cri", &["axum", "rocksdb", "openraft", "kube"]),
    ("store-wal", &["tokio", "openraft", "rocksdb"]),
    ("store-mvcc", &["tokio", "openraft", "rocksdb", "rand"]),
    ("store-client", &["openraft", "rocksdb", "store-wal", "store"]),
    ("store", &["api*", "controllers*", "node*", "kube"]),
    ("api-storage", &["axum", "store"]),
    ("api", &["store", "openraft", "rocksdb", "controllers*", "node*"]),
    ("controllers", &["store*", "api*"]),
    ("controllers-runtime", &["store*", "api*"]),
    ("scheduler", &["store*", "api*"]),
    ("node", &["store*", "api*", "controllers*"]),
];

/// Nobody imports these.
const LEAVES: &[&str] = &["raftsman", "e2e", "store-sim", "load", "xtask"];

/// Fails when the graph and the list differ, or a forbidden edge exists.
pub(crate) fn check(root: &Path) -> Result<()> {
    let packages = workspace::metadata()?.packages;
    for (name, banned) in FORBIDDEN {
        let package = packages.iter().find(|package| package.name == *name);
        let package =
            package.with_context(|| format!("the table of forbidden edges names {name}, which is no crate"))?;
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind.is_none()) {
            if banned.iter().any(|pattern| matches(pattern, &dependency.name) && dependency.name != *name) {
                bail!("{name} must never see {}", dependency.name);
            }
        }
    }
    for package in &packages {
        if let Some(leaf) = package.dependencies.iter().find(|dependency| LEAVES.contains(&dependency.name.as_str())) {
            bail!("{} imports {}, which nobody may import", package.name, leaf.name);
        }
    }
    let committed = std::fs::read_to_string(root.join(EDGES)).with_context(|| format!("cannot read {EDGES}"))?;
    let actual = render(&packages);
    if committed != actual {
        let (old, new): (BTreeSet<_>, BTreeSet<_>) = (committed.lines().collect(), actual.lines().collect());
        for line in old.difference(&new) {
            eprintln!("- {line}");
        }
        for line in new.difference(&old) {
            eprintln!("+ {line}");
        }
        bail!("the crate graph differs from {EDGES}; if the new edge is meant, `cargo xtask fix` writes it");
    }
    Ok(())
}

/// Writes the list from the graph.
pub(crate) fn write(root: &Path) -> Result<()> {
    let text = render(&workspace::metadata()?.packages);
    std::fs::write(root.join(EDGES), text).with_context(|| format!("cannot write {EDGES}"))
}

fn render(packages: &[Package]) -> String {
    let ours: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut lines: Vec<String> = packages.iter().map(|package| line(package, &ours)).collect();
    lines.sort();
    lines.concat()
}

fn line(package: &Package, ours: &BTreeSet<&str>) -> String {
    let mut names = BTreeSet::new();
    for dependency in package.dependencies.iter().filter(|dependency| ours.contains(dependency.name.as_str())) {
        match dependency.kind.as_deref() {
            None => names.insert(dependency.name.clone()),
            Some(_) => names.insert(format!("[{}]", dependency.name)),
        };
    }
    let names: Vec<String> = names.into_iter().collect();
    format!("{}: {}\n", package.name, names.join(" ")).replace(": \n", ":\n")
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name == prefix || name.starts_with(&format!("{prefix}-")),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_covers_the_family_and_nothing_else() {
        assert!(matches("api*", "api") && matches("api*", "api-storage"));
        assert!(!matches("api*", "apiary") && !matches("store", "store-client"));
    }
}
