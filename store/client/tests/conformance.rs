//! The in-memory store passes the exam, on a store that all checks share and on fresh ones.

use std::sync::Arc;
use store_client::conformance::{self, CHECKS};
use store_client::{MemoryStore, Store};

// proves: ST-08, ST-09, ST-10, ST-11, ST-12, ST-13
#[tokio::test(start_paused = true)]
async fn the_memory_store_passes_every_check_on_one_store() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    conformance::run_all(|| async { Arc::clone(&store) }).await;
}

#[tokio::test(start_paused = true)]
async fn the_memory_store_passes_every_check_on_a_fresh_store() {
    conformance::run_all(|| async { Arc::new(MemoryStore::new()) as Arc<dyn Store> }).await;
}

#[test]
fn every_check_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<_> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(names.len(), CHECKS.len());
    assert!(names.iter().all(|name| conformance::find(name).is_some_and(|found| found.name == *name)));
}
