//! One GET request of a probe or a hook, in the clear or over TLS.
//!
//! Whoever asks has no name for a pod that a certificate could hold: nobody's certificate is verified (as upstream).

use super::{Target, bracketed, connect, port, unknown_port};
use k8s_openapi::api::core::v1::{Container, HTTPGetAction};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;

/// A status line is not longer.
const STATUS_BYTES_MAX: u64 = 4096;

/// The code that came back.
///
/// # Errors
/// The request could not be made; in the words of Go's client.
pub(super) async fn status(
    target: &Target,
    container: &Container,
    get: &HTTPGetAction,
    timeout: Duration,
) -> Result<u16, String> {
    let host = get.host.as_deref().filter(|host| !host.is_empty()).unwrap_or(&target.pod_ip);
    let port = port(&get.port, container).ok_or_else(|| unknown_port(&get.port))?;
    let path = get.path.as_deref().unwrap_or("/");
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let is_secure = get.scheme.as_deref().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    let scheme = if is_secure { "https" } else { "http" };
    let url = format!("{scheme}://{}:{port}{path}", bracketed(host));
    let request = request(get, &path, &format!("{}:{port}", bracketed(host)));
    let exchanged = async {
        let stream = connect(host, port, timeout).await?;
        if !is_secure {
            return exchange(stream, &request).await;
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let stream = CONNECTOR.connect(name, stream).await.map_err(|error| tls_words(&error))?;
        exchange(stream, &request).await
    };
    match tokio::time::timeout(timeout, exchanged).await {
        Ok(answer) => answer.map_err(|error| format!("Get {url:?}: {error}")),
        Err(_) => {
            Err(format!("Get {url:?}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)"))
        }
    }
}

fn request(get: &HTTPGetAction, path: &str, host: &str) -> String {
    let mut request = format!("GET {path} HTTP/1.1\r\n");
    let mut own = BTreeSet::new();
    for header in get.http_headers.iter().flatten() {
        own.insert(header.name.to_ascii_lowercase());
        // Upstream drops a header that is set to nothing.
        if !header.value.is_empty() {
            request.push_str(&format!("{}: {}\r\n", header.name, header.value));
        }
    }
    for (name, value) in [("Host", host), ("User-Agent", super::USER_AGENT), ("Accept", "*/*")] {
        if !own.contains(&name.to_ascii_lowercase()) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    request.push_str("Connection: close\r\n\r\n");
    request
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Result<u16, String> {
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let mut head = Vec::new();
    let mut limited = stream.take(STATUS_BYTES_MAX);
    while !head.contains(&b'\n') {
        if limited.read_buf(&mut head).await.map_err(|error| error.to_string())? == 0 {
            break;
        }
    }
    match head.is_empty() {
        true => Err("EOF".to_owned()),
        false => status_code(&head).ok_or_else(|| malformed(&head)),
    }
}

fn status_code(head: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(first_line(head)?).ok()?;
    let mut words = line.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

fn first_line(head: &[u8]) -> Option<&[u8]> {
    head.split(|byte| *byte == b'\r' || *byte == b'\n').next()
}

fn malformed(head: &[u8]) -> String {
    let line = String::from_utf8_lossy(first_line(head).unwrap_or_default());
    format!("net/http: HTTP/1.x transport connection broken: malformed HTTP response {line:?}")
}

/// A server that speaks no TLS answers a handshake with plain words.
fn tls_words(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidMessage(_)) => "http: server gave HTTP response to HTTPS client".to_owned(),
        Some(other) => format!("remote error: tls: {other}"),
        None => error.to_string(),
    }
}

static CONNECTOR: LazyLock<TlsConnector> = LazyLock::new(|| {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has the default versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
});

/// Takes every certificate; that its owner holds the key is verified all the same.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn headers_of_the_probe_replace_our_own() {
        let get = |headers| serde_json::from_value(json!({"port": 80, "httpHeaders": headers})).unwrap();
        let text =
            request(&get(json!([{"name": "host", "value": "web"}, {"name": "Accept", "value": ""}])), "/x", "h:80");
        assert_eq!(
            text,
            format!(
                "GET /x HTTP/1.1\r\nhost: web\r\nUser-Agent: {}\r\nConnection: close\r\n\r\n",
                super::super::USER_AGENT
            )
        );
    }

    #[test]
    fn what_is_no_http_is_shown() {
        assert_eq!(status_code(b"HTTP/1.1 204 No Content\r\n"), Some(204));
        assert_eq!(status_code(b"SSH-2.0\r\n"), None);
        assert!(malformed(b"SSH-2.0\r\n").ends_with("malformed HTTP response \"SSH-2.0\""));
    }
}
