//! A read in two steps: choose rows under a short borrow of the state, then fetch them without it.
//!
//! Choosing may itself be cut into steps: a read stands at one revision, so other commands may be applied in between.
//! Only a compaction can take rows away from under a plan, and both steps notice.

use crate::error::Error;
use crate::history::Mark;
use crate::mvcc::Mvcc;
use crate::revision::Revision;
use crate::values::Values;
use bytes::Bytes;
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::range_request::{SortOrder, SortTarget};
use store_types::{KeyRange, KeyValue};

/// A read under way.
#[derive(Clone, Debug)]
pub struct RangePlan {
    keys: KeyRange,
    /// Where choosing goes on.
    next: Option<Bytes>,
    /// Revision that is read.
    at: i64,
    /// Revision of the store when the plan was made.
    revision: i64,
    /// As requested; 0 for none.
    limit: usize,
    /// Rows to choose: one more than the limit says whether there are more, or all where sorting comes first.
    choose_max: usize,
    order: SortOrder,
    target: SortTarget,
    keys_only: bool,
    count_only: bool,
    create: (i64, i64),
    modified: (i64, i64),
    chosen: Vec<Chosen>,
    count: i64,
}

#[derive(Clone, Debug)]
struct Chosen {
    mark: Mark,
    /// Empty unless the answer is made from it.
    key: Bytes,
}

/// A planned read that could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum FetchError<E> {
    /// A chosen row is gone: compacted since (ask [`Mvcc::check_revision`]), or the backend lost it.
    #[error("the value of revision {}.{} is missing from the backend", .0.main, .0.sub)]
    Missing(Revision),
    /// The backend failed.
    #[error("reading a value failed")]
    Values(#[source] E),
}

impl Mvcc {
    /// Whether `revision` can be read now; 0 and below stand for the newest.
    pub fn check_revision(&self, revision: i64) -> Result<(), Error> {
        if revision > self.meta.revision {
            Err(Error::FutureRevision)
        } else if revision > 0 && revision < self.meta.compacted {
            Err(Error::Compacted)
        } else {
            Ok(())
        }
    }

    /// Begins a read. The request must have passed [`crate::check::range`].
    pub fn plan_range(&self, request: &pb::RangeRequest) -> Result<RangePlan, Error> {
        self.check_revision(request.revision)?;
        Ok(RangePlan::new(request, self.meta.revision))
    }
}

impl RangePlan {
    pub(crate) fn new(request: &pb::RangeRequest, current: i64) -> Self {
        let order = request.sort_order();
        let target = request.sort_target();
        let create = (request.min_create_revision, request.max_create_revision);
        let modified = (request.min_mod_revision, request.max_mod_revision);
        let filtered = create != (0, 0) || modified != (0, 0);
        // Without an order, etcd limits first and sorts then, unless there are filters; by key, both are the same.
        let limit_first =
            target == SortTarget::Key && order != SortOrder::Descend || order == SortOrder::None && !filtered;
        let limit = usize::try_from(request.limit).unwrap_or(0);
        Self {
            keys: KeyRange::new(request.key.clone(), request.range_end.clone()),
            next: None,
            at: if request.revision > 0 { request.revision } else { current },
            revision: current,
            limit,
            choose_max: if limit > 0 && limit_first { limit.saturating_add(1) } else { usize::MAX },
            order,
            target,
            keys_only: request.keys_only,
            count_only: request.count_only,
            create,
            modified,
            chosen: Vec::new(),
            count: 0,
        }
    }

    /// Revision that is read.
    pub fn at(&self) -> i64 {
        self.at
    }

    /// Looks at no more than `keys_max` further keys; returns whether the choice is complete.
    pub fn choose(&mut self, mvcc: &Mvcc, keys_max: usize) -> Result<bool, Error> {
        if self.at < mvcc.meta.compacted {
            return Err(Error::Compacted);
        }
        let from = self.next.take();
        let with_key = self.keys_only && self.target != SortTarget::Value;
        let mut histories = mvcc.index.histories(&self.keys, from.as_ref());
        for (key, history) in histories.by_ref().take(keys_max.max(1)) {
            let Some(mark) = history.at(self.at) else { continue };
            self.count += 1;
            if !self.count_only && self.chosen.len() < self.choose_max && self.passes(mark) {
                self.chosen.push(Chosen { mark: *mark, key: if with_key { key.clone() } else { Bytes::new() } });
            }
        }
        self.next = histories.next().map(|(key, _)| key.clone());
        Ok(self.next.is_none())
    }

