//! Asks a server how it is, in the words of `grpc.health.v1.Health` (<https://grpc.io/docs/guides/health-checking/>).

use super::{Answer, bracketed};
use std::time::Duration;
use tonic::Code;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

/// Between two attempts to connect to a server that does not listen yet; upstream's client goes on trying, too.
const CONNECT_PERIOD: Duration = Duration::from_millis(100);

/// `grpc.health.v1.HealthCheckRequest`.
#[derive(Clone, PartialEq, prost::Message)]
struct Request {
    #[prost(string, tag = "1")]
    service: String,
}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Response {
    #[prost(enumeration = "State", tag = "1")]
    status: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum State {
    Unknown = 0,
    Serving = 1,
    NotServing = 2,
    ServiceUnknown = 3,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Serving => "SERVING",
            Self::NotServing => "NOT_SERVING",
            Self::ServiceUnknown => "SERVICE_UNKNOWN",
        }
    }
}

/// Asks once; connecting and the call share the time.
pub(super) async fn health(host: &str, port: u16, service: &str, timeout: Duration) -> Answer {
    let address = format!("{}:{port}", bracketed(host));
    let deadline = tokio::time::Instant::now() + timeout;
    let seconds = timeout.as_secs();
    let channel = match tokio::time::timeout_at(deadline, connect(&address)).await {
        Ok(Ok(channel)) => channel,
        Ok(Err(error)) => return Answer::Bad(format!("error: failed to connect service at {address:?}: {error}")),
        Err(_) => {
            let why = "context deadline exceeded";
            return Answer::Bad(format!("timeout: failed to connect service {address:?} within {seconds}s: {why}"));
        }
    };
    match tokio::time::timeout_at(deadline, check(channel, service)).await {
        Ok(Ok(response)) => match State::try_from(response.status) {
            Ok(State::Serving) => Answer::Good,
            Ok(other) => Answer::Bad(format!("service unhealthy (responded with {:?})", other.name())),
            Err(_) => Answer::Bad(format!("service unhealthy (responded with \"{}\")", response.status)),
        },
        Ok(Err(status)) => Answer::Bad(refusal(&status, seconds)),
        Err(_) => Answer::Bad(format!("timeout: health rpc did not complete within {seconds}s")),
    }
}

async fn connect(address: &str) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?.user_agent(super::USER_AGENT)?;
    loop {
        match endpoint.connect().await {
            Ok(channel) => return Ok(channel),
            Err(_) => tokio::time::sleep(CONNECT_PERIOD).await,
        }
    }
}

async fn check(channel: Channel, service: &str) -> Result<Response, tonic::Status> {
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|error| tonic::Status::unavailable(error.to_string()))?;
    let request = tonic::Request::new(Request { service: service.to_owned() });
    let path = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
    Ok(client.unary(request, path, ProstCodec::<Request, Response>::default()).await?.into_inner())
}

/// Upstream's words.
fn refusal(status: &tonic::Status, seconds: u64) -> String {
    let message = status.message();
    match status.code() {
        Code::Unimplemented => {
            format!("error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {message}")
        }
        Code::DeadlineExceeded => format!("timeout: health rpc did not complete within {seconds}s"),
        code => format!("error: health rpc probe failed: rpc error: code = {code:?} desc = {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    /// Writes one HTTP/2 frame.
    async fn frame(stream: &mut TcpStream, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, flags];
        bytes.extend(id.to_be_bytes());
        bytes.extend_from_slice(payload);
        stream.write_all(&bytes).await.unwrap();
    }

    /// A literal header without indexing.
    fn header(name: &str, value: &str) -> Vec<u8> {
        let mut out = vec![0, u8::try_from(name.len()).unwrap()];
        out.extend(name.as_bytes());
        out.push(u8::try_from(value.len()).unwrap());
        out.extend(value.as_bytes());
        out
    }

    /// Answers one call byte by byte as the protocol says: response headers, perhaps a message, trailers. Returns the
    /// request's message.
    async fn serve(listener: &TcpListener, code: &str, message: Option<&[u8]>) -> Vec<u8> {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        frame(&mut stream, 4, 0, 0, &[]).await;
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.unwrap();
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let mut payload = vec![0; length];
            stream.read_exact(&mut payload).await.unwrap();
            if head[3] == 4 && head[4] == 0 {
                frame(&mut stream, 4, 1, 0, &[]).await;
            }
            // The request's message, its last frame.
            if head[3] == 0 && !payload.is_empty() {
                let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                let fields = [header(":status", "200"), header("content-type", "application/grpc")].concat();
                frame(&mut stream, 1, 4, id, &fields).await;
                if let Some(message) = message {
                    let size = u32::try_from(message.len()).unwrap().to_be_bytes();
                    frame(&mut stream, 0, 0, id, &[&[0], size.as_slice(), message].concat()).await;
                }
                frame(&mut stream, 1, 5, id, &[header("grpc-status", code), header("grpc-message", "why")].concat())
                    .await;
                return payload[5..].to_vec();
            }
        }
    }

    // proves: KL-06
    #[tokio::test]
    async fn a_server_is_healthy_when_it_says_serving() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for (code, message, wanted) in [
            ("0", Some(&[8_u8, 1][..]), Answer::Good),
            ("0", Some(&[8, 2]), Answer::Bad("service unhealthy (responded with \"NOT_SERVING\")".into())),
            ("0", Some(&[]), Answer::Bad("service unhealthy (responded with \"UNKNOWN\")".into())),
            (
                "12",
                None,
                Answer::Bad(
                    "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): why"
                        .into(),
                ),
            ),
            ("5", None, Answer::Bad("error: health rpc probe failed: rpc error: code = NotFound desc = why".into())),
        ] {
            let asked = health("127.0.0.1", port, "web", Duration::from_secs(20));
            let (answer, request) = tokio::join!(asked, serve(&listener, code, message));
            assert_eq!(answer, wanted);
            assert_eq!(request, b"\x0a\x03web");
        }
        drop(listener);
        let refused = "timeout: failed to connect service \"127.0.0.1:PORT\" within 1s: context deadline exceeded";
        let answer = health("127.0.0.1", port, "", Duration::from_secs(1)).await;
        assert_eq!(answer, Answer::Bad(refused.replace("PORT", &port.to_string())));
    }
}
