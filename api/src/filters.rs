//! Step 2 of the path of a write: who, may they, is there room. One file a filter, in upstream's order.

pub mod audit_id;
pub mod authenticate;
pub mod authorize;
pub mod body_limit;
pub mod compress;
pub mod contain;
pub mod deadline;
pub mod impersonate;
pub mod in_flight;
pub mod request_info;
pub mod warnings;
