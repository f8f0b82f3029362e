//! Typed access to objects over the store, and the watch cache.
