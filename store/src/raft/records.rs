//! Entries, votes, positions and messages between members as [`super::codec`] writes them.

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use super::codec::{DecodeError, KIND_BLANK, KIND_COMMANDS, KIND_MEMBERSHIP, VERSION};
use super::types::{Batch, Entry, LogId, Membership, Node, Payload, SnapshotMeta, StoredMembership, TypeConfig, Vote};

/// The payload of an entry as it stands in the log.
pub(crate) fn encode_payload(payload: &Payload) -> Bytes {
    match payload {
        Payload::Blank => Bytes::from_static(&[VERSION, KIND_BLANK]),
        Payload::Normal(batch) => batch.encoded().clone(),
        Payload::Membership(membership) => {
            let mut out = vec![VERSION, KIND_MEMBERSHIP];
            bincode::serialize_into(&mut out, &MembershipRecord::from(membership))
                .expect("writing to memory cannot fail");
            out.into()
        }
    }
}

pub(crate) fn decode_payload(encoded: Bytes) -> Result<Payload, DecodeError> {
    match encoded.as_ref() {
        [] | [_] => Err(DecodeError::Empty),
        [VERSION, KIND_BLANK, ..] => Ok(Payload::Blank),
        [VERSION, KIND_COMMANDS, ..] => Ok(Payload::Normal(Batch::from_encoded(encoded))),
        [VERSION, KIND_MEMBERSHIP, body @ ..] => {
            Ok(Payload::Membership(bincode::deserialize::<MembershipRecord>(body)?.try_into()?))
        }
        [VERSION, kind, ..] => Err(DecodeError::Kind(*kind)),
        [version, ..] => Err(DecodeError::Version(*version)),
    }
}

/// A log id: term and index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogIdRecord {
    pub(crate) term: u64,
    pub(crate) index: u64,
}

impl From<LogId> for LogIdRecord {
    fn from(id: LogId) -> Self {
        Self { term: *id.committed_leader_id().as_ref_term(), index: id.index }
    }
}

impl From<LogIdRecord> for LogId {
    fn from(record: LogIdRecord) -> Self {
        Self::new_term_index(record.term, record.index)
    }
}

/// The term behind openraft's wrapper.
trait TermOf {
    fn as_ref_term(&self) -> &u64;
}

impl TermOf for openraft::alias::CommittedLeaderIdOf<TypeConfig> {
    fn as_ref_term(&self) -> &u64 {
        &self.term
    }
}

/// A vote: who for, in which term, and whether a quorum has granted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VoteRecord {
    pub(crate) term: u64,
    pub(crate) member: u64,
    pub(crate) committed: bool,
}

impl From<&Vote> for VoteRecord {
    fn from(vote: &Vote) -> Self {
        let leader = vote.leader_id();
        Self { term: leader.term, member: leader.voted_for, committed: vote.is_committed() }
    }
}

impl From<VoteRecord> for Vote {
    fn from(record: VoteRecord) -> Self {
        match record.committed {
            true => Self::new_committed(record.term, record.member),
            false => Self::new(record.term, record.member),
        }
    }
}

/// A membership: joint voter sets, and everybody's addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MembershipRecord {
    voters: Vec<BTreeSet<u64>>,
    nodes: BTreeMap<u64, Node>,
}

impl From<&Membership> for MembershipRecord {
    fn from(membership: &Membership) -> Self {
        Self {
            voters: membership.get_joint_config().clone(),
            nodes: membership.nodes().map(|(id, node)| (*id, node.clone())).collect(),
        }
    }
}

impl TryFrom<MembershipRecord> for Membership {
    type Error = DecodeError;

    fn try_from(record: MembershipRecord) -> Result<Self, DecodeError> {
        if record.voters.is_empty() && record.nodes.is_empty() {
            return Ok(Self::default());
        }
        Self::new(record.voters, record.nodes).map_err(|error| DecodeError::Membership(error.to_string()))
    }
}

/// The members, and the entry that made them so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MembershipAtRecord {
    at: Option<LogIdRecord>,
    membership: MembershipRecord,
}

impl From<&StoredMembership> for MembershipAtRecord {
    fn from(stored: &StoredMembership) -> Self {
        Self { at: stored.log_id().map(Into::into), membership: stored.membership().into() }
    }
}

impl TryFrom<MembershipAtRecord> for StoredMembership {
    type Error = DecodeError;

    fn try_from(record: MembershipAtRecord) -> Result<Self, DecodeError> {
        Ok(Self::new(record.at.map(Into::into), record.membership.try_into()?))
    }
}

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotMetaRecord {
    last: Option<LogIdRecord>,
    membership: MembershipAtRecord,
}

impl From<&SnapshotMeta> for SnapshotMetaRecord {
    fn from(meta: &SnapshotMeta) -> Self {
        Self { last: meta.last_log_id.map(Into::into), membership: (&meta.last_membership).into() }
    }
}

