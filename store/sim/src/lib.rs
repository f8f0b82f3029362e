//! Seeded simulation of the store with fault injection; one file a safety property.
