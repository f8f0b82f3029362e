//! A snapshot on its way to a member that is behind the purged log: a checkpoint of the database, file by file in
//! checksummed pieces. Each piece is a call of its own, so a slow receiver holds up nothing but itself.

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::codec::{self, SnapshotMetaRecord, VoteRecord};
use super::network::Snapshot;
use super::types::{Raft, SnapshotMeta};
use crate::identity::sync_directory;
use crate::peer::{CallError, Method, Target, Transport};
use crate::state::State;

/// Bytes of a file in one piece.
const PIECE_BYTES: usize = 1 << 20;
/// How long the receiver may take for one piece.
const PIECE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the receiver may take to rebuild its index at the end.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(300);

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
enum Message {
    /// A new one; an unfinished one is dropped.
    Begin { id: u64 },
    /// The next piece of a file; offset 0 begins it.
    Piece { id: u64, file: String, offset: u64, crc32: u32, data: Bytes },
    /// All files are there.
    End { id: u64, vote: VoteRecord, meta: SnapshotMetaRecord },
}

/// Answer to [`Message::End`].
#[derive(Serialize, Deserialize)]
struct Installed {
    vote: VoteRecord,
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

    /// The files, to be installed.
    pub(crate) fn into_directory(self) -> io::Result<Arc<TransientDirectory>> {
        self.directory.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the snapshot has no files"))
    }
}

impl TransientDirectory {
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

/// Receives snapshots, one at a time.
#[derive(Default)]
pub(crate) struct Receiver {
    incoming: Mutex<Option<Incoming>>,
}

struct Incoming {
    id: u64,
    directory: Arc<TransientDirectory>,
    /// The file being written, and how long it is.
    file: Option<(String, File, u64)>,
}

impl Receiver {
    /// Takes one call of a sender.
    pub(crate) async fn receive(&self, state: &Arc<State>, raft: &Raft, request: &[u8]) -> Result<Bytes, String> {
        let message: Message = codec::decode(request).map_err(|error| error.to_string())?;
        match message {
            Message::Begin { id } => {
                let directory = TransientDirectory { path: state.backend().transient("incoming") };
                fs::create_dir(&directory.path).map_err(|error| error.to_string())?;
                *self.incoming.lock() = Some(Incoming { id, directory: Arc::new(directory), file: None });
                Ok(Bytes::new())
            }
            Message::Piece { id, file, offset, crc32, data } => {
                let mut incoming = self.incoming.lock();
                let incoming =
                    incoming.as_mut().filter(|incoming| incoming.id == id).ok_or("another snapshot is under way")?;
                incoming.write(file, offset, crc32, &data).map_err(|error| error.to_string())?;
                Ok(Bytes::new())
            }
            Message::End { id, vote, meta } => {
                let mut incoming = {
                    let mut slot = self.incoming.lock();
                    slot.take_if(|incoming| incoming.id == id).ok_or("another snapshot is under way")?
                };
                incoming
                    .finish_file()
                    .and_then(|()| sync_directory(&incoming.directory.path))
                    .map_err(|e| e.to_string())?;
                let meta = SnapshotMeta::try_from(meta).map_err(|error| error.to_string())?;
                let snapshot = SnapshotData { directory: Some(incoming.directory) };
                let response = raft
                    .install_full_snapshot(vote.into(), Snapshot { meta, snapshot })
                    .await
                    .map_err(|error| error.to_string())?;
                Ok(codec::encode(&Installed { vote: (&response.vote).into() }))
            }
        }
    }
}

impl Incoming {
    fn write(&mut self, name: String, offset: u64, crc32: u32, data: &[u8]) -> io::Result<()> {
        let refuse = |reason: String| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        if crc32fast::hash(data) != crc32 {
            return refuse(format!("piece of {name} at {offset} is damaged"));
        }
        if name.contains(['/', '\0']) || name.starts_with('.') {
            return refuse(format!("{name:?} is no file name"));
        }
        if offset == 0 {
            self.finish_file()?;
            let file = File::create_new(self.directory.path.join(&name))?;
            self.file = Some((name.clone(), file, 0));
        }
        match &mut self.file {
            Some((current, file, length)) if *current == name && *length == offset => {
                file.write_all(data)?;
                *length += data.len() as u64;
                Ok(())
            }
            _ => refuse(format!("piece of {name} at {offset} comes out of order")),
        }
    }

    fn finish_file(&mut self) -> io::Result<()> {
        match self.file.take() {
            Some((_, file, _)) => file.sync_all(),
            None => Ok(()),
        }
    }
}
