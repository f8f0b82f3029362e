//! The safety properties, one file each. The first group looks at the members again and again; the second judges what
//! the clients saw, at the end.

mod acknowledged_durable;
mod applied_order;
mod committed_immutable;
mod election_safety;
mod linearizable;
mod log_matching;
mod revision_monotonic;
mod states_equal;
mod watch_complete;

use std::collections::BTreeMap;

use store_types::Event;

use crate::history::Operation;
use crate::observation::Observation;

/// A property of the members, checked at every observation; it may remember earlier ones.
pub trait Invariant {
    /// For reports.
    fn name(&self) -> &'static str;
    /// What is wrong, if anything.
    fn check(&mut self, observation: &Observation) -> Result<(), String>;
}

/// All properties of members.
pub fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(election_safety::ElectionSafety::default()),
        Box::new(log_matching::LogMatching),
        Box::new(committed_immutable::CommittedImmutable::default()),
        Box::new(applied_order::AppliedOrder::default()),
        Box::new(states_equal::StatesEqual::default()),
    ]
}

/// What is known when everything has healed and the clients have stopped.
pub struct Outcome {
    /// What the clients saw.
    pub operations: Vec<Operation>,
    /// All events from revision 1 on, as each member's watch delivered them.
    pub watched: BTreeMap<usize, Vec<Event>>,
    /// The final value of each key, 0 for none.
    pub values: BTreeMap<usize, u64>,
}

/// A property of what the clients saw.
pub type Judgement = fn(&Outcome) -> Result<(), String>;

/// All judgements, with their names.
pub const JUDGEMENTS: &[(&str, Judgement)] = &[
    ("acknowledged writes are durable", acknowledged_durable::judge),
    ("revisions never go back", revision_monotonic::judge),
    ("every watch is complete and in order", watch_complete::judge),
    ("reads and writes are linearizable", linearizable::judge),
];
