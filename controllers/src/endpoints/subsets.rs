//! Addresses grouped by the ports that they all serve (upstream: `pkg/api/v1/endpoints`).

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset};
use std::collections::BTreeMap;

/// Addresses that one Endpoints object holds (upstream: `maxCapacity`); further ones are left out and an annotation says
/// so. EndpointSlices have all of them.
pub(super) const ADDRESSES_MAX: usize = 1000;

/// What tells two addresses apart: the address and the pod's uid.
type Who = (String, String);

/// Collects which address serves which port, and whether it is ready.
#[derive(Default)]
pub(crate) struct Subsets {
    addresses: BTreeMap<Who, EndpointAddress>,
    ports: Vec<(Option<EndpointPort>, BTreeMap<Who, bool>)>,
}

impl Subsets {
    /// Adds an address that serves this port, or no port at all.
    pub(crate) fn add(&mut self, port: Option<EndpointPort>, address: &EndpointAddress, is_ready: bool) {
        let uid = address.target_ref.as_ref().and_then(|target| target.uid.clone()).unwrap_or_default();
        let who = (address.ip.clone(), uid);
        self.addresses.entry(who.clone()).or_insert_with(|| address.clone());
        let index = self.ports.iter().position(|(known, _)| *known == port).unwrap_or_else(|| {
            self.ports.push((port, BTreeMap::new()));
            self.ports.len() - 1
        });
        // Not ready wins.
        self.ports[index].1.entry(who).and_modify(|ready| *ready &= is_ready).or_insert(is_ready);
    }

    /// The subsets: ports with the very same addresses share one.
    pub(crate) fn pack(self) -> Vec<EndpointSubset> {
        let mut groups: Vec<(BTreeMap<Who, bool>, Vec<EndpointPort>)> = Vec::new();
        for (port, who) in self.ports {
            match groups.iter_mut().find(|(known, _)| *known == who) {
                Some((_, ports)) => ports.extend(port),
                None => groups.push((who, port.into_iter().collect())),
            }
        }
        let mut subsets: Vec<EndpointSubset> = Vec::new();
        for (who, mut ports) in groups {
            ports.sort_by_key(order);
            let with = |ready: bool| {
                let chosen = who.iter().filter(|(_, is_ready)| **is_ready == ready);
                chosen.map(|(who, _)| self.addresses[who].clone()).collect()
            };
            subsets.push(EndpointSubset {
                addresses: some(with(true)),
                not_ready_addresses: some(with(false)),
                ports: some(ports),
            });
        }
        subsets.sort_by_key(|subset| subset.ports.as_deref().unwrap_or_default().first().map(order));
        subsets
    }
}

/// Leaves out what is beyond [`ADDRESSES_MAX`], the unready first, each subset in proportion; says whether it did.
pub(super) fn truncate(subsets: &mut [EndpointSubset]) -> bool {
    let count = |list: &Option<Vec<EndpointAddress>>| list.as_ref().map_or(0, Vec::len);
    let ready: usize = subsets.iter().map(|subset| count(&subset.addresses)).sum();
    let unready: usize = subsets.iter().map(|subset| count(&subset.not_ready_addresses)).sum();
    if ready + unready <= ADDRESSES_MAX {
        return false;
    }
    let cuts_ready = ready > ADDRESSES_MAX;
    let (room, total) = if cuts_ready { (ADDRESSES_MAX, ready) } else { (ADDRESSES_MAX - ready, unready) };
    let mut left = room;
    for subset in subsets {
        let list = if cuts_ready { &mut subset.addresses } else { &mut subset.not_ready_addresses };
        let share = (count(list) * room).div_ceil(total).min(left);
        left -= share.min(count(list));
        let mut kept = list.take().unwrap_or_default();
        kept.truncate(share);
        *list = some(kept);
        if cuts_ready {
            subset.not_ready_addresses = None;
        }
    }
    true
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// Upstream orders ports by the FNV-1a hash of their Go form.
fn order(port: &EndpointPort) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let go = format!(
        "(v1.EndpointPort){{Name:(string){} Port:(int32){} Protocol:(v1.Protocol){} AppProtocol:(*string){}}}",
        port.name.as_deref().unwrap_or_default(),
        port.port,
        port.protocol.as_deref().unwrap_or_default(),
        port.app_protocol.as_deref().unwrap_or("<nil>"),
    );
    go.bytes().fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}
