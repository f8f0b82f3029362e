//! Step 2 of the path of a write: who, may they, is there room. One file a filter, in upstream's order.

pub mod request_info;
