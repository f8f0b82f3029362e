//! The replicated store: Raft, backend, watch hub and the etcd v3 wire.
