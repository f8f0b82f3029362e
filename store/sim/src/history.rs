//! What the clients did and saw, in the order of one counter that stands for real time.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// What was asked of one key. Values are numbers, each written once; 0 is absence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A linearizable read, and what it found.
    Read {
        /// The value seen.
        found: u64,
    },
    /// An unconditional write; of 0, a deletion.
    Write {
        /// The value written.
        value: u64,
    },
    /// A write if the key had the expected value.
    Swap {
        /// The value that must be there.
        expected: u64,
        /// The value written.
        value: u64,
        /// Whether it was; `None` when the answer never came.
        swapped: Option<bool>,
    },
}

/// One operation.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// Who.
    pub client: usize,
    /// On what.
    pub key: usize,
    /// What.
    pub action: Action,
    /// When it was sent.
    pub call: u64,
    /// When its answer came; `None` when the outcome is unknown: it may happen at any time after `call`, or never.
    pub answer: Option<u64>,
    /// Revision in the answer.
    pub revision: i64,
    /// Whether a write made that revision.
    pub wrote: bool,
}

/// All operations whose outcome is known or may still happen.
#[derive(Default)]
pub struct History {
    clock: AtomicU64,
    operations: Mutex<Vec<Operation>>,
}

impl History {
    /// The next instant.
    pub fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// Notes an operation.
    pub fn push(&self, operation: Operation) {
        self.operations.lock().push(operation);
    }

    /// Everything so far, in the order of the calls.
    pub fn operations(&self) -> Vec<Operation> {
        let mut operations = self.operations.lock().clone();
        operations.sort_by_key(|operation| operation.call);
        operations
    }

    /// How many writes were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.operations.lock().iter().filter(|operation| operation.wrote && operation.answer.is_some()).count()
    }
}
