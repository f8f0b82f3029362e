//! Step 7 of a write: client commands become Raft entries.
//!
//! Everything that is queued goes into one entry, without a timer: while entries are on their way to the disk the queue
//! fills, so entries grow with the load and a lone command waits for nobody. The leader fills in time and lease ids; a
//! follower sends what is queued to the leader in one message. The queue is bounded; when it is full the client is told
//! "too many requests" at once.

use openraft::errors::ClientWriteError;
use openraft::raft::ClientWriteResult;
use prost::Message;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store_client::Error;
use store_types::{Command, Operation};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::forward;
use super::leadership::Leadership;
use super::proposal::{Answer, Proposal, refuse};
use super::state_machine::Raft;
use super::types::{Batch, Callback, TypeConfig};
use crate::peer::Transport;
use crate::state::State;

/// Commands that wait to be proposed. When they are there, further ones are refused with "too many requests".
pub(crate) const QUEUE_COMMANDS_MAX: usize = 16_384;
/// Commands of one entry; the rest goes into the next.
const ENTRY_COMMANDS_MAX: usize = 1_024;
/// Bytes of one entry, about; a larger command has an entry to itself.
const ENTRY_BYTES_MAX: usize = 1 << 20;
/// Entries of this member that are proposed and not yet applied. When they are there, commands queue and share the next.
const ENTRIES_UNDER_WAY_MAX: usize = 2;
/// Forwarded messages that are not yet answered.
const FORWARDS_UNDER_WAY_MAX: usize = 8;

/// The task that makes entries.
pub(crate) struct Proposer {
    pub(crate) raft: Raft,
    pub(crate) state: Arc<State>,
    pub(crate) leadership: Leadership,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) queue: mpsc::Receiver<Proposal>,
    pub(crate) forward_timeout: Duration,
}

impl Proposer {
    /// Runs until `stop`; what is queued then is refused as stopped.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), std::convert::Infallible> {
        let entries = Arc::new(Semaphore::new(ENTRIES_UNDER_WAY_MAX));
        let mut forwards = JoinSet::new();
        let mut taken: Vec<Proposal> = Vec::with_capacity(ENTRY_COMMANDS_MAX);
        let mut waiting: VecDeque<Proposal> = VecDeque::new();
        loop {
            if waiting.is_empty() {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    count = self.queue.recv_many(&mut taken, ENTRY_COMMANDS_MAX) => if count == 0 { break },
                }
                waiting.extend(taken.drain(..));
            }
            let permit = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                permit = Arc::clone(&entries).acquire_owned() => permit.expect("never closed"),
            };
            // What came while waiting for room goes along.
            while waiting.len() < ENTRY_COMMANDS_MAX
                && let Ok(proposal) = self.queue.try_recv()
            {
                waiting.push_back(proposal);
            }
            let together = take_entry(&mut waiting);
            while forwards.try_join_next().is_some() {}
            if self.leadership.is_leader() {
                self.propose(together, permit).await;
                continue;
            }
            drop(permit);
            let (local, together): (Vec<_>, Vec<_>) = together.into_iter().partition(|proposal| proposal.as_leader);
            refuse(local, &Error::NOT_LEADER);
            match self.leadership.leader() {
                Some(leader) if !together.is_empty() => {
                    if forwards.len() >= FORWARDS_UNDER_WAY_MAX {
                        forwards.join_next().await;
                    }
                    let (transport, state) = (Arc::clone(&self.transport), Arc::clone(&self.state));
                    let limit = self.forward_timeout;
                    forwards.spawn(async move { forward::send(&*transport, &state, leader, together, limit).await });
                }
                // The client waits for a leader and tries again.
                _ => give_back(together),
            }
        }
        self.queue.close();
        refuse(waiting.into_iter().collect(), &Error::STOPPED);
        while let Ok(proposal) = self.queue.try_recv() {
            refuse(vec![proposal], &Error::STOPPED);
        }
        Ok(())
    }

    async fn propose(&self, proposals: Vec<Proposal>, permit: OwnedSemaphorePermit) {
        let time_unix_ms = unix_ms();
        let mut answers = Vec::with_capacity(proposals.len());
        let mut commands = Vec::with_capacity(proposals.len());
        for proposal in proposals {
            answers.push(proposal.answer);
            commands.push(Command { time_unix_ms, operation: with_lease_id(proposal.operation) });
        }
        let batch = {
            let _span = tracing::trace_span!("propose", commands = commands.len()).entered();
            Batch::new(commands)
        };
        let proposed = batch.clone();
        let responder = Callback::new(move |result: ClientWriteResult<TypeConfig>| {
            drop(permit);
            answer_all(answers, result, &proposed);
        });
        // A failure means that consensus has stopped: the responder is dropped and the clients see that.
        let _ = self.raft.client_write_ff(batch, Some(responder)).await;
    }
}

