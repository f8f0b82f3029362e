//! A client's command on its way to the log.

use store_client::Error;
use store_types::Operation;
use tokio::sync::oneshot;

use super::types::Outcome;

/// A command and who waits for it.
pub(crate) struct Proposal {
    pub(crate) operation: Operation,
    pub(crate) answer: oneshot::Sender<Answer>,
    /// Fail rather than ask another member.
    pub(crate) as_leader: bool,
}

/// What became of a command.
pub(crate) enum Answer {
    /// The outcome, and the entry that it came of (0 if none).
    Outcome(Outcome, u64),
    /// In no log, because no leader took it: here it is back, to be tried again.
    Returned(Box<Operation>),
}

/// Tells all who wait that nothing came of it.
pub(super) fn refuse(proposals: Vec<Proposal>, error: &Error) {
    for proposal in proposals {
        let _ = proposal.answer.send(Answer::Outcome(Err(error.clone()), 0));
    }
}
