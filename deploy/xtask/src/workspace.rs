//! Where the repository is, and what cargo knows of it.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The part of `cargo metadata` that the checks read.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
}

/// One member of the workspace.
#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One dependency as the manifest declares it.
#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None` for an ordinary one, else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

/// The folder of the workspace's manifest.
pub(crate) fn root() -> Result<PathBuf> {
    // Asked at run time: checkouts that share a target folder share the binary, and each means its own files.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").context("start it with `cargo xtask`")?;
    let here = Path::new(&manifest);
    Ok(here.ancestors().nth(2).context("xtask does not lie two folders below the root")?.to_path_buf())
}

/// The workspace's own packages.
pub(crate) fn metadata() -> Result<Metadata> {
    let output = Command::new("cargo").args(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata printed something else than JSON")
}

/// Files that git tracks or would track, relative to the root.
pub(crate) fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("cannot run git")?;
    let listing = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    Ok(listing.lines().map(PathBuf::from).filter(|path| root.join(path).is_file()).collect())
}

/// Those of them that are Rust.
pub(crate) fn sources(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = files(root)?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    Ok(files)
}
