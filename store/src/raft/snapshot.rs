//! A snapshot on its way to a member that is behind the purged log: a checkpoint of the database, file by file in
//! checksummed pieces. Each piece is a call of its own, so a slow receiver holds up nothing but itself.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::codec;
use super::records::{SnapshotMetaRecord, VoteRecord};
use super::types::{SnapshotMeta, TypeConfig};
use crate::peer::{CallError, Method, Target, Transport};
use crate::state::State;

/// Bytes of a file in one piece.
const PIECE_BYTES: usize = 1 << 20;
/// How long the receiver may take for one piece.
const PIECE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the receiver may take to rebuild its index at the end.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(300);

/// openraft's snapshot of this state.
pub(crate) type Snapshot = openraft::alias::SnapshotOf<TypeConfig, SnapshotData>;

/// A snapshot in this process: a directory that goes away with it, or nothing at all (see `state_machine::Flush`).
#[derive(Debug, Clone)]
pub(crate) struct SnapshotData {
    directory: Option<Arc<TransientDirectory>>,
}

/// Files that belong to nobody else.
#[derive(Debug)]
pub(crate) struct TransientDirectory {
    path: PathBuf,
}

/// A call about a snapshot.
#[derive(Serialize, Deserialize)]
pub(super) enum Message {
    /// A new one; an unfinished one is dropped.
    Begin { id: u64 },
    /// The next piece of a file; offset 0 begins it.
    Piece { id: u64, file: String, offset: u64, crc32: u32, data: Bytes },
    /// All files are there.
    End { id: u64, vote: VoteRecord, meta: SnapshotMetaRecord },
}

/// Answer to [`Message::End`].
#[derive(Serialize, Deserialize)]
pub(super) struct Installed {
    pub(super) vote: VoteRecord,
}

impl SnapshotData {
    /// A snapshot that is known to exist but is not going to be sent.
    pub(crate) fn nothing() -> Self {
        Self { directory: None }
    }

    /// Copies the state as it is now.
    pub(crate) fn copy(state: &State) -> io::Result<(SnapshotMeta, Self)> {
        let directory = TransientDirectory { path: state.backend().transient("outgoing") };
        // Called from the state machine's task: nothing is applied meanwhile.
        let position = state.position();
        state.generation().checkpoint(&directory.path)?;
        let meta = SnapshotMeta { last_log_id: position.last, last_membership: position.membership };
        Ok((meta, Self { directory: Some(Arc::new(directory)) }))
    }

    /// Files that have all arrived.
    pub(super) fn received(directory: Arc<TransientDirectory>) -> Self {
        Self { directory: Some(directory) }
    }

    /// The files, to be installed.
    pub(crate) fn into_directory(self) -> io::Result<Arc<TransientDirectory>> {
        self.directory.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the snapshot has no files"))
    }
}

impl TransientDirectory {
    /// An empty one for a snapshot that comes.
    pub(super) fn incoming(state: &State) -> io::Result<Self> {
        let directory = Self { path: state.backend().transient("incoming") };
        fs::create_dir(&directory.path)?;
        Ok(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TransientDirectory {
    fn drop(&mut self) {
        match fs::remove_dir_all(&self.path) {
            Ok(()) => {}
            // Installed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "a snapshot's files could not be removed")
            }
        }
    }
}

/// Sends a snapshot and waits until it is installed; returns the receiver's vote.
pub(crate) async fn send(
    transport: &dyn Transport,
    target: &Target,
    vote: VoteRecord,
    snapshot: Snapshot,
) -> Result<VoteRecord, CallError> {
    let broken = |error: io::Error| CallError::Refused(format!("reading the snapshot: {error}"));
    let directory = snapshot.snapshot.into_directory().map_err(broken)?;
    let id = rand::random();
    let call = |message: Message, limit| async move {
        transport.call(target, Method::Snapshot, codec::encode(&message), limit).await
    };
    call(Message::Begin { id }, PIECE_TIMEOUT).await?;
    let mut names = Vec::new();
    for entry in fs::read_dir(directory.path()).map_err(broken)? {
        names.push(entry.map_err(broken)?.file_name().to_string_lossy().into_owned());
    }
    for file in names {
        let mut source = File::open(directory.path().join(&file)).map_err(broken)?;
        let mut offset = 0;
        loop {
            let mut data = Vec::with_capacity(PIECE_BYTES);
            let bytes = Read::by_ref(&mut source).take(PIECE_BYTES as u64).read_to_end(&mut data).map_err(broken)?;
            // An empty file has one empty piece.
            if bytes == 0 && offset > 0 {
                break;
            }
            let crc32 = crc32fast::hash(&data);
            call(Message::Piece { id, file: file.clone(), offset, crc32, data: data.into() }, PIECE_TIMEOUT).await?;
            offset += bytes as u64;
            if bytes < PIECE_BYTES {
                break;
            }
        }
    }
    let meta = (&snapshot.meta).into();
    let answer = call(Message::End { id, vote, meta }, INSTALL_TIMEOUT).await?;
    let installed: Installed = codec::decode(&answer).map_err(|error| CallError::Refused(error.to_string()))?;
    Ok(installed.vote)
}
