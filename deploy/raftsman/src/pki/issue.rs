//! Making authorities, leaves and signing keys.

use super::{Pair, address};
use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// An authority outlives every leaf; replacing one is an operator's decision.
const AUTHORITY_VALIDITY: Duration = Duration::from_secs(10 * 365 * DAY.as_secs());
/// As long as upstream's signers give.
const LEAF_VALIDITY: Duration = Duration::from_secs(365 * DAY.as_secs());
/// A leaf with less than this left is signed anew at start.
const RENEW_BEFORE: Duration = Duration::from_secs(120 * DAY.as_secs());
/// Clocks of one cluster may differ by this much.
const CLOCK_SKEW: Duration = Duration::from_secs(300);

/// What a leaf may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Introduce a client.
    Client,
    /// Introduce a server.
    Server,
    /// Both: store members speak to each other.
    Both,
}

/// What a leaf says.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) common_name: String,
    pub(super) organisation: Option<String>,
    pub(super) names: Vec<String>,
    pub(super) usage: Use,
}

impl Leaf {
    pub(super) fn client(common_name: &str, organisation: Option<&str>) -> Self {
        let organisation = organisation.map(str::to_owned);
        Self { common_name: common_name.to_owned(), organisation, names: Vec::new(), usage: Use::Client }
    }

    pub(super) fn server(common_name: &str, usage: Use) -> Self {
        Self { common_name: common_name.to_owned(), organisation: None, names: Vec::new(), usage }
    }
}

/// A new self-signed authority.
pub(super) fn authority(common_name: &str) -> Result<Pair> {
    let mut params = base(common_name, None, AUTHORITY_VALIDITY);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// A new leaf, signed by `signer`.
pub(super) fn leaf(signer: &Pair, leaf: &Leaf) -> Result<Pair> {
    let issuer = Issuer::from_ca_cert_pem(&signer.certificate, KeyPair::from_pem(&signer.key)?)?;
    let mut params = base(&leaf.common_name, leaf.organisation.as_deref(), LEAF_VALIDITY);
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = match leaf.usage {
        Use::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
        Use::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
        Use::Both => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
    };
    for name in &leaf.names {
        params.subject_alt_names.push(match address(name) {
            Some(address) => SanType::IpAddress(address),
            None => SanType::DnsName(name.as_str().try_into().with_context(|| format!("{name:?} is no DNS name"))?),
        });
    }
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// A new ECDSA P-256 key, PEM.
pub(super) fn signing_key() -> Result<String> {
    Ok(KeyPair::generate()?.serialize_pem())
}

/// Whether a certificate still lasts a while and carries every name it should.
pub(super) fn still_good(certificate_pem: &str, wanted: &Leaf) -> Result<bool> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(certificate_pem.as_bytes()).context("not a PEM certificate")?;
    let certificate = pem.parse_x509().context("not an X.509 certificate")?;
    let now = i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs())?;
    if certificate.validity().not_after.timestamp() < now + i64::try_from(RENEW_BEFORE.as_secs())? {
        return Ok(false);
    }
    let names = match certificate.subject_alternative_name()? {
        Some(extension) => extension.value.general_names.iter().filter_map(text).collect(),
        None => Vec::new(),
    };
    Ok(wanted.names.iter().all(|name| names.contains(&canonical(name))))
}

fn text(name: &x509_parser::extensions::GeneralName<'_>) -> Option<String> {
    use x509_parser::extensions::GeneralName;
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|octets| std::net::Ipv4Addr::from(octets).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|octets| std::net::Ipv6Addr::from(octets).to_string()),
        },
        _ => None,
    }
}

fn canonical(name: &str) -> String {
    address(name).map_or_else(|| name.to_owned(), |address| address.to_string())
}

fn base(common_name: &str, organisation: Option<&str>, validity: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, common_name);
    if let Some(organisation) = organisation {
        subject.push(DnType::OrganizationName, organisation);
    }
    params.distinguished_name = subject;
    let now = SystemTime::now();
    let epoch = date_time_ymd(1970, 1, 1);
    let since_epoch = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    params.not_before = epoch + since_epoch(now - CLOCK_SKEW);
    params.not_after = epoch + since_epoch(now + validity);
    params
}
