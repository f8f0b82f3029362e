//! What every long-running part shares: staged shutdown, supervised tasks, logs, metrics, signals.
//!
//! Nobody spawns a task outside the [`Supervisor`]: each task kind declares what its failure means.

pub mod logs;
pub mod metrics;
pub mod signals;
pub mod supervisor;

pub use supervisor::{OnError, Supervisor, TaskKind};
