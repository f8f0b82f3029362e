//! Mutual TLS from PEM files. Both sides show a certificate of an authority that the other trusts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

use crate::config::Tls;
use crate::error::StartError;

/// Key files must keep these bits clear: others must not read the key.
const FORBIDDEN_KEY_MODE: u32 = 0o077;

/// For a listener: clients without a certificate of the trusted authority are refused in the handshake.
pub(crate) fn server_config(tls: &Tls) -> Result<ServerTlsConfig, StartError> {
    let (identity, authority) = read(tls)?;
    Ok(ServerTlsConfig::new().identity(identity).client_ca_root(authority))
}

/// For connections to other members.
pub(crate) fn client_config(tls: &Tls) -> Result<ClientTlsConfig, StartError> {
    let (identity, authority) = read(tls)?;
    Ok(ClientTlsConfig::new().identity(identity).ca_certificate(authority))
}

fn read(tls: &Tls) -> Result<(Identity, Certificate), StartError> {
    let metadata = fs::metadata(&tls.key_file).map_err(|error| unusable(&tls.key_file, &error.to_string()))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & FORBIDDEN_KEY_MODE != 0 {
        return Err(unusable(&tls.key_file, &format!("mode {mode:04o} lets others read the key; use chmod 600")));
    }
    let certificate = pem(&tls.cert_file, "CERTIFICATE")?;
    let key = pem(&tls.key_file, "PRIVATE KEY")?;
    let authority = pem(&tls.trusted_ca_file, "CERTIFICATE")?;
    Ok((Identity::from_pem(certificate, key), Certificate::from_pem(authority)))
}

fn pem(path: &Path, what: &str) -> Result<Vec<u8>, StartError> {
    let text = fs::read(path).map_err(|error| unusable(path, &error.to_string()))?;
    let marker = format!("{what}-----");
    match text.windows(marker.len()).any(|window| window == marker.as_bytes()) {
        true => Ok(text),
        false => Err(unusable(path, &format!("no {what} in PEM form is in it"))),
    }
}

fn unusable(path: &Path, reason: &str) -> StartError {
    StartError::Tls { path: path.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let signed = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("cert"), signed.cert.pem()).unwrap();
        fs::write(path("key"), signed.signing_key.serialize_pem()).unwrap();
        let tls = Tls { cert_file: path("cert"), key_file: path("key"), trusted_ca_file: path("cert") };
        fs::set_permissions(path("key"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(server_config(&tls).is_err_and(|error| error.to_string().contains("chmod 600")));
        fs::set_permissions(path("key"), fs::Permissions::from_mode(0o600)).unwrap();
        assert!(server_config(&tls).is_ok());
    }
}