    /// Drops the rows above the limit; returns whether there were any. For a read in key order, whose choice is complete.
    pub fn keep_to_limit(&mut self) -> bool {
        let more = self.limit > 0 && self.chosen.len() > self.limit;
        if more {
            self.chosen.truncate(self.limit);
        }
        self.limit = 0;
        more
    }

    /// The first rows as a read of their own, leaving the others. For a read in key order that was kept to its limit.
    pub fn split_first(&mut self, rows: usize) -> Self {
        let rest = self.chosen.split_off(rows.min(self.chosen.len()));
        let first = std::mem::replace(&mut self.chosen, rest);
        Self { chosen: first, keys: self.keys.clone(), next: None, ..*self }
    }

    /// Rows that are chosen and not split off.
    pub fn rows(&self) -> usize {
        self.chosen.len()
    }

    /// Keys in the range, whatever the limit.
    pub fn count(&self) -> i64 {
        self.count
    }

    /// Revision of the store when the read began.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Reads the chosen rows and makes the answer; its header has the revision only.
    pub fn fetch<V: Values>(mut self, values: &V) -> Result<pb::RangeResponse, FetchError<V::Error>> {
        let by_value = self.target == SortTarget::Value;
        if !by_value {
            self.sort_chosen();
            self.chosen.truncate(self.limit_with_more());
        }
        let mut kvs = Vec::new();
        if self.keys_only && !by_value {
            kvs.extend(self.chosen.iter().map(|chosen| key_without_value(chosen.key.clone(), &chosen.mark)));
        } else {
            let revisions: Vec<Revision> = self.chosen.iter().map(|chosen| chosen.mark.revision).collect();
            values.get_many(&revisions, &mut kvs).map_err(FetchError::Values)?;
            if let Some(missing) = revisions.get(kvs.len()) {
                return Err(FetchError::Missing(*missing));
            }
        }
        if by_value {
            match self.order {
                SortOrder::None | SortOrder::Ascend => kvs.sort_by(|one, two| one.value.cmp(&two.value)),
                SortOrder::Descend => kvs.sort_by(|one, two| two.value.cmp(&one.value)),
            }
        }
        let more = self.limit > 0 && kvs.len() > self.limit;
        if more {
            kvs.truncate(self.limit);
        }
        if self.keys_only {
            kvs.iter_mut().for_each(|kv| kv.value = Bytes::new());
        }
        let header = Some(pb::ResponseHeader { revision: self.revision, ..Default::default() });
        Ok(pb::RangeResponse { header, kvs, more, count: self.count })
    }

    fn limit_with_more(&self) -> usize {
        if self.limit > 0 { self.limit.saturating_add(1) } else { usize::MAX }
    }

    fn passes(&self, mark: &Mark) -> bool {
        let within =
            |(min, max): (i64, i64), revision: i64| (min == 0 || revision >= min) && (max == 0 || revision <= max);
        within(self.create, mark.create) && within(self.modified, mark.revision.main)
    }

    /// Sorts by what the marks know; rows are chosen in key order, and equal ones stay in it.
    fn sort_chosen(&mut self) {
        let field = |mark: &Mark| match self.target {
            SortTarget::Version => mark.version,
            SortTarget::Create => mark.create,
            SortTarget::Mod => mark.revision.main,
            SortTarget::Key | SortTarget::Value => 0,
        };
        match (self.target, self.order) {
            (SortTarget::Key, SortOrder::None | SortOrder::Ascend) => {}
            (SortTarget::Key, SortOrder::Descend) => self.chosen.reverse(),
            (_, SortOrder::None | SortOrder::Ascend) => self.chosen.sort_by_key(|chosen| field(&chosen.mark)),
            (_, SortOrder::Descend) => {
                self.chosen.sort_by_key(|chosen| std::cmp::Reverse(field(&chosen.mark)));
            }
        }
    }
}

fn key_without_value(key: Bytes, mark: &Mark) -> KeyValue {
    KeyValue {
        key,
        create_revision: mark.create,
        mod_revision: mark.revision.main,
        version: mark.version,
        value: Bytes::new(),
        lease: mark.lease,
    }
}
