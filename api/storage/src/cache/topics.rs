//! Who is interested in what: one log of changes per namespace, field value or name that somebody watches.
//!
//! A change is put only into the logs it concerns, and only their watchers are woken, so the watch of one node's pods
//! costs nothing while other nodes' pods change. A log lives as long as it has subscribers.

use super::change::Change;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;

/// What a log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TopicKey {
    /// Every change of the resource.
    All,
    /// Changes in one namespace.
    Namespace(Box<str>),
    /// Changes from or to one value of the indexed field at this position.
    Field(usize, Box<str>),
    /// Changes of the object with this store key.
    Name(Bytes),
}

impl TopicKey {
    pub(crate) fn concerns(&self, change: &Change, indexed_fields: &[&'static str]) -> bool {
        match self {
            Self::All => true,
            Self::Namespace(namespace) => change.object().namespace() == Some(namespace),
            Self::Name(key) => change.object().key() == key,
            Self::Field(index, value) => {
                let field = indexed_fields[*index];
                let has = |object: &crate::Stored| object.field(field).unwrap_or_default() == &**value;
                has(change.object()) || change.previous().is_some_and(|previous| has(previous))
            }
        }
    }
}

/// A log with numbered changes. Positions are never reused: `base` counts up as the front goes.
pub(crate) struct Topic {
    pub(crate) log: VecDeque<Arc<Change>>,
    /// Position of the front of the log.
    pub(crate) base: u64,
    /// Every kept change after this revision is in the log.
    pub(crate) complete_from: i64,
    subscribers: u32,
    waiting: Vec<Waker>,
    free: Vec<u32>,
    /// Counts how often the waiting have been woken.
    round: u64,
    key: TopicKey,
}

/// Where a watcher registered its waker: valid only in the round it was made in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Armed {
    round: u64,
    at: u32,
}

/// First position of a log: room below it, because a log can later be extended into the past.
const FIRST_POSITION: u64 = 1 << 40;

impl Topic {
    fn new(key: TopicKey, complete_from: i64) -> Self {
        Self {
            log: VecDeque::new(),
            base: FIRST_POSITION,
            complete_from,
            subscribers: 0,
            waiting: Vec::new(),
            free: Vec::new(),
            round: 1,
            key,
        }
    }

    /// Position behind the last change.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.log.len() as u64
    }

    /// Registers a waker until the next change; once per watcher and round.
    pub(crate) fn arm(&mut self, armed: &mut Armed, waker: &Waker) {
        if armed.round == self.round {
            let registered = &mut self.waiting[armed.at as usize];
            if !registered.will_wake(waker) {
                registered.clone_from(waker);
            }
            return;
        }
        let at = match self.free.pop() {
            Some(at) => {
                self.waiting[at as usize] = waker.clone();
                at
            }
            None => {
                self.waiting.push(waker.clone());
                (self.waiting.len() - 1) as u32
            }
        };
        *armed = Armed { round: self.round, at };
    }

    fn push(&mut self, change: &Arc<Change>, wakers: &mut Vec<Waker>) {
        self.log.push_back(Arc::clone(change));
        if !self.waiting.is_empty() {
            wakers.append(&mut self.waiting);
            self.free.clear();
            self.round += 1;
        }
    }

    fn disarm(&mut self, armed: Armed) {
        if armed.round == self.round {
            self.waiting[armed.at as usize] = Waker::noop().clone();
            self.free.push(armed.at);
        }
    }
}

/// All logs that somebody watches.
pub(crate) struct Topics {
    indexed_fields: &'static [&'static str],
    slots: Vec<Option<Topic>>,
    free: Vec<u32>,
    all: Option<u32>,
    namespaces: HashMap<Box<str>, u32>,
    fields: Vec<HashMap<Box<str>, u32>>,
    names: HashMap<Bytes, u32>,
}

