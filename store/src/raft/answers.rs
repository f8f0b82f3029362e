//! The leader's side of what members forward to it, see [`super::forward`].

use bytes::Bytes;
use futures::future::join_all;
use store_client::Error;
use store_types::Operation;

use super::codec::{self, DecodeError};
use super::forward::{Forwarded, LeaseQuestion, WireError, wire};
use super::proposal::Answer;
use super::replica::Replica;

impl Replica {
    /// Proposes commands of another member.
    pub(super) async fn answer_forwarded(&self, request: &Bytes) -> Result<Bytes, DecodeError> {
        let operations: Vec<Operation> = codec::decode(request)?;
        let answers = join_all(operations.into_iter().map(|operation| self.submit(operation, true))).await;
        let mut last = 0;
        let outcomes = answers.into_iter().map(|answer| match answer {
            Answer::Outcome(outcome, index) => {
                last = last.max(index);
                wire(outcome)
            }
            Answer::Returned(_) => Err(Error::NOT_LEADER.into()),
        });
        let outcomes = outcomes.collect();
        Ok(codec::encode(&Forwarded { index: last, outcomes }))
    }

    /// An index that covers everything that is committed now.
    pub(super) async fn answer_read_index(&self) -> Result<Bytes, String> {
        let index = self.read_index().await.map_err(|error| error.message.into_owned())?;
        Ok(codec::encode(&index))
    }

    /// What this member knows of a lease.
    pub(super) async fn answer_lease(&self, request: &Bytes) -> Result<Bytes, String> {
        let question: LeaseQuestion = codec::decode(request).map_err(|error| error.to_string())?;
        let answer: Result<Option<i64>, WireError> = self.lease_here(question).await.map_err(WireError::from);
        Ok(codec::encode(&answer))
    }
}
