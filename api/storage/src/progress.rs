//! Whether the store's progress marks can be trusted.
//!
//! etcd before 3.4.31 and 3.5.13 may answer a progress request with a mark ahead of events that it has not delivered
//! (etcd#15220): believing it loses events. Upstream's API server looks at the version in the same way.

use store_client::Store;
use store_types::etcdserverpb::StatusRequest;
use tokio::sync::OnceCell;

/// Asks the store once; a store that does not answer is asked again.
#[derive(Default)]
pub(crate) struct Progress(OnceCell<bool>);

impl Progress {
    /// Whether a progress request may be sent and its mark believed.
    pub(crate) async fn is_trusted(&self, store: &dyn Store) -> bool {
        let ask = async || Ok::<_, store_client::Error>(trusted(&store.status(StatusRequest {}).await?.version));
        *self.0.get_or_try_init(ask).await.unwrap_or(&false)
    }
}

fn trusted(version: &str) -> bool {
    // Suffixes such as `-rc.1` end the number that they follow.
    let mut numbers = version.split('.').map(|part| {
        let digits = part.find(|character: char| !character.is_ascii_digit()).unwrap_or(part.len());
        part[..digits].parse::<u32>().ok()
    });
    let mut next = || numbers.next().flatten();
    match (next(), next(), next()) {
        (Some(3), Some(4), Some(patch)) => patch >= 31,
        (Some(3), Some(5), Some(patch)) => patch >= 13,
        (Some(major), Some(minor), Some(_)) => (major, minor) >= (3, 6),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::trusted;

    #[test]
    fn marks_are_trusted_from_the_releases_on_that_keep_them_behind_their_events() {
        for (version, expected) in [
            ("3.3.99", false),
            ("3.4.23", false),
            ("3.4.31", true),
            ("3.5.12", false),
            ("3.5.13", true),
            ("3.6.0-rc.1", true),
            ("3.7.0", true),
            ("4.0.0", true),
            ("", false),
            ("3.5", false),
            ("unknown", false),
        ] {
            assert_eq!(trusted(version), expected, "{version:?}");
        }
    }
}
