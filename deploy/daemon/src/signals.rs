//! SIGTERM and SIGINT begin the shutdown; a second one ends the process at once.

use crate::Supervisor;
use tokio::signal::unix::{SignalKind, signal};

/// Waits for a first signal or for the shutdown to begin by itself, then begins it. A second signal exits with status 130.
///
/// # Errors
/// The handlers could not be installed.
pub async fn shut_down_on_signal(supervisor: &Supervisor) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: shutting down"),
        _ = interrupt.recv() => tracing::info!("SIGINT: shutting down"),
        () = supervisor.token().cancelled() => {}
    }
    supervisor.shut_down();
    let second = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(130);
    };
    supervisor.spawn_detached(second);
    Ok(())
}
