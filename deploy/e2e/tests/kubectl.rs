//! Ordinary commands with the oldest and the newest kubectl, their output compared as text with what upstream prints.

use anyhow::{Context, Result, ensure};
use e2e::Server;
use e2e::binary;
use e2e::transcript::{self, Shell};
use std::path::{Path, PathBuf};

/// Fewer would not be the script that was promised.
const COMMANDS_MIN: usize = 60;

/// The names do not say it: these numbers keep the order, in which a later transcript may see what an earlier one did.
fn transcripts() -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubectl");
    let entries = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files = entries.collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    Ok(files)
}

async fn run_all(version: &str) -> Result<()> {
    let kubectl = binary::kubectl(version)?;
    let server = Server::start(2).await?;
    let folder = tempfile::tempdir()?;
    let programs = folder.path().join("bin");
    std::fs::create_dir(&programs)?;
    std::os::unix::fs::symlink(&kubectl, programs.join("kubectl"))?;
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubectl/manifests");
    let mut path = vec![programs];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").context("no PATH")?));
    let config = folder.path().join("kubeconfig");
    let shell = Shell {
        version: version.to_owned(),
        variables: vec![
            ("PATH".to_owned(), std::env::join_paths(path)?.into()),
            ("KUBECONFIG".to_owned(), config.clone()),
            // Discovery caches and preferences of this machine's user stay out.
            ("HOME".to_owned(), folder.path().to_owned()),
        ],
        folder: manifests,
    };
    let (mut commands, mut failures) = (0, Vec::new());
    for file in transcripts()? {
        std::fs::copy(server.kubeconfig(), &config)?;
        let (file, shell) = (file.clone(), shell.clone());
        match tokio::task::spawn_blocking(move || transcript::run(&file, &shell)).await? {
            Ok(count) => commands += count,
            Err(error) => failures.push(error.to_string()),
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    ensure!(commands >= COMMANDS_MIN, "{commands} commands only");
    println!("{commands} commands with kubectl {version}");
    Ok(())
}

#[tokio::test]
async fn the_oldest_kubectl_prints_what_it_prints_with_upstream() -> Result<()> {
    run_all("1.27").await
}

#[tokio::test]
async fn the_newest_kubectl_prints_what_it_prints_with_upstream() -> Result<()> {
    run_all("newest").await
}
