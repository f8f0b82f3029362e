//! Small OCI images without a builder: a pure function from files to the bytes of an archive, and its import.
//!
//! The sandbox of every pod is a process that does nothing. Its image is made here from the static busybox that a node
//! has anyway, so a node without a network can run pods of imported images.

mod tar;

use crate::runtime::{Error, ErrorKind, Result};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The image of every pod's sandbox.
pub const PAUSE_IMAGE: &str = "raftsman.local/pause:1";
/// What the sandbox's process runs: it waits for its end, and takes in the orphans of pods that share their processes.
const PAUSE_SCRIPT: &str = "trap 'exit 0' TERM INT; while :; do /bin/busybox sleep 86400 & wait $!; done";
/// The containerd namespace that the runtime interface looks into.
const NAMESPACE: &str = "k8s.io";

/// What an image holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSource {
    /// Its full name, such as `docker.io/library/web:1`: short names are only expanded when an image is asked for.
    pub name: String,
    /// Paths without a leading slash, contents, and permissions; folders are made as needed.
    pub files: Vec<(String, Vec<u8>, u32)>,
    /// Symbolic links: path and what it leads to.
    pub links: Vec<(String, String)>,
    /// What is run.
    pub entrypoint: Vec<String>,
    /// Its arguments unless others are given.
    pub cmd: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Labels.
    pub labels: crate::types::Map,
}

/// A path does not fit into an archive.
#[derive(Debug, thiserror::Error)]
#[error("the path {0:?} is longer than an archive's header holds")]
pub struct PathTooLong(pub String);

impl ImageSource {
    /// The image that sandboxes run, from the bytes of a static busybox.
    pub fn pause(busybox: Vec<u8>) -> Self {
        Self {
            name: PAUSE_IMAGE.to_owned(),
            files: vec![("bin/busybox".to_owned(), busybox, 0o755)],
            entrypoint: ["/bin/busybox", "sh", "-c", PAUSE_SCRIPT].map(str::to_owned).into(),
            ..Self::default()
        }
    }

    /// The archive of an OCI image layout. The same image gives the same bytes.
    ///
    /// # Errors
    /// A path is too long.
    pub fn archive(&self) -> std::result::Result<Vec<u8>, PathTooLong> {
        let mut layer = tar::Writer::default();
        for (path, content, mode) in &self.files {
            layer.file(path, content, *mode)?;
        }
        for (path, target) in &self.links {
            layer.link(path, target)?;
        }
        let layer = layer.finish();
        let layer_digest = digest(&layer);
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": {
                "Entrypoint": self.entrypoint, "Cmd": self.cmd, "Env": self.env, "Labels": self.labels,
            },
            "rootfs": { "type": "layers", "diff_ids": [layer_digest] },
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
        });
        let manifest = manifest.to_string().into_bytes();
        let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
        entry["annotations"] = json!({ "io.containerd.image.name": self.name });
        let index = json!({ "schemaVersion": 2, "manifests": [entry] });

        let mut archive = tar::Writer::default();
        archive.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644)?;
        archive.file("index.json", index.to_string().as_bytes(), 0o644)?;
        for blob in [&manifest, &config, &layer] {
            archive.file(&format!("blobs/sha256/{}", &digest(blob)["sha256:".len()..]), blob, 0o644)?;
        }
        Ok(archive.finish())
    }
}

/// Brings images into a containerd, through its own command-line client.
#[derive(Clone, Debug)]
pub struct Importer {
    /// The client, `ctr`.
    pub ctr: PathBuf,
    /// The runtime's socket.
    pub socket: PathBuf,
    /// The snapshotter that unpacks the layers.
    pub snapshotter: &'static str,
}

impl Importer {
    /// Imports the bytes of an archive. The runtime interface sees the image a moment later.
    ///
    /// # Errors
    /// The client cannot be run, or refuses; the error holds its words.
    pub async fn import(&self, archive: &[u8]) -> Result<()> {
        let other = |error: std::io::Error| Error::new(ErrorKind::Other, format!("{}: {error}", self.ctr.display()));
        let mut child = Command::new(&self.ctr)
            .arg("-a")
            .arg(&self.socket)
            .args(["-n", NAMESPACE, "images", "import", "--snapshotter", self.snapshotter, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(other)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A client that stops reading tells why when it ends.
            let _ = stdin.write_all(archive).await;
        }
        let output = child.wait_with_output().await.map_err(other)?;
        if output.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        Err(Error::new(ErrorKind::Other, format!("the image cannot be imported: {}", words.trim())))
    }

    /// Makes and imports the sandboxes' image.
    ///
    /// # Errors
    /// The busybox cannot be read, or the import fails.
    pub async fn import_pause(&self, busybox: &Path) -> Result<()> {
        let other = |error: String| Error::new(ErrorKind::Other, format!("{}: {error}", busybox.display()));
        let bytes = tokio::fs::read(busybox).await.map_err(|error| other(error.to_string()))?;
        let archive = ImageSource::pause(bytes).archive().map_err(|error| other(error.to_string()))?;
        self.import(&archive).await
    }
}

fn descriptor(media_type: &str, blob: &[u8]) -> serde_json::Value {
    json!({ "mediaType": media_type, "digest": digest(blob), "size": blob.len() })
}

fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn source() -> ImageSource {
        ImageSource {
            name: "docker.io/library/web:1".to_owned(),
            files: vec![("www/index.html".to_owned(), b"hello".to_vec(), 0o644)],
            links: vec![("bin/sh".to_owned(), "busybox".to_owned())],
            entrypoint: vec!["/bin/busybox".to_owned()],
            ..ImageSource::default()
        }
    }

    #[test]
    fn every_blob_lies_under_its_digest_and_the_index_names_the_image() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("image.tar"), source().archive().unwrap()).unwrap();
        let tar = Command::new("tar").args(["-xf", "image.tar"]).current_dir(folder.path()).status().unwrap();
        assert!(tar.success());
        let index: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.path().join("index.json")).unwrap()).unwrap();
        let entry = &index["manifests"][0];
        assert_eq!(entry["annotations"]["io.containerd.image.name"], "docker.io/library/web:1");
        let blob = |descriptor: &serde_json::Value| {
            let digest = descriptor["digest"].as_str().unwrap();
            let path = folder.path().join("blobs").join(digest.replace(':', "/"));
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(super::digest(&bytes), digest);
            (path, bytes)
        };
        let manifest: serde_json::Value = serde_json::from_slice(&blob(entry).1).unwrap();
        let config: serde_json::Value = serde_json::from_slice(&blob(&manifest["config"]).1).unwrap();
        assert_eq!(config["config"]["Entrypoint"][0], "/bin/busybox");
        let (layer, _) = blob(&manifest["layers"][0]);
        assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);
        let list = Command::new("tar").arg("-tvf").arg(layer).output().unwrap();
        let list = String::from_utf8(list.stdout).unwrap();
        assert!(list.contains("www/index.html") && list.contains("bin/sh -> busybox"), "{list}");
    }

    #[test]
    fn the_same_image_has_the_same_bytes() {
        assert_eq!(source().archive().unwrap(), source().archive().unwrap());
    }

    #[test]
    fn a_path_that_does_not_fit_is_refused() {
        let mut source = source();
        source.files.push(("x".repeat(101), Vec::new(), 0o644));
        assert!(source.archive().is_err());
    }
}
