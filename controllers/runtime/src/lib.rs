//! What every controller stands on, scheduler included: shared informers, work queues, expectations, leader election,
//! events. A client of the API server like any other; it knows nothing of the store.
//!
//! The pattern is upstream's: events give latency, a periodic full pass gives truth, and both put keys into the same
//! queue; a reconciler sees only keys and the informers' state.

pub mod events;
pub mod expectations;
pub mod index;
pub mod informer;
pub mod key;
pub mod leader;
pub mod metrics;
pub mod queue;
pub mod taints;
pub mod trim;
pub mod worker;

pub use events::Recorder;
pub use expectations::Expectations;
pub use index::Index;
pub use informer::{Delta, Informer};
pub use key::Key;
pub use queue::Queue;
