//! The store's own encoding of entries, votes and messages between members: a version byte, then bincode 1.3.3
//! (fixed-width little-endian integers, 64-bit lengths). openraft's own serde forms are not a stable format and are
//! used nowhere.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use store_types::Command;

/// Version of every record and message.
pub(super) const VERSION: u8 = 1;

/// First bytes of a log payload after the version.
pub(super) const KIND_BLANK: u8 = 0;
pub(super) const KIND_COMMANDS: u8 = 1;
pub(super) const KIND_MEMBERSHIP: u8 = 2;

/// Bytes that this version cannot read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Written by another version.
    #[error("format version {0}, this program reads {VERSION}")]
    Version(u8),
    /// Neither of the kinds of a log payload.
    #[error("unknown kind {0} of log payload")]
    Kind(u8),
    /// Nothing there.
    #[error("empty record")]
    Empty,
    /// Not what bincode expects.
    #[error("malformed record: {0}")]
    Malformed(#[from] bincode::Error),
    /// A membership that contradicts itself.
    #[error("malformed membership: {0}")]
    Membership(String),
}

impl From<DecodeError> for std::io::Error {
    fn from(error: DecodeError) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

/// Commands as they stand in the log, version and kind included.
pub(crate) fn encode_commands(commands: &[Command]) -> Bytes {
    let estimate = bincode::serialized_size(commands).unwrap_or(0);
    let mut out = Vec::with_capacity(2 + estimate as usize);
    out.extend([VERSION, KIND_COMMANDS]);
    bincode::serialize_into(&mut out, commands).expect("writing to memory cannot fail");
    out.into()
}

pub(crate) fn decode_commands(encoded: &Bytes) -> Result<Vec<Command>, DecodeError> {
    match encoded.as_ref() {
        [] | [_] => Err(DecodeError::Empty),
        [VERSION, KIND_COMMANDS, body @ ..] => Ok(bincode::deserialize(body)?),
        [VERSION, kind, ..] => Err(DecodeError::Kind(*kind)),
        [version, ..] => Err(DecodeError::Version(*version)),
    }
}

/// Any record or message, behind the version byte.
pub(crate) fn encode<T: Serialize>(value: &T) -> Bytes {
    let mut out = Vec::with_capacity(64);
    out.push(VERSION);
    bincode::serialize_into(&mut out, value).expect("writing to memory cannot fail");
    out.into()
}

pub(crate) fn decode<T: DeserializeOwned>(encoded: &[u8]) -> Result<T, DecodeError> {
    match encoded {
        [] => Err(DecodeError::Empty),
        [VERSION, body @ ..] => Ok(bincode::deserialize(body)?),
        [version, ..] => Err(DecodeError::Version(*version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store_types::Operation;
    use store_types::etcdserverpb::PutRequest;

    fn put(key: &'static str) -> Command {
        let request = PutRequest { key: key.into(), value: Bytes::from_static(b"v"), ..Default::default() };
        Command { time_unix_ms: 7, operation: Operation::Put(request) }
    }

    #[test]
    fn commands_survive_the_round_trip() {
        let commands = vec![put("a"), put("b")];
        assert_eq!(decode_commands(&encode_commands(&commands)).expect("own bytes"), commands);
    }

    #[test]
    fn another_version_is_named_and_refused() {
        let mut bytes = encode_commands(&[put("a")]).to_vec();
        bytes[0] = 9;
        assert!(matches!(decode_commands(&bytes.into()), Err(DecodeError::Version(9))));
    }
}
