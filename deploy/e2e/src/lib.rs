//! End-to-end tests with the real binary, kubectl and containerd.
