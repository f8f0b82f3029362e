//! Keeps the logs of running containers from filling the disk (upstream: the kubelet's container log manager).
//!
//! A log that has grown too long is moved away under the time, the runtime goes on in a new file, and those moved before
//! are compressed; only the newest are kept. `kubectl logs` shows what is in the file that is written now.

use crate::pods::config::LOGS;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use node_cri::{ContainerState, Runtime};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Between two looks (upstream: `containerLogMonitorInterval`).
const PERIOD: Duration = Duration::from_secs(10);
/// A log longer than this is moved away (upstream: `containerLogMaxSize`).
const LOG_BYTES_MAX: u64 = 10 << 20;
/// Files of one container, the one that is written among them (upstream: `containerLogMaxFiles`).
const FILES_MAX: usize = 5;
const COMPRESSED: &str = "gz";
/// What an agent that was interrupted has not compressed to its end.
const UNFINISHED: &str = "tmp";

/// Looks at the logs below `root` for ever.
pub async fn run(root: PathBuf, runtime: Arc<dyn Runtime>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        let folder = root.join(LOGS);
        let long = tokio::task::spawn_blocking(move || too_long(&folder, LOG_BYTES_MAX)).await;
        for log in long.unwrap_or_default() {
            if let Err(error) = rotate(runtime.as_ref(), &log).await {
                tracing::warn!(log = %log.path.display(), error, "a container's log could not be rotated");
            }
        }
    }
}

/// A log, and the pod that it belongs to.
#[derive(Debug, PartialEq, Eq)]
struct Log {
    pod_uid: String,
    path: PathBuf,
}

/// The logs `NAMESPACE_NAME_UID/CONTAINER/ATTEMPT.log` that are longer than that.
fn too_long(folder: &Path, bytes_max: u64) -> Vec<Log> {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found = Vec::new();
    for pod in entries(folder) {
        let name = pod.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let pod_uid = name.rsplit('_').next().unwrap_or_default();
        for path in entries(&pod).flat_map(|container| entries(&container)) {
            let is_log = path.extension().is_some_and(|extension| extension == "log");
            if is_log && path.metadata().is_ok_and(|meta| meta.len() > bytes_max) {
                found.push(Log { pod_uid: pod_uid.to_owned(), path });
            }
        }
    }
    found
}

/// Nothing is done to the log of a container that has ended: it does not grow.
async fn rotate(runtime: &dyn Runtime, log: &Log) -> Result<(), String> {
    let containers = runtime.list_containers(Some(&log.pod_uid)).await.map_err(|error| error.to_string())?;
    let writes = containers.iter().find(|one| Path::new(&one.log_path) == log.path);
    let Some(container) = writes.filter(|one| one.state == ContainerState::Running) else { return Ok(()) };
    let path = log.path.clone();
    let moved = tokio::task::spawn_blocking(move || move_away(&path, Timestamp::now())).await;
    let moved = moved.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    let Err(error) = runtime.reopen_container_log(&container.id).await else { return Ok(()) };
    // The runtime still writes into the file that was moved.
    tokio::fs::rename(&moved, &log.path).await.map_err(|error| error.to_string())?;
    Err(error.to_string())
}

/// Removes the oldest, compresses those that were moved away before, and moves the log away; returns where to.
fn move_away(log: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let mut old = moved_before(log)?;
    let is = |path: &Path, extension: &str| path.extension().is_some_and(|own| own == extension);
    for path in old.extract_if(.., |path| is(path, UNFINISHED)) {
        fs::remove_file(path)?;
    }
    // With this one and the next there are as many as may be.
    let excess = (old.len() + 2).saturating_sub(FILES_MAX);
    for path in old.drain(..excess) {
        fs::remove_file(path)?;
    }
    for path in old.iter().filter(|path| !is(path, COMPRESSED)) {
        compress(path)?;
    }
    let to = with_suffix(log, &now.strftime("%Y%m%d-%H%M%S").to_string());
    fs::rename(log, &to)?;
    Ok(to)
}

/// Oldest first: their names tell the time.
fn moved_before(log: &Path) -> io::Result<Vec<PathBuf>> {
    let prefix = with_suffix(log, "").to_string_lossy().into_owned();
    let mut found = Vec::new();
    for entry in fs::read_dir(log.parent().unwrap_or(Path::new("/")))? {
        let path = entry?.path();
        if path.to_string_lossy().starts_with(&prefix) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn compress(path: &Path) -> io::Result<()> {
    let unfinished = with_suffix(path, UNFINISHED);
    let mut encoder = GzEncoder::new(File::create(&unfinished)?, Compression::default());
    io::copy(&mut File::open(path)?, &mut encoder)?;
    encoder.finish()?;
    fs::rename(&unfinished, with_suffix(path, COMPRESSED))?;
    fs::remove_file(path)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut text = path.as_os_str().to_owned();
    text.push(".");
    text.push(suffix);
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_log_is_moved_away_those_before_are_compressed_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("0.log");
        fs::write(folder.path().join("0.log.20260101-000000.gz.tmp"), "half").unwrap();
        fs::write(folder.path().join("10.log"), "another").unwrap();
        for turn in 1..=6 {
            fs::write(&log, format!("turn {turn}")).unwrap();
            move_away(&log, Timestamp::from_second(turn).unwrap()).unwrap();
        }
        let at = |second: i64, rest: &str| format!("0.log.19700101-00000{second}{rest}");
        assert_eq!(
            names(folder.path()),
            [at(3, ".gz"), at(4, ".gz"), at(5, ".gz"), at(6, ""), "10.log".to_owned()],
            "with the one that is written there are five"
        );
        let mut text = String::new();
        let compressed = File::open(folder.path().join(at(4, ".gz"))).unwrap();
        GzDecoder::new(compressed).read_to_string(&mut text).unwrap();
        assert_eq!(text, "turn 4");
        assert_eq!(fs::read_to_string(folder.path().join(at(6, ""))).unwrap(), "turn 6");
    }

    #[test]
    fn logs_that_have_grown_too_long_are_found_with_their_pods() {
        let root = tempfile::tempdir().unwrap();
        let container = root.path().join("ns_pod_u-1/c");
        fs::create_dir_all(&container).unwrap();
        for (name, length) in [("0.log", 11), ("1.log", 10), ("0.log.20260101-000000", 99)] {
            fs::write(container.join(name), "x".repeat(length)).unwrap();
        }
        let wanted = Log { pod_uid: "u-1".to_owned(), path: container.join("0.log") };
        assert_eq!(too_long(root.path(), 10), [wanted]);
    }
}
