//! Step 10 of a write, second half: what was applied is announced to the watchers.
//!
//! The history is the watch buffer: a watcher is a cursor into it. Recent history is kept in memory once for all
//! watchers, decoded and encoded at most once each; older history is read from the backend. Nothing is queued for
//! anybody: a watcher that does not read costs a cursor, and finds what it missed when it reads again.
//!
//! Invariants:
//! - A revision is announced after its entry was applied, whole, and in order.
//! - A cursor delivers every matching change from its start on, once, in order, never half a revision; or it is
//!   cancelled with the compacted revision because the history below was compacted.
//! - A progress mark is taken under the same lock that announces, when nothing is pending: it cannot overtake an event.
//! - A cursor whose start lies ahead is silent until then.
//!
//! Not here: etcd's watch stream with its ids and fragments (`crate::rpc::watch`).

mod changes;
mod cursor;
mod handle;
mod hub;

pub(crate) use changes::Changes;
pub(crate) use cursor::{Cursor, Selected, Step, refusal};
pub(crate) use handle::open;
pub(crate) use hub::{Group, Hub};
