//! The position of one change in the store's order.

/// One change: `main` is the store's revision, `sub` the change's place inside the transaction that made it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision {
    /// The store's revision; all changes of one command share it.
    pub main: i64,
    /// Place among the changes of that command, from 0.
    pub sub: i64,
}

impl Revision {
    /// Length of [`Self::to_key`].
    pub const KEY_BYTES: usize = 16;

    /// A revision from its parts.
    pub const fn new(main: i64, sub: i64) -> Self {
        Self { main, sub }
    }

    /// The key of the change in a backend: big endian, so that byte order is revision order.
    pub fn to_key(self) -> [u8; Self::KEY_BYTES] {
        let mut key = [0; Self::KEY_BYTES];
        key[..8].copy_from_slice(&self.main.to_be_bytes());
        key[8..].copy_from_slice(&self.sub.to_be_bytes());
        key
    }

    /// Reads what [`Self::to_key`] wrote; `None` if `key` has another length or a negative part.
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let key: &[u8; Self::KEY_BYTES] = key.try_into().ok()?;
        let (main, sub) = key.split_at(8);
        let main = i64::from_be_bytes(main.try_into().ok()?);
        let sub = i64::from_be_bytes(sub.try_into().ok()?);
        (main >= 0 && sub >= 0).then_some(Self { main, sub })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_like_revisions_and_survive_the_round_trip() {
        let revisions = [Revision::new(1, 0), Revision::new(1, 200), Revision::new(2, 0), Revision::new(256, 1)];
        for pair in revisions.windows(2) {
            assert!(pair[0].to_key() < pair[1].to_key());
        }
        for revision in revisions {
            assert_eq!(Revision::from_key(&revision.to_key()), Some(revision));
        }
        assert_eq!(Revision::from_key(b"short"), None);
        assert_eq!(Revision::from_key(&[0xff; 16]), None);
    }
}
