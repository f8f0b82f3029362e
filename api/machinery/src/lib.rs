//! Pure Kubernetes semantics: names, selectors, patches, codecs, status, quantities.