impl TryFrom<SnapshotMetaRecord> for SnapshotMeta {
    type Error = DecodeError;

    fn try_from(record: SnapshotMetaRecord) -> Result<Self, DecodeError> {
        Ok(Self { last_log_id: record.last.map(Into::into), last_membership: record.membership.try_into()? })
    }
}

/// One entry on its way to a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EntryRecord {
    pub(crate) id: LogIdRecord,
    pub(crate) payload: Bytes,
}

impl From<&Entry> for EntryRecord {
    fn from(entry: &Entry) -> Self {
        Self { id: entry.log_id.into(), payload: encode_payload(&entry.payload) }
    }
}

impl EntryRecord {
    pub(crate) fn into_entry(self) -> Result<Entry, DecodeError> {
        Ok(Entry { log_id: self.id.into(), payload: decode_payload(self.payload)? })
    }
}

/// Entries from the leader. Framed by hand instead of bincode, so that the receiver's payloads are slices of the message.
pub(crate) struct AppendMessage {
    pub(crate) head: AppendHead,
    pub(crate) entries: Vec<EntryRecord>,
}

/// Everything of an append but the entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AppendHead {
    pub(crate) vote: VoteRecord,
    pub(crate) previous: Option<LogIdRecord>,
    pub(crate) committed: Option<LogIdRecord>,
    /// Term, index and payload length of each entry; the payloads follow the head in this order.
    pub(crate) entries: Vec<(u64, u64, u32)>,
}

impl AppendMessage {
    pub(crate) fn encode(&self) -> Bytes {
        let head = bincode::serialize(&self.head).expect("writing to memory cannot fail");
        let body: usize = self.entries.iter().map(|entry| entry.payload.len()).sum();
        let mut out = BytesMut::with_capacity(5 + head.len() + body);
        out.extend_from_slice(&[VERSION]);
        out.extend_from_slice(&(head.len() as u32).to_le_bytes());
        out.extend_from_slice(&head);
        for entry in &self.entries {
            out.extend_from_slice(&entry.payload);
        }
        out.freeze()
    }

    pub(crate) fn decode(encoded: &Bytes) -> Result<Self, DecodeError> {
        let malformed = || DecodeError::Malformed(Box::new(bincode::ErrorKind::SizeLimit));
        match encoded.first() {
            None => return Err(DecodeError::Empty),
            Some(&VERSION) => {}
            Some(version) => return Err(DecodeError::Version(*version)),
        }
        let length: [u8; 4] = encoded.get(1..5).and_then(|bytes| bytes.try_into().ok()).ok_or_else(malformed)?;
        let head_end = 5usize.checked_add(u32::from_le_bytes(length) as usize).ok_or_else(malformed)?;
        let head: AppendHead = bincode::deserialize(encoded.get(5..head_end).ok_or_else(malformed)?)?;
        let mut at = head_end;
        let mut entries = Vec::with_capacity(head.entries.len().min(encoded.len() / 2));
        for (term, index, bytes) in &head.entries {
            let end = at.checked_add(*bytes as usize).filter(|end| *end <= encoded.len()).ok_or_else(malformed)?;
            entries
                .push(EntryRecord { id: LogIdRecord { term: *term, index: *index }, payload: encoded.slice(at..end) });
            at = end;
        }
        Ok(Self { head, entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::codec::{decode, decode_commands};
    use proptest::prelude::*;

    #[test]
    fn a_membership_survives_the_round_trip() {
        let nodes =
            BTreeMap::from([(1, Node::default()), (2, Node { name: "b".into(), peer_urls: vec!["http://b".into()] })]);
        let membership = Membership::new(vec![BTreeSet::from([1, 2])], nodes).expect("valid");
        let payload = decode_payload(encode_payload(&Payload::Membership(membership.clone()))).expect("own bytes");
        assert_eq!(format!("{payload:?}"), format!("{:?}", Payload::Membership(membership)));
    }

    #[test]
    fn an_append_survives_the_round_trip() {
        let id = LogIdRecord { term: 3, index: 8 };
        let head = AppendHead {
            vote: VoteRecord { term: 3, member: 1, committed: true },
            previous: None,
            committed: Some(id),
            entries: vec![(3, 8, 2), (3, 9, 0)],
        };
        let entries = vec![
            EntryRecord { id, payload: Bytes::from_static(&[1, 0]) },
            EntryRecord { id: LogIdRecord { term: 3, index: 9 }, payload: Bytes::new() },
        ];
        let decoded = AppendMessage::decode(&AppendMessage { head: head.clone(), entries: entries.clone() }.encode());
        let decoded = decoded.expect("own bytes");
        assert_eq!((decoded.head, decoded.entries), (head, entries));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let bytes = Bytes::from(bytes);
            let _ = AppendMessage::decode(&bytes);
            let _ = decode_payload(bytes.clone());
            let _ = decode::<SnapshotMetaRecord>(&bytes);
            let _ = decode_commands(&bytes);
        }
    }
}
