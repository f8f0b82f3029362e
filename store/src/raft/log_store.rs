//! Step 8 of a write: entries go to the local log (and from there, by openraft's replication, to the peers).
//!
//! An adapter between openraft's log storage and `store_wal`. Entries are readable when `append` returns, from a tail in
//! memory that keeps them decoded; durability is reported from the log's writer thread, in order. Votes share the
//! queue. The committed index is a hint for recovery only, so it never costs a sync of its own: it rides on the next
//! append.

use bytes::Bytes;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store_wal::{Log, Record, Recovered};

use super::codec;
use super::records::{self, LogIdRecord, VoteRecord};
use super::types::{Entry, LogId, Payload, TypeConfig, Vote};

/// Decoded entries kept in memory, by size of their payload; older ones are read from the log and decoded again.
const TAIL_BYTES_MAX: usize = 16 << 20;
/// Bytes of one read for replication; what does not fit is sent by the next message.
const REPLICATION_BYTES_MAX: usize = 4 << 20;

/// The log of this member. Cheap to clone.
#[derive(Clone)]
pub(crate) struct LogStore {
    shared: Arc<Shared>,
}

struct Shared {
    log: Log,
    state: Mutex<State>,
    /// Payload bytes appended since the process started; the background flush goes by it.
    appended_bytes: AtomicU64,
}

struct State {
    tail: Tail,
    vote: Option<Vote>,
    committed: Option<LogId>,
    /// Whether `committed` has moved since it was last written.
    committed_dirty: bool,
    last: Option<LogId>,
    purged: Option<LogId>,
}

/// The newest entries, without a gap, up to the last one of the log.
#[derive(Default)]
struct Tail {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl LogStore {
    /// Wraps an opened log.
    ///
    /// # Errors
    /// The log holds records that this version cannot read.
    pub(crate) fn new(log: Log, recovered: &Recovered) -> io::Result<Self> {
        let log_id = |payload: &Bytes| codec::decode::<LogIdRecord>(payload).map(LogId::from);
        let purged = recovered.purged.as_ref().map(|(_, payload)| log_id(payload)).transpose()?;
        let last = recovered.last.map(|(index, term)| LogId::new_term_index(term, index));
        let state = State {
            tail: Tail::default(),
            vote: recovered
                .vote
                .as_ref()
                .map(|payload| codec::decode::<VoteRecord>(payload))
                .transpose()?
                .map(Vote::from),
            committed: recovered.committed.as_ref().map(|(_, payload)| log_id(payload)).transpose()?,
            committed_dirty: false,
            last: last.max(purged),
            purged,
        };
        Ok(Self { shared: Arc::new(Shared { log, state: Mutex::new(state), appended_bytes: AtomicU64::new(0) }) })
    }

    /// Payload bytes appended since the process started.
    pub(crate) fn appended_bytes(&self) -> u64 {
        self.shared.appended_bytes.load(Ordering::Relaxed)
    }

    /// The last entry, durable or not.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.shared.state.lock().last
    }

    /// Waits for everything that is queued and closes the files.
    pub(crate) fn close(&self) {
        self.shared.log.clone().close();
    }

    fn read(&self, start: u64, end: u64, bytes_max: usize) -> io::Result<Vec<Entry>> {
        if start >= end {
            return Ok(Vec::new());
        }
        if let Some(entries) = self.shared.state.lock().tail.read(start, end, bytes_max) {
            return Ok(entries);
        }
        let records = self.shared.log.read(start..end, bytes_max)?;
        records
            .into_iter()
            .map(|(index, term, payload)| {
                let log_id = LogId::new_term_index(term, index);
                Ok(Entry { log_id, payload: records::decode_payload(payload)? })
            })
            .collect()
    }

    async fn append_and_wait(&self, records: Vec<Record>) -> io::Result<()> {
        let (done, durable) = tokio::sync::oneshot::channel();
        self.shared.log.append(records, move |result| {
            let _ = done.send(result);
        });
        durable.await.map_err(|_| io::Error::other("the log is closed"))?
    }
}

impl Tail {
    fn first(&self) -> Option<u64> {
        self.entries.front().map(|entry| entry.log_id.index)
    }

    fn push(&mut self, entry: Entry) {
        self.bytes += weight(&entry);
        self.entries.push_back(entry);
        while self.bytes > TAIL_BYTES_MAX && self.entries.len() > 1 {
            self.pop_front();
        }
    }

