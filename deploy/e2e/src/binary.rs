//! Where the programs under test are.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// The versions of kubectl that the transcripts run with, as they are named in transcripts: the oldest that is supported
/// and the newest.
pub const KUBECTL_VERSIONS: [&str; 2] = ["1.27", "newest"];

/// The `raftsman` binary: `RAFTSMAN_BINARY`, else what cargo built last into its target directory.
///
/// # Errors
/// There is none; says how to build it.
pub fn raftsman() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("RAFTSMAN_BINARY") {
        let path = PathBuf::from(path);
        return path.is_file().then_some(path.clone()).with_context(|| format!("RAFTSMAN_BINARY: no file {path:?}"));
    }
    let test = std::env::current_exe().context("cannot tell where this test is")?;
    // A test lies in TARGET/PROFILE/deps.
    let target = test.ancestors().nth(3).context("this test is not in a target directory")?;
    let built = ["release", "debug"].map(|profile| target.join(profile).join("raftsman"));
    match built.into_iter().find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => bail!("no raftsman below {target:?}: run `cargo build -p raftsman`, or set RAFTSMAN_BINARY"),
    }
}

/// The kubectl of one of [`KUBECTL_VERSIONS`].
///
/// # Errors
/// There is none; says how to get it.
pub fn kubectl(version: &str) -> Result<PathBuf> {
    let (variable, number) = match version {
        "1.27" => ("RAFTSMAN_KUBECTL_1_27", "1.27"),
        _ => ("RAFTSMAN_KUBECTL_NEWEST", "1.37"),
    };
    if let Some(path) = std::env::var_os(variable) {
        return Ok(PathBuf::from(path));
    }
    let named = format!("kubectl.{number}");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(&named))
        .chain([Path::new(&home).join(".cache/raftsman/kubectl").join(number).join("kubectl")])
        .find(|path| path.is_file())
        .with_context(|| format!("no kubectl {number}: `deploy/test` gets one, or set {variable}"))
}
