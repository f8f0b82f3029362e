//! Cluster addresses.

use super::claims::{Claims, Held};
use crate::registry::strategy::Claim;
use api_storage::{Resource, Storage, StorageError};
use ipnet::IpNet;
use rand::Rng;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Random picks before the taken addresses are listed; in a sparsely used range the first one is free.
const RANDOM_PICKS_MAX: u32 = 8;
/// The lowest addresses are left to those who ask for one by name; upstream's bounds of that band.
const STATIC_BAND: (u128, u128) = (16, 256);

/// Addresses that services have.
#[derive(Clone, Debug)]
pub struct Addresses {
    cidr: IpNet,
    claims: Claims,
}

/// Why an address cannot be had. Displays as upstream says it.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Outside of the range.
    #[error("the provided IP ({address}) is not in the valid range. The range of valid IPs is {range}")]
    OutOfRange {
        /// The address.
        address: IpAddr,
        /// The range.
        range: IpNet,
    },
    /// Somebody has it.
    #[error("provided IP is already allocated")]
    Taken,
    /// Everything is taken.
    #[error("range is full")]
    Full,
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Addresses {
    pub(crate) fn new(storage: &Storage, cidr: IpNet) -> Self {
        let resource = Resource::new("networking.k8s.io", "v1", "ipaddresses", "IPAddress", false);
        Self { cidr: cidr.trunc(), claims: Claims::new(storage, resource, "IPAddress") }
    }

    /// The range.
    pub fn cidr(&self) -> IpNet {
        self.cidr
    }

    /// The first address: that of the `kubernetes` service.
    pub fn first(&self) -> IpAddr {
        self.at(1)
    }

    /// Claims one address. In a dry run nothing is kept, but a taken address is refused all the same.
    ///
    /// # Errors
    /// See [`AddressError`].
    pub async fn claim(
        &self,
        address: IpAddr,
        owner: &str,
        dry_run: bool,
    ) -> Result<Option<Box<dyn Claim>>, AddressError> {
        if !self.is_usable(address) {
            return Err(AddressError::OutOfRange { address, range: self.cidr });
        }
        let name = address.to_string();
        if dry_run {
            return if self.claims.is_taken(&name).await? { Err(AddressError::Taken) } else { Ok(None) };
        }
        if self.claims.take(&name, owner).await? {
            Ok(Some(Held::taken(&self.claims, name)))
        } else {
            Err(AddressError::Taken)
        }
    }

    /// Claims any free address.
    ///
    /// # Errors
    /// See [`AddressError`].
    pub async fn claim_any(
        &self,
        owner: &str,
        dry_run: bool,
    ) -> Result<(IpAddr, Option<Box<dyn Claim>>), AddressError> {
        let size = self.size();
        let low = (size / 16).clamp(STATIC_BAND.0, STATIC_BAND.1).min(size);
        let dynamic = if low + 1 < size { low + 1 } else { 1 };
        for _ in 0..RANDOM_PICKS_MAX {
            let address = self.at(rand::rng().random_range(dynamic..=size.max(dynamic)));
            match self.claim(address, owner, dry_run).await {
                Ok(claim) => return Ok((address, claim)),
                Err(AddressError::Taken | AddressError::OutOfRange { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let taken: HashSet<String> = self.claims.all().await?.into_iter().collect();
        for offset in (dynamic..=size).chain(1..dynamic) {
            let address = self.at(offset);
            if taken.contains(&address.to_string()) {
                continue;
            }
            match self.claim(address, owner, dry_run).await {
                Ok(claim) => return Ok((address, claim)),
                Err(AddressError::Taken | AddressError::OutOfRange { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(AddressError::Full)
    }

    /// Gives an address back once the write that no longer needs it has succeeded.
    pub fn give_back_after(&self, address: IpAddr) -> Box<dyn Claim> {
        Held::to_give_back(&self.claims, address.to_string())
    }

    /// Gives an address back.
    ///
    /// # Errors
    /// The store failed; the repair will find the claim.
    pub async fn give_back(&self, address: IpAddr) -> Result<(), StorageError> {
        self.claims.give_back(&address.to_string()).await
    }

    pub(super) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Addresses without the network's own and the broadcast address.
    fn size(&self) -> u128 {
        let bits = u32::from(self.cidr.max_prefix_len() - self.cidr.prefix_len()).min(100);
        let all = 1u128 << bits;
        if self.cidr.addr().is_ipv4() { all.saturating_sub(2).max(1) } else { all - 1 }
    }

    fn at(&self, offset: u128) -> IpAddr {
        match self.cidr.network() {
            IpAddr::V4(base) => IpAddr::V4(Ipv4Addr::from(u32::from(base).wrapping_add(offset as u32))),
            IpAddr::V6(base) => IpAddr::V6(Ipv6Addr::from(u128::from(base).wrapping_add(offset))),
        }
    }

    fn is_usable(&self, address: IpAddr) -> bool {
        self.cidr.contains(&address)
            && address != self.cidr.network()
            && (address.is_ipv6() || address != self.cidr.broadcast())
    }
}
