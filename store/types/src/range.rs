//! Key ranges as the etcd v3 API writes them.

use bytes::Bytes;

/// A range of keys: one key, a half-open interval, or everything from a key on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyRange {
    /// Exactly this key (`range_end` empty).
    One(Bytes),
    /// `start <= key < end`.
    HalfOpen {
        /// First key that belongs to the range.
        start: Bytes,
        /// First key that does not.
        end: Bytes,
    },
    /// Every key at or after `start` (`range_end` is a single zero byte).
    From(Bytes),
}

impl KeyRange {
    /// Reads the pair (`key`, `range_end`) of a request.
    pub fn new(key: Bytes, range_end: Bytes) -> Self {
        match range_end.as_ref() {
            [] => Self::One(key),
            [0] => Self::From(key),
            _ => Self::HalfOpen { start: key, end: range_end },
        }
    }

    /// Every key that starts with `prefix`; the empty prefix is every key.
    pub fn prefix(prefix: Bytes) -> Self {
        match prefix_end(&prefix) {
            Some(end) => Self::HalfOpen { start: prefix, end },
            None => Self::From(prefix),
        }
    }

    /// The pair (`key`, `range_end`) as a request carries it.
    pub fn into_pair(self) -> (Bytes, Bytes) {
        match self {
            Self::One(key) => (key, Bytes::new()),
            Self::HalfOpen { start, end } => (start, end),
            Self::From(start) => (start, Bytes::from_static(&[0])),
        }
    }

    /// Whether `key` belongs to the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        match self {
            Self::One(one) => one.as_ref() == key,
            Self::HalfOpen { start, end } => start.as_ref() <= key && key < end.as_ref(),
            Self::From(start) => start.as_ref() <= key,
        }
    }

    /// First key of the range.
    pub fn start(&self) -> &Bytes {
        match self {
            Self::One(key) | Self::From(key) => key,
            Self::HalfOpen { start, .. } => start,
        }
    }
}

/// The first key after all keys that start with `prefix`; `None` if there is none (empty, or all bytes 0xff).
pub fn prefix_end(prefix: &[u8]) -> Option<Bytes> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_end_increments_the_last_byte_that_can_grow() {
        assert_eq!(prefix_end(b"a/"), Some(Bytes::from_static(b"a0")));
        assert_eq!(prefix_end(b"a\xff"), Some(Bytes::from_static(b"b")));
        assert_eq!(prefix_end(b"\xff"), None);
        assert_eq!(prefix_end(b""), None);
    }

    #[test]
    fn pairs_survive_the_round_trip() {
        for (key, end) in [("a", ""), ("a", "b"), ("a", "\0")] {
            let pair = (Bytes::from(key), Bytes::from(end));
            assert_eq!(KeyRange::new(pair.0.clone(), pair.1.clone()).into_pair(), pair);
        }
    }

    #[test]
    fn a_range_contains_its_start_and_not_its_end() {
        let range = KeyRange::new("a".into(), "c".into());
        assert!(range.contains(b"a") && range.contains(b"b\xff"));
        assert!(!range.contains(b"c") && !range.contains(b"Z"));
        assert!(KeyRange::prefix(Bytes::new()).contains(b"anything"));
    }
}