impl Topics {
    pub(crate) fn new(indexed_fields: &'static [&'static str]) -> Self {
        Self {
            indexed_fields,
            slots: Vec::new(),
            free: Vec::new(),
            all: None,
            namespaces: HashMap::new(),
            fields: indexed_fields.iter().map(|_| HashMap::new()).collect(),
            names: HashMap::new(),
        }
    }

    /// Appends a change to every log that it concerns; the wakers of their watchers go to `wakers`.
    pub(crate) fn push(&mut self, change: &Arc<Change>, wakers: &mut Vec<Waker>) {
        self.for_each_concerned(change, |topic| topic.push(change, wakers));
    }

    /// Takes the oldest kept change out of every log that has it.
    pub(crate) fn drop_oldest(&mut self, change: &Arc<Change>) {
        self.for_each_concerned(change, |topic| {
            if topic.log.front().is_some_and(|front| Arc::ptr_eq(front, change)) {
                topic.log.pop_front();
                topic.base += 1;
            }
        });
    }

    /// Joins the log of `key`, made empty and complete from `revision` on if nobody watches it yet.
    pub(crate) fn join(&mut self, key: &TopicKey, revision: i64) -> u32 {
        let at = match self.find(key) {
            Some(at) => at,
            None => self.insert(key, revision),
        };
        self.topic(at).subscribers += 1;
        at
    }

    /// Leaves a log; the last one to leave removes it.
    pub(crate) fn leave(&mut self, at: u32, armed: Armed) {
        let topic = self.topic(at);
        topic.disarm(armed);
        topic.subscribers -= 1;
        if topic.subscribers > 0 {
            return;
        }
        if let Some(topic) = self.slots[at as usize].take() {
            self.free.push(at);
            match &topic.key {
                TopicKey::All => self.all = None,
                TopicKey::Namespace(namespace) => drop(self.namespaces.remove(namespace)),
                TopicKey::Field(index, value) => drop(self.fields[*index].remove(value)),
                TopicKey::Name(key) => drop(self.names.remove(key)),
            }
        }
    }

    pub(crate) fn topic(&mut self, at: u32) -> &mut Topic {
        self.slots[at as usize].as_mut().expect("a topic stays while it has subscribers")
    }

    pub(crate) fn watchers(&self) -> usize {
        self.slots.iter().flatten().map(|topic| topic.subscribers as usize).sum()
    }

    /// Wakes everyone: the logs are about to go.
    pub(crate) fn take_all_wakers(&mut self, wakers: &mut Vec<Waker>) {
        for topic in self.slots.iter_mut().flatten() {
            wakers.append(&mut topic.waiting);
            topic.free.clear();
            topic.round += 1;
        }
    }

    fn find(&self, key: &TopicKey) -> Option<u32> {
        match key {
            TopicKey::All => self.all,
            TopicKey::Namespace(namespace) => self.namespaces.get(namespace).copied(),
            TopicKey::Field(index, value) => self.fields[*index].get(value).copied(),
            TopicKey::Name(key) => self.names.get(key).copied(),
        }
    }

    fn insert(&mut self, key: &TopicKey, revision: i64) -> u32 {
        let topic = Some(Topic::new(key.clone(), revision));
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = topic;
                at
            }
            None => {
                self.slots.push(topic);
                (self.slots.len() - 1) as u32
            }
        };
        match key.clone() {
            TopicKey::All => self.all = Some(at),
            TopicKey::Namespace(namespace) => drop(self.namespaces.insert(namespace, at)),
            TopicKey::Field(index, value) => drop(self.fields[index].insert(value, at)),
            TopicKey::Name(key) => drop(self.names.insert(key, at)),
        }
        at
    }

    fn for_each_concerned(&mut self, change: &Change, mut each: impl FnMut(&mut Topic)) {
        let slots = &mut self.slots;
        let mut visit = |at: Option<u32>| {
            if let Some(topic) = at.and_then(|at| slots[at as usize].as_mut()) {
                each(topic);
            }
        };
        let object = change.object();
        visit(self.all);
        if let Some(namespace) = object.namespace() {
            visit(self.namespaces.get(namespace).copied());
        }
        if !self.names.is_empty() {
            visit(self.names.get(&object.key()[..]).copied());
        }
        for (field, topics) in self.indexed_fields.iter().zip(&self.fields).filter(|(_, topics)| !topics.is_empty()) {
            let value = object.field(field).unwrap_or_default();
            visit(topics.get(value).copied());
            let before = change.previous().map(|previous| previous.field(field).unwrap_or_default());
            if let Some(before) = before.filter(|before| *before != value) {
                visit(topics.get(before).copied());
            }
        }
    }
}
