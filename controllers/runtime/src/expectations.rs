//! Creations and deletions that were asked for and not yet seen (upstream: `ControllerExpectations`).
//!
//! A controller that just created three pods must not count the pods in its index and create them again before the
//! watch has caught up. It expects, and waits until the expectation is met or five minutes have passed.

use crate::Key;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

/// An expectation that was not met by then was wrong; the next pass looks at the facts (upstream: 5 min).
const TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// What each owner still expects to see.
#[derive(Debug, Default)]
pub struct Expectations {
    owners: Mutex<HashMap<Key, Expected>>,
}

#[derive(Debug)]
struct Expected {
    creations: i64,
    /// Deletions by object, because one deletion is reported more than once (marked, then gone).
    deletions: HashSet<Key>,
    since: Instant,
}

impl Expectations {
    /// Whether the owner may act on what its index shows.
    pub fn satisfied(&self, owner: &Key) -> bool {
        self.owners.lock().get(owner).is_none_or(|expected| {
            (expected.creations <= 0 && expected.deletions.is_empty()) || expected.since.elapsed() > TIMEOUT
        })
    }

    /// How many creations and deletions the owner still expects.
    pub fn pending(&self, owner: &Key) -> (i64, usize) {
        self.owners.lock().get(owner).map_or((0, 0), |expected| (expected.creations.max(0), expected.deletions.len()))
    }

    /// Expects these creations and deletions, and nothing else.
    pub fn expect(&self, owner: &Key, creations: usize, deletions: impl IntoIterator<Item = Key>) {
        let expected = Expected {
            creations: i64::try_from(creations).unwrap_or(i64::MAX),
            deletions: deletions.into_iter().collect(),
            since: Instant::now(),
        };
        self.owners.lock().insert(owner.clone(), expected);
    }

    /// A creation was seen, or failed and will not be.
    pub fn creation_observed(&self, owner: &Key) {
        if let Some(expected) = self.owners.lock().get_mut(owner) {
            expected.creations -= 1;
        }
    }

    /// A deletion was seen, or failed and will not be.
    pub fn deletion_observed(&self, owner: &Key, object: &Key) {
        if let Some(expected) = self.owners.lock().get_mut(owner) {
            expected.deletions.remove(object);
        }
    }

    /// The owner is gone.
    pub fn forget(&self, owner: &Key) {
        self.owners.lock().remove(owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_owner_waits_for_what_it_expects() {
        let (expectations, owner, pod) = (Expectations::default(), Key::new("a", "rs"), Key::new("a", "pod"));
        assert!(expectations.satisfied(&owner));
        expectations.expect(&owner, 1, [pod.clone()]);
        expectations.creation_observed(&owner);
        assert!(!expectations.satisfied(&owner));
        expectations.deletion_observed(&owner, &pod);
        expectations.deletion_observed(&owner, &pod);
        assert!(expectations.satisfied(&owner));
    }

    #[tokio::test(start_paused = true)]
    async fn an_expectation_that_is_never_met_expires() {
        let (expectations, owner) = (Expectations::default(), Key::new("a", "rs"));
        expectations.expect(&owner, 1, []);
        tokio::time::advance(TIMEOUT + Duration::from_secs(1)).await;
        assert!(expectations.satisfied(&owner));
    }
}
