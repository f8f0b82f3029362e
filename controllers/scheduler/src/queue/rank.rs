//! The order of the active queue: what `QueueSort` says, then arrival.

use crate::framework::Profile;
use crate::pod_info::PodInfo;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A pod's rank; carries what is needed to compare it.
#[derive(Clone)]
pub(super) struct Rank {
    profile: Profile,
    pod: Arc<PodInfo>,
    arrival: u64,
}

impl Rank {
    pub(super) fn new(profile: &Profile, pod: &Arc<PodInfo>, arrival: u64) -> Self {
        Self { profile: profile.clone(), pod: Arc::clone(pod), arrival }
    }
}

impl fmt::Debug for Rank {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Rank({} of {})", self.arrival, self.pod.uid())
    }
}

impl PartialEq for Rank {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Rank {}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        self.profile.compare(&self.pod, &other.pod).then(self.arrival.cmp(&other.arrival))
    }
}
