//! Cluster addresses and node ports of services.
//!
//! What is taken is a claim in the store: one object per address or port, so that two API servers can never give away
//! the same one, whatever they have cached. A claim is made before the service is written and given back if the write
//! fails. A crash in between leaves a claim without a service; [`repair`] finds and drops those.
//!
//! Not here: which service needs what (`resources/core/service`).

mod addresses;
mod claims;
mod ports;
pub mod repair;

pub use addresses::{AddressError, Addresses};
pub use claims::Held;
pub use ports::{NodePorts, PortError};
