//! Linearizable reads: how far must this member have applied, to show everything that was committed when the read came?
//!
//! Reads that come while a question is under way share the next one. A new question is asked for every batch, and never
//! answered from an older one: a paused leader cannot vouch for reads that came after its time (etcd bug 20418).

use openraft::ReadPolicy;
use std::sync::Arc;
use std::time::Duration;
use store_client::Error;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::forward;
use super::leadership::Leadership;
use super::state_machine::Raft;
use crate::peer::Transport;

/// Reads that wait for a read index. When they are there, further ones wait for room.
pub(crate) const WAITING_READS_MAX: usize = 16_384;
/// One question to the leader, or one round of the leader's with its followers.
const ROUND_TIMEOUT: Duration = Duration::from_secs(1);

/// A read that waits for its index.
pub(crate) type Waiting = oneshot::Sender<Result<u64, Error>>;

/// Whom to ask.
pub(crate) struct Asker {
    pub(crate) raft: Raft,
    pub(crate) leadership: Leadership,
    pub(crate) transport: Arc<dyn Transport>,
}

impl Asker {
    /// Answers the queue until `stop`.
    pub(crate) async fn run(
        self,
        mut queue: mpsc::Receiver<Waiting>,
        stop: CancellationToken,
    ) -> Result<(), std::convert::Infallible> {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                count = queue.recv_many(&mut batch, WAITING_READS_MAX) => if count == 0 { return Ok(()) },
            }
            let answer = tokio::select! {
                () = stop.cancelled() => Err(Error::STOPPED),
                answer = self.ask() => answer,
            };
            for waiting in batch.drain(..) {
                // Nobody waits any more: the client left.
                let _ = waiting.send(answer.clone());
            }
        }
    }

    async fn ask(&self) -> Result<u64, Error> {
        if let Some(leader) = self.leadership.leader() {
            return forward::ask_read_index(&*self.transport, &leader, ROUND_TIMEOUT).await;
        }
        let round = self.raft.get_read_log_id(ReadPolicy::ReadIndex);
        match tokio::time::timeout(ROUND_TIMEOUT, round).await {
            Ok(Ok((read, _))) => Ok(read.index()),
            Ok(Err(_)) => Err(Error::NO_LEADER),
            Err(_) => Err(Error::TIMEOUT),
        }
    }
}
