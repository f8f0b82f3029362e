//! Pure Kubernetes semantics: names, selectors, patches, codecs, status, quantities.
//!
//! Nothing here knows a socket, a store, a clock or a source of randomness: time and random numbers are arguments.
//! Objects that are being written are [`serde_json::Value`]; objects that are only read stay bytes and never come
//! through here.
//!
//! In reading order:

pub mod codec;
pub mod duration;
pub mod field;
pub mod gotext;
pub mod gvk;
pub mod intstr;
pub mod list;
pub mod meta;
pub mod names;
pub mod partial;
pub mod patch;
pub mod quantity;
pub mod schema;
pub mod selector;
pub mod status;
pub mod table;
pub mod textdiff;
pub mod time;
pub mod value;
