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

use super::replica::Replica;

/// Reads that wait for a read index. When they are there, further ones wait for room.
pub(crate) const WAITING_READS_MAX: usize = 16_384;
/// One question to the leader, or one round of the leader's with its followers.
const ROUND_TIMEOUT: Duration = Duration::from_secs(1);

/// A read that waits for its index.
pub(crate) type Waiting = oneshot::Sender<Result<u64, Error>>;

/// The task that asks. Runs until `stop`.
pub(crate) async fn run(
    replica: Arc<Replica>,
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
            answer = ask(&replica) => answer,
        };
        for waiting in batch.drain(..) {
            // Nobody waits any more: the client left.
            let _ = waiting.send(answer.clone());
        }
    }
}

async fn ask(replica: &Replica) -> Result<u64, Error> {
    if let Some(leader) = replica.leadership_now().leader() {
        return replica.ask_read_index(&leader, ROUND_TIMEOUT).await;
    }
    let round = replica.raft().get_read_log_id(ReadPolicy::ReadIndex);
    match tokio::time::timeout(ROUND_TIMEOUT, round).await {
        Ok(Ok((read, _))) => Ok(read.index()),
        Ok(Err(_)) => Err(Error::NO_LEADER),
        Err(_) => Err(Error::TIMEOUT),
    }
}
