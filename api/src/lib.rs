//! The API server: HTTP, filters, verbs, registry, resources.
