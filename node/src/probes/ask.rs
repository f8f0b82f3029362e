//! Asks a container how it is: a command in it, an HTTP request, a TCP connection, or a gRPC call.

mod grpc;
mod http;

use k8s_openapi::api::core::v1::{Container, HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use node_cri::{ErrorKind, Runtime};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// Longest text of an answer in an event.
const TEXT_BYTES_MAX: usize = 10 << 10;
/// What servers see; they tell probes from users by it.
const USER_AGENT: &str = "kube-probe/1.37";

/// Where to ask.
pub struct Target {
    /// The container.
    pub container_id: String,
    /// The pod's address.
    pub pod_ip: String,
    /// For commands.
    pub runtime: Arc<dyn Runtime>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All is well.
    Good,
    /// It is not, and how.
    Bad(String),
    /// Nobody can tell: the question could not be asked. It counts neither way.
    Unknown(String),
}

/// Asks once.
pub async fn probe(target: &Target, container: &Container, probe: &Probe, timeout: Duration) -> Answer {
    if let Some(exec) = &probe.exec {
        return command(target, exec.command.as_deref().unwrap_or_default(), timeout).await;
    }
    if let Some(get) = &probe.http_get {
        return match http::status(target, container, get, timeout).await {
            Ok(200..=399) => Answer::Good,
            Ok(code) => Answer::Bad(format!("HTTP probe failed with statuscode: {code}")),
            Err(error) => Answer::Bad(error),
        };
    }
    if let Some(call) = &probe.grpc {
        let Ok(port) = u16::try_from(call.port) else {
            return Answer::Unknown(format!("invalid port number: {}", call.port));
        };
        return grpc::health(&target.pod_ip, port, call.service.as_deref().unwrap_or_default(), timeout).await;
    }
    if let Some(socket) = &probe.tcp_socket {
        let host = socket.host.as_deref().filter(|host| !host.is_empty()).unwrap_or(&target.pod_ip);
        let Some(port) = port(&socket.port, container) else { return Answer::Unknown(unknown_port(&socket.port)) };
        return match connect(host, port, timeout).await {
            Ok(_) => Answer::Good,
            Err(error) => Answer::Bad(error),
        };
    }
    Answer::Unknown("missing probe handler".to_owned())
}

/// Runs a command in the container.
pub async fn command(target: &Target, command: &[String], timeout: Duration) -> Answer {
    match target.runtime.exec_sync(&target.container_id, command, timeout).await {
        Ok(output) if output.exit_code == 0 => Answer::Good,
        Ok(output) => {
            let mut text = [output.stdout, output.stderr].concat();
            text.truncate(TEXT_BYTES_MAX);
            Answer::Bad(String::from_utf8_lossy(&text).into_owned())
        }
        Err(error) if error.kind == ErrorKind::DeadlineExceeded => {
            let words = command.join(" ");
            Answer::Bad(format!("command timed out: {words:?} timed out after {}s", timeout.as_secs()))
        }
        Err(error) => Answer::Unknown(error.to_string()),
    }
}

/// Sends a hook's GET request. Whatever the answer is, the hook has been heard.
///
/// # Errors
/// The request could not be made.
pub async fn request(
    target: &Target,
    container: &Container,
    get: &HTTPGetAction,
    timeout: Duration,
) -> Result<(), String> {
    http::status(target, container, get, timeout).await.map(drop)
}

async fn connect(host: &str, port: u16, timeout: Duration) -> Result<TcpStream, String> {
    let dial = format!("dial tcp {}:{port}", bracketed(host));
    match tokio::time::timeout(timeout, TcpStream::connect((host, port))).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Err(format!("{dial}: connect: connection refused"))
        }
        Ok(Err(error)) => Err(format!("{dial}: connect: {error}")),
        Err(_) => Err(format!("{dial}: i/o timeout")),
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

fn unknown_port(port: &IntOrString) -> String {
    match port {
        IntOrString::Int(port) => format!("invalid port number: {port}"),
        IntOrString::String(name) => format!("port {name:?} not found"),
    }
}

fn port(port: &IntOrString, container: &Container) -> Option<u16> {
    let number = match port {
        IntOrString::Int(port) => *port,
        IntOrString::String(name) => {
            let mut ports = container.ports.iter().flatten();
            ports
                .find(|port| port.name.as_deref() == Some(name))
                .map(|port| port.container_port)
                .or_else(|| name.parse().ok())?
        }
    };
    u16::try_from(number).ok().filter(|port| *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use node_cri::fake::{self, FakeRuntime};
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn target() -> Target {
        let options = fake::Options {
            start_latency: Duration::ZERO,
            failures_per_mille: 0,
            first_ip: std::net::Ipv4Addr::LOCALHOST,
            ips: 1,
            seed: 0,
        };
        Target { container_id: "c".into(), pod_ip: "127.0.0.1".into(), runtime: Arc::new(FakeRuntime::new(options)) }
    }

    async fn ask(what: serde_json::Value) -> Answer {
        let container = serde_json::from_value(json!({"name": "c"})).unwrap();
        probe(&target(), &container, &serde_json::from_value(what).unwrap(), Duration::from_secs(5)).await
    }

    #[tokio::test]
    async fn http_answers_are_good_from_200_to_399_and_refused_connections_are_bad() {
        for (code, want) in [
            (204, Answer::Good),
            (302, Answer::Good),
            (500, Answer::Bad("HTTP probe failed with statuscode: 500".into())),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let serve = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 1024];
                let read = stream.read(&mut request).await.unwrap();
                assert!(request[..read].starts_with(b"GET /ok HTTP/1.1\r\n"));
                stream.write_all(format!("HTTP/1.1 {code} X\r\n\r\n").as_bytes()).await.unwrap();
            };
            let (answer, ()) = tokio::join!(ask(json!({"httpGet": {"port": port, "path": "/ok"}})), serve);
            assert_eq!(answer, want);
            assert_eq!(ask(json!({"tcpSocket": {"port": port}})).await, Answer::Good);
            drop(listener);
            let refused = format!("dial tcp 127.0.0.1:{port}: connect: connection refused");
            assert_eq!(ask(json!({"tcpSocket": {"port": port}})).await, Answer::Bad(refused.clone()));
            let url = format!("Get \"http://127.0.0.1:{port}/\": {refused}");
            assert_eq!(ask(json!({"httpGet": {"port": port}})).await, Answer::Bad(url));
        }
    }

    #[tokio::test]
    async fn a_server_without_tls_is_named_when_it_is_asked_over_tls() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_u8().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        };
        let (answer, ()) = tokio::join!(ask(json!({"httpGet": {"port": port, "scheme": "HTTPS"}})), serve);
        let wanted = format!("Get \"https://127.0.0.1:{port}/\": http: server gave HTTP response to HTTPS client");
        assert_eq!(answer, Answer::Bad(wanted));
    }

    #[tokio::test]
    async fn a_certificate_that_nobody_knows_is_good_enough() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = crate::server::tls::tests::acceptor();
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut request = vec![0; 1024];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        };
        let (answer, ()) = tokio::join!(ask(json!({"httpGet": {"port": port, "scheme": "HTTPS"}})), serve);
        assert_eq!(answer, Answer::Good);
    }

    #[tokio::test]
    async fn a_port_that_the_container_does_not_name_counts_neither_way() {
        let answer = ask(json!({"tcpSocket": {"port": "web"}})).await;
        assert_eq!(answer, Answer::Unknown("port \"web\" not found".into()));
    }
}
