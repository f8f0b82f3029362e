//! Logs on standard error: text for people, JSON for machines; `RAFTSMAN_LOG` filters as `tracing`'s `EnvFilter`.

use tracing_subscriber::EnvFilter;

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One readable line an event.
    #[default]
    Text,
    /// One JSON object an event.
    Json,
}

/// Installs the process-wide subscriber; a second call changes nothing. `default_filter` counts where `RAFTSMAN_LOG` is unset.
pub fn init(format: Format, default_filter: &str) {
    let filter = EnvFilter::try_from_env("RAFTSMAN_LOG").unwrap_or_else(|_| EnvFilter::new(default_filter));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let outcome = match format {
        Format::Text => builder.with_ansi(false).try_init(),
        Format::Json => builder.json().try_init(),
    };
    if outcome.is_err() {
        tracing::debug!("logs were already set up");
    }
}
