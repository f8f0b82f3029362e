//! Keeps up what [`super::run`] has written, as long as the server lives: what somebody deletes comes back.

use super::{Bootstrap, namespaces, server, service, token_tracking};
use crate::registry::Registry;
use crate::registry::alloc::repair::Repair;
use api_machinery::status::Status;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two looks at the `kubernetes` service and the system namespaces; upstream's interval.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// Looks between two repairs of what services have allocated: three minutes, as upstream.
const LOOKS_PER_REPAIR: u32 = 18;
/// Looks between two at the tracking of tokens: half an hour, as upstream.
const LOOKS_PER_TRACKING: u32 = 180;
/// For the last write of a server that ends.
const WITHDRAW_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs until `stop` is cancelled; then takes the server's address out of the endpoints.
///
/// # Errors
/// None: what fails is logged and tried again at the next look.
pub async fn keep(
    registry: Arc<Registry>,
    advertise: Option<SocketAddr>,
    stop: CancellationToken,
) -> Result<(), std::convert::Infallible> {
    let bootstrap = Bootstrap { registry: &registry, user: server() };
    let mut repair = Repair::default();
    let mut interval = tokio::time::interval(LOOK_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for look in 0u32.. {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = interval.tick() => {}
        }
        if let Err(status) = look_once(&bootstrap, advertise).await {
            tracing::warn!(error = %status, "keeping the system objects");
        }
        if look % LOOKS_PER_TRACKING == 0
            && let Err(status) = token_tracking::write(&bootstrap).await
        {
            tracing::warn!(error = %status, "keeping the tracking of tokens");
        }
        if look % LOOKS_PER_REPAIR == 0 {
            match repair.run(&registry).await {
                Ok(0) => {}
                Ok(dropped) => tracing::info!(dropped, "gave back addresses and ports that no service has"),
                Err(status) => tracing::warn!(error = %status, "comparing services with what they have allocated"),
            }
        }
    }
    if let Some(address) = advertise.filter(|address| service::is_advertisable(*address)) {
        let withdrawn = tokio::time::timeout(WITHDRAW_TIMEOUT, service::withdraw(&bootstrap, address)).await;
        if !matches!(withdrawn, Ok(Ok(()))) {
            tracing::warn!(%address, "the address stays in the endpoints of the kubernetes service");
        }
    }
    Ok(())
}

async fn look_once(bootstrap: &Bootstrap<'_>, advertise: Option<SocketAddr>) -> Result<(), Status> {
    namespaces::write(bootstrap).await?;
    service::write(bootstrap, advertise).await
}
