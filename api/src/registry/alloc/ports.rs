//! Node ports.

use super::claims::{Claims, Held};
use crate::registry::strategy::Claim;
use api_storage::{Resource, Storage, StorageError};
use rand::Rng;
use std::collections::HashSet;
use std::ops::RangeInclusive;

/// Random picks before the taken ports are listed.
const RANDOM_PICKS_MAX: u32 = 8;
/// The lowest ports are left to those who ask for one by number; upstream's bounds of that band.
const STATIC_BAND: (u16, u16) = (16, 128);

/// Ports that services have on every node.
#[derive(Clone, Debug)]
pub struct NodePorts {
    range: RangeInclusive<u16>,
    claims: Claims,
}

/// Why a port cannot be had. Displays as upstream says it.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Outside of the range.
    #[error("provided port is not in the valid range. The range of valid ports is {first}-{last}")]
    OutOfRange {
        /// First port of the range.
        first: u16,
        /// Last port of the range.
        last: u16,
    },
    /// Somebody has it.
    #[error("provided port is already allocated")]
    Taken,
    /// Everything is taken.
    #[error("range is full")]
    Full,
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl NodePorts {
    pub(crate) fn new(storage: &Storage, range: RangeInclusive<u16>) -> Self {
        let resource = Resource::new("alloc.raftsman", "v1", "nodeports", "NodePort", false);
        Self { range, claims: Claims::new(storage, resource, "NodePort") }
    }

    /// Claims one port. In a dry run nothing is kept, but a taken port is refused all the same.
    ///
    /// # Errors
    /// See [`PortError`].
    pub async fn claim(&self, port: u16, owner: &str, dry_run: bool) -> Result<Option<Box<dyn Claim>>, PortError> {
        if !self.range.contains(&port) {
            return Err(PortError::OutOfRange { first: *self.range.start(), last: *self.range.end() });
        }
        let name = port.to_string();
        if dry_run {
            return if self.claims.is_taken(&name).await? { Err(PortError::Taken) } else { Ok(None) };
        }
        if self.claims.take(&name, owner).await? {
            Ok(Some(Held::taken(&self.claims, name)))
        } else {
            Err(PortError::Taken)
        }
    }

    /// Claims any free port.
    ///
    /// # Errors
    /// See [`PortError`].
    pub async fn claim_any(&self, owner: &str, dry_run: bool) -> Result<(u16, Option<Box<dyn Claim>>), PortError> {
        let (first, last) = (*self.range.start(), *self.range.end());
        let size = last.saturating_sub(first);
        let dynamic = first + (size / 32).clamp(STATIC_BAND.0, STATIC_BAND.1).min(size);
        for _ in 0..RANDOM_PICKS_MAX {
            let port = rand::rng().random_range(dynamic..=last);
            match self.claim(port, owner, dry_run).await {
                Ok(claim) => return Ok((port, claim)),
                Err(PortError::Taken) => {}
                Err(error) => return Err(error),
            }
        }
        let taken: HashSet<String> = self.claims.all().await?.into_iter().collect();
        for port in (dynamic..=last).chain(first..dynamic) {
            if taken.contains(&port.to_string()) {
                continue;
            }
            match self.claim(port, owner, dry_run).await {
                Ok(claim) => return Ok((port, claim)),
                Err(PortError::Taken) => {}
                Err(error) => return Err(error),
            }
        }
        Err(PortError::Full)
    }

    /// Gives a port back once the write that no longer needs it has succeeded.
    pub fn give_back_after(&self, port: u16) -> Box<dyn Claim> {
        Held::to_give_back(&self.claims, port.to_string())
    }

    /// Gives a port back.
    ///
    /// # Errors
    /// The store failed; the repair will find the claim.
    pub async fn give_back(&self, port: u16) -> Result<(), StorageError> {
        self.claims.give_back(&port.to_string()).await
    }

    pub(super) fn claims(&self) -> &Claims {
        &self.claims
    }
}
