//! A snapshot that comes from the leader: its files, piece by piece, and then all at once in place of the state.

use bytes::Bytes;
use parking_lot::Mutex;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use super::codec;
use super::snapshot::{Installed, Message, Snapshot, SnapshotData, TransientDirectory};
use super::state_machine::Raft;
use super::types::SnapshotMeta;
use crate::data_dir::sync_directory;
use crate::state::State;

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
                let directory = TransientDirectory::incoming(state).map_err(|error| error.to_string())?;
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
                    .and_then(|()| sync_directory(incoming.directory.path()))
                    .map_err(|e| e.to_string())?;
                let meta = SnapshotMeta::try_from(meta).map_err(|error| error.to_string())?;
                let snapshot = SnapshotData::received(incoming.directory);
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
            let file = File::create_new(self.directory.path().join(&name))?;
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