    fn pop_front(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= weight(&entry);
        }
    }

    /// The wanted entries, at least one, if the first of them is here.
    fn read(&self, start: u64, end: u64, bytes_max: usize) -> Option<Vec<Entry>> {
        let skip = usize::try_from(start.checked_sub(self.first()?)?).ok()?;
        let mut bytes = 0;
        let mut entries = Vec::with_capacity(((end - start) as usize).min(self.entries.len()));
        for entry in self.entries.iter().skip(skip).take_while(|entry| entry.log_id.index < end) {
            bytes += weight(entry);
            if bytes > bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(entry.clone());
        }
        (!entries.is_empty()).then_some(entries)
    }

    fn truncate_after(&mut self, kept: Option<u64>) {
        while self.entries.back().is_some_and(|entry| kept.is_none_or(|kept| entry.log_id.index > kept)) {
            if let Some(entry) = self.entries.pop_back() {
                self.bytes -= weight(&entry);
            }
        }
    }

    fn purge(&mut self, upto: u64) {
        while self.first().is_some_and(|first| first <= upto) {
            self.pop_front();
        }
    }
}

fn weight(entry: &Entry) -> usize {
    match &entry.payload {
        Payload::Normal(batch) => batch.encoded().len() + 64,
        Payload::Blank | Payload::Membership(_) => 64,
    }
}

fn record_of(entry: &Entry) -> Record {
    Record::Entry {
        index: entry.log_id.index,
        term: LogIdRecord::from(entry.log_id).term,
        payload: records::encode_payload(&entry.payload),
    }
}

fn committed_record(committed: LogId) -> Record {
    Record::Committed { index: committed.index, payload: codec::encode(&LogIdRecord::from(committed)) }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        let (first_kept, after_last) = {
            let state = self.shared.state.lock();
            (state.purged.map_or(0, |id| id.index + 1), state.last.map_or(0, |id| id.index + 1))
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last + 1,
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        let (mut start, end) = (start.max(first_kept), end.min(after_last));
        let mut entries = self.read(start, end, usize::MAX)?;
        // The log bounds one read; the contract here is everything.
        while let Some(last) = entries.last().map(|entry| entry.log_id.index)
            && last + 1 < end
        {
            start = last + 1;
            let more = self.read(start, end, usize::MAX)?;
            if more.is_empty() {
                return Err(io::Error::other(format!("entry {start} is missing from the log")));
            }
            entries.extend(more);
        }
        Ok(entries)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.shared.state.lock().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        self.read(start, end, REPLICATION_BYTES_MAX)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let state = self.shared.state.lock();
        Ok(LogState { last_purged_log_id: state.purged, last_log_id: state.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.append_and_wait(vec![Record::Vote { payload: codec::encode(&VoteRecord::from(vote)) }]).await?;
        self.shared.state.lock().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let mut state = self.shared.state.lock();
        state.committed = committed;
        state.committed_dirty = true;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        let state = self.shared.state.lock();
        // The hint was written before the entries behind it; a crash may have taken those.
        Ok(state.committed.min(state.last))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let span = tracing::trace_span!("raft_append").entered();
        let entries = entries.into_iter();
        let mut records = Vec::with_capacity(entries.size_hint().0 + 1);
        {
            let mut state = self.shared.state.lock();
            if std::mem::take(&mut state.committed_dirty)
                && let Some(committed) = state.committed
            {
                records.push(committed_record(committed));
            }
            let mut bytes = 0;
            for entry in entries {
                records.push(record_of(&entry));
                bytes += weight(&entry);
                state.last = Some(entry.log_id);
                state.tail.push(entry);
            }
            self.shared.appended_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        self.shared.log.append(records, move |result| callback.io_completed(result));
        drop(span);
        Ok(())
    }

    async fn truncate_after(&mut self, kept: Option<LogId>) -> Result<(), io::Error> {
        {
            let mut state = self.shared.state.lock();
            state.tail.truncate_after(kept.map(|id| id.index));
            state.last = kept.or(state.purged);
        }
        let after = kept.map(|id| id.index);
        self.append_and_wait(vec![Record::Truncate { after }]).await
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        {
            let mut state = self.shared.state.lock();
            state.tail.purge(upto.index);
            state.purged = state.purged.max(Some(upto));
            state.last = state.last.max(Some(upto));
        }
        let payload = codec::encode(&LogIdRecord::from(upto));
        self.append_and_wait(vec![Record::Purge { upto: upto.index, payload }]).await
    }
}