fn answer_all(answers: Vec<oneshot::Sender<Answer>>, result: ClientWriteResult<TypeConfig>, proposed: &Batch) {
    // Where sending fails, nobody waits any more: the client left.
    match result {
        Ok(response) => {
            let index = response.log_id.index;
            for (answer, outcome) in answers.into_iter().zip(response.data.outcomes) {
                let _ = answer.send(Answer::Outcome(outcome, index));
            }
        }
        Err(ClientWriteError::ForwardToLeader(_)) => {
            let commands = proposed.commands().unwrap_or_default();
            for (answer, command) in answers.into_iter().zip(commands) {
                let _ = answer.send(Answer::Returned(Box::new(command.operation.clone())));
            }
        }
        Err(_) => {
            for answer in answers {
                let _ = answer.send(Answer::Outcome(Err(Error::LEADER_CHANGED), 0));
            }
        }
    }
}

fn give_back(proposals: Vec<Proposal>) {
    for proposal in proposals {
        let _ = proposal.answer.send(Answer::Returned(Box::new(proposal.operation)));
    }
}

/// The first proposals, as many as fit one entry; at least one.
fn take_entry(waiting: &mut VecDeque<Proposal>) -> Vec<Proposal> {
    let (mut count, mut bytes) = (0, 0);
    for proposal in waiting.iter().take(ENTRY_COMMANDS_MAX) {
        bytes += weight(&proposal.operation);
        if bytes > ENTRY_BYTES_MAX && count > 0 {
            break;
        }
        count += 1;
    }
    waiting.drain(..count).collect()
}

/// Bytes of an operation, about.
fn weight(operation: &Operation) -> usize {
    match operation {
        Operation::Put(request) => request.key.len() + request.value.len(),
        Operation::Txn(request) => request.encoded_len(),
        Operation::DeleteRange(request) => request.encoded_len(),
        Operation::LeaseCheckpoint(leases) => leases.len() * 16,
        Operation::Compact(_)
        | Operation::LeaseGrant(_)
        | Operation::LeaseRevoke(_)
        | Operation::Noop
        | Operation::Alarm(_) => 0,
    }
}

fn with_lease_id(mut operation: Operation) -> Operation {
    if let Operation::LeaseGrant(request) = &mut operation {
        while request.id == 0 {
            request.id = (rand::random::<u64>() & i64::MAX as u64) as i64;
        }
    }
    operation
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use store_types::etcdserverpb::{LeaseGrantRequest, PutRequest};

    fn put(bytes: usize) -> Proposal {
        let request = PutRequest { key: "k".into(), value: vec![0; bytes].into(), ..Default::default() };
        Proposal { operation: Operation::Put(request), answer: oneshot::channel().0, as_leader: false }
    }

    #[test]
    fn an_entry_takes_what_fits_and_a_large_command_goes_alone() {
        let mut waiting: VecDeque<_> = [10, 10, ENTRY_BYTES_MAX + 1, 10].into_iter().map(put).collect();
        let sizes: Vec<_> = std::iter::from_fn(|| {
            let taken = take_entry(&mut waiting).len();
            (taken > 0).then_some(taken)
        })
        .collect();
        assert_eq!(sizes, [2, 1, 1]);
    }

    #[test]
    fn the_leader_chooses_lease_ids_that_are_positive() {
        let Operation::LeaseGrant(granted) = with_lease_id(Operation::LeaseGrant(LeaseGrantRequest { ttl: 9, id: 0 }))
        else {
            panic!("another operation came back");
        };
        assert!(granted.id > 0);
    }
}
