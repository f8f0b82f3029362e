//! Leases as replicated state: granted, attached to keys, revoked. Whether one has expired is not decided here.
//!
//! Time enters in two places only: the leader writes remaining seconds into a checkpoint command, and [`Deadlines`] does
//! the leader's sums over a `now` that it is given.

mod deadlines;

pub use deadlines::Deadlines;

use crate::error::Error;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Largest TTL that can be granted; a larger one is refused with [`Error::LeaseTtlTooLarge`].
pub const TTL_SECONDS_MAX: i64 = 9_000_000_000;

/// A smaller TTL is raised to this. It follows from the election timeout of one second, as in etcd: a lease must outlive
/// a change of leader.
pub const TTL_SECONDS_MIN: i64 = 2;

/// A lease as a backend stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Its id, never 0.
    pub id: i64,
    /// TTL that was granted, seconds.
    pub ttl_seconds: i64,
    /// Seconds that were left at the last checkpoint; 0 without one, which means the whole TTL.
    pub remaining_seconds: i64,
}

impl LeaseRecord {
    const VERSION: u8 = 1;
    /// Length of [`Self::encode`].
    pub const ROW_BYTES: usize = 25;

    /// Version byte, id, granted and remaining seconds, big endian.
    pub fn encode(&self) -> [u8; Self::ROW_BYTES] {
        let mut row = [0; Self::ROW_BYTES];
        row[0] = Self::VERSION;
        row[1..9].copy_from_slice(&self.id.to_be_bytes());
        row[9..17].copy_from_slice(&self.ttl_seconds.to_be_bytes());
        row[17..].copy_from_slice(&self.remaining_seconds.to_be_bytes());
        row
    }

    /// Reads what [`Self::encode`] wrote; `None` if it did not.
    pub fn decode(row: &[u8]) -> Option<Self> {
        let row: &[u8; Self::ROW_BYTES] = row.try_into().ok()?;
        let integer = |at: usize| Some(i64::from_be_bytes(row[at..at + 8].try_into().ok()?));
        (row[0] == Self::VERSION).then_some(())?;
        Some(Self { id: integer(1)?, ttl_seconds: integer(9)?, remaining_seconds: integer(17)? })
    }

    /// How long the lease lives from now on if nobody renews it.
    pub fn left_seconds(&self) -> i64 {
        if self.remaining_seconds > 0 { self.remaining_seconds } else { self.ttl_seconds }
    }
}

/// All leases and the keys attached to each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leases {
    by_id: BTreeMap<i64, Lease>,
}

#[derive(Clone, Debug)]
struct Lease {
    record: LeaseRecord,
    /// Ordered, because a revocation deletes them in this order on every member.
    keys: BTreeSet<Bytes>,
}

impl Leases {
    pub(crate) fn grant(&mut self, id: i64, ttl_seconds: i64) -> Result<LeaseRecord, Error> {
        if id == 0 {
            return Err(Error::LeaseNotFound);
        }
        if ttl_seconds > TTL_SECONDS_MAX {
            return Err(Error::LeaseTtlTooLarge);
        }
        if self.contains(id) {
            return Err(Error::LeaseExists);
        }
        let record = LeaseRecord { id, ttl_seconds: ttl_seconds.max(TTL_SECONDS_MIN), remaining_seconds: 0 };
        self.restore(record);
        Ok(record)
    }

    /// Removes the lease and hands out its keys in order.
    pub(crate) fn revoke(&mut self, id: i64) -> Result<BTreeSet<Bytes>, Error> {
        self.by_id.remove(&id).map(|lease| lease.keys).ok_or(Error::LeaseNotFound)
    }

    /// Notes the remaining seconds; `None` if there is no such lease any more.
    pub(crate) fn checkpoint(&mut self, id: i64, remaining_seconds: i64) -> Option<LeaseRecord> {
        let record = &mut self.by_id.get_mut(&id)?.record;
        record.remaining_seconds = remaining_seconds.clamp(0, record.ttl_seconds);
        Some(*record)
    }

    pub(crate) fn contains(&self, id: i64) -> bool {
        self.by_id.contains_key(&id)
    }

    pub(crate) fn attach(&mut self, id: i64, key: &[u8]) {
        if let Some(lease) = self.by_id.get_mut(&id) {
            lease.keys.insert(Bytes::copy_from_slice(key));
        }
    }

    pub(crate) fn detach(&mut self, id: i64, key: &[u8]) {
        if let Some(lease) = self.by_id.get_mut(&id) {
            lease.keys.remove(key);
        }
    }

    pub(crate) fn restore(&mut self, record: LeaseRecord) {
        self.by_id.insert(record.id, Lease { record, keys: BTreeSet::new() });
    }

    pub(crate) fn get(&self, id: i64) -> Option<&LeaseRecord> {
        self.by_id.get(&id).map(|lease| &lease.record)
    }

    pub(crate) fn keys(&self, id: i64) -> impl Iterator<Item = &Bytes> {
        self.by_id.get(&id).into_iter().flat_map(|lease| &lease.keys)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &LeaseRecord> {
        self.by_id.values().map(|lease| &lease.record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_row_survives_the_round_trip() {
        let record = LeaseRecord { id: -7, ttl_seconds: 60, remaining_seconds: 12 };
        assert_eq!(LeaseRecord::decode(&record.encode()), Some(record));
        assert_eq!(LeaseRecord::decode(&[0; LeaseRecord::ROW_BYTES]), None);
        assert_eq!(LeaseRecord::decode(b""), None);
    }

    #[test]
    fn grants_are_bounded_and_unique() {
        let mut leases = Leases::default();
        assert_eq!(leases.grant(1, 0).map(|lease| lease.ttl_seconds), Ok(TTL_SECONDS_MIN));
        assert_eq!(leases.grant(1, 60), Err(Error::LeaseExists));
        assert_eq!(leases.grant(2, TTL_SECONDS_MAX + 1), Err(Error::LeaseTtlTooLarge));
        assert_eq!(leases.grant(0, 60), Err(Error::LeaseNotFound));
    }

    #[test]
    fn a_checkpoint_shortens_what_is_left_and_zero_restores_it() {
        let mut leases = Leases::default();
        leases.grant(1, 60).expect("the id is free");
        assert_eq!(leases.checkpoint(1, 10).map(|lease| lease.left_seconds()), Some(10));
        assert_eq!(leases.checkpoint(1, 1000).map(|lease| lease.left_seconds()), Some(60));
        assert_eq!(leases.checkpoint(1, 0).map(|lease| lease.left_seconds()), Some(60));
        assert_eq!(leases.checkpoint(2, 0), None);
    }
}
