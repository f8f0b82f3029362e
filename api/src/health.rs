//! `/livez`, `/readyz`, `/healthz`: named checks, with upstream's texts, `?verbose`, `?exclude=` and a path for each.

use crate::filters::request_info;
use crate::http::{Body, respond};
use ::http::{HeaderValue, Response, StatusCode};
use async_trait::async_trait;
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// A check that takes longer has failed (upstream's value for the store).
pub const CHECK_SECONDS_MAX: u64 = 2;

/// Something that can be well or not.
#[async_trait]
pub trait Check: Send + Sync {
    /// Its name in paths and texts.
    fn name(&self) -> &'static str;

    /// Whether the server should be restarted over it, or only left alone for a while.
    fn counts_for(&self, root: Root) -> bool;

    /// # Errors
    /// What is wrong. Shown only on the check's own path.
    async fn check(&self) -> Result<(), String>;
}

/// Which question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// The old one, both of the others.
    Healthz,
    /// Must the process be restarted?
    Livez,
    /// May it get requests?
    Readyz,
}

impl Root {
    const ALL: [Self; 3] = [Self::Healthz, Self::Livez, Self::Readyz];

    const fn name(self) -> &'static str {
        match self {
            Self::Healthz => "healthz",
            Self::Livez => "livez",
            Self::Readyz => "readyz",
        }
    }
}

/// All checks of the server, in the order they are shown.
#[derive(Clone)]
pub struct Health {
    checks: Arc<Vec<Arc<dyn Check>>>,
    slis: Arc<Slis>,
}

/// Outcomes of the checks, for `/metrics/slis` alone.
struct Slis {
    registry: Registry,
    healthy: IntGaugeVec,
    outcomes: IntCounterVec,
}

impl Default for Slis {
    fn default() -> Self {
        let (registry, labels) = (Registry::new(), ["type", "name", "status"]);
        let healthy = Opts::new("kubernetes_healthcheck", "This metric records the result of a single healthcheck.");
        let outcomes =
            Opts::new("kubernetes_healthchecks_total", "This metric records the results of all healthcheck.");
        let slis = Self {
            healthy: IntGaugeVec::new(healthy, &labels[..2]).expect("names and labels are constants"),
            outcomes: IntCounterVec::new(outcomes, &labels).expect("names and labels are constants"),
            registry,
        };
        let added = slis.registry.register(Box::new(slis.healthy.clone()));
        added.and_then(|()| slis.registry.register(Box::new(slis.outcomes.clone()))).expect("two names, two metrics");
        slis
    }
}

impl Slis {
    fn record(&self, root: Root, check: &str, well: bool) {
        self.healthy.with_label_values(&[root.name(), check]).set(well.into());
        let status = if well { "success" } else { "error" };
        self.outcomes.with_label_values(&[root.name(), check, status]).inc();
    }
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.checks.iter().map(|check| check.name())).finish()
    }
}

impl Health {
    /// `ping`, then these.
    pub fn new(checks: impl IntoIterator<Item = Arc<dyn Check>>) -> Self {
        let ping: Arc<dyn Check> = Arc::new(Ping);
        Self { checks: Arc::new(std::iter::once(ping).chain(checks).collect()), slis: Arc::default() }
    }

    /// The paths that are answered, unsorted.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for root in Root::ALL {
            paths.push(format!("/{}", root.name()));
            let checks = self.checks.iter().filter(|check| check.counts_for(root));
            paths.extend(checks.map(|check| format!("/{}/{}", root.name(), check.name())));
        }
        paths
    }

    /// `/metrics/slis`: how every check does now and how often it did before.
    pub async fn slis(&self) -> Response<Body> {
        for root in Root::ALL {
            for check in self.checks.iter().filter(|check| check.counts_for(root)) {
                self.slis.record(root, check.name(), within_time(check).await.is_ok());
            }
        }
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.slis.registry.gather(), &mut text) {
            tracing::error!(%error, "health metrics could not be encoded");
        }
        let media_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        respond::with_type(StatusCode::OK, media_type, text.into())
    }

    /// Answers the path if it is one of health. A slash behind it makes it another, as in upstream's mux.
    pub async fn answer(&self, path: &str, query: &str) -> Option<Response<Body>> {
        let mut segments = path.strip_prefix('/')?.splitn(2, '/');
        let root = match segments.next()? {
            "healthz" => Root::Healthz,
            "livez" => Root::Livez,
            "readyz" => Root::Readyz,
            _ => return None,
        };
        match segments.next() {
            None => Some(self.all(root, query).await),
            Some(name) => {
                let check = self.checks.iter().find(|check| check.name() == name && check.counts_for(root))?;
                Some(match within_time(check).await {
                    Ok(()) => respond::with_type(StatusCode::OK, respond::TEXT, "ok".into()),
                    Err(error) => {
                        let text = format!("internal server error: {error}\n");
                        respond::text(StatusCode::INTERNAL_SERVER_ERROR, text)
                    }
                })
            }
        }
    }

    /// Whether every check of the root passes.
    pub async fn passes(&self, root: Root) -> bool {
        for check in self.checks.iter().filter(|check| check.counts_for(root)) {
            if within_time(check).await.is_err() {
                return false;
            }
        }
        true
    }

    async fn all(&self, root: Root, query: &str) -> Response<Body> {
        let mut excluded = excluded(query);
        let mut text = String::new();
        let mut failed = false;
        for check in self.checks.iter().filter(|check| check.counts_for(root)) {
            let name = check.name();
            let outcome = if excluded.iter().any(|other| other == name) { Ok(()) } else { within_time(check).await };
            self.slis.record(root, name, outcome.is_ok());
            let line = if let Some(at) = excluded.iter().position(|other| other == name) {
                excluded.remove(at);
                writeln!(text, "[+]{name} excluded: ok")
            } else if let Err(error) = outcome {
                tracing::info!(check = name, root = root.name(), error, "health check failed");
                failed = true;
                writeln!(text, "[-]{name} failed: reason withheld")
            } else {
                writeln!(text, "[+]{name} ok")
            };
            line.expect("a string takes everything");
        }
        if !excluded.is_empty() {
            let names: Vec<String> = excluded.iter().map(|name| api_machinery::gotext::quote(name)).collect();
            text.push_str("warn: some health checks cannot be excluded: no matches for ");
            text.push_str(&names.join(","));
            text.push('\n');
        }
        if failed {
            return respond::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{text}{} check failed\n", root.name()));
        }
        if request_info::parameter(query, "verbose").is_none() {
            return plain("ok".to_owned());
        }
        plain(format!("{text}{} check passed\n", root.name()))
    }
}

async fn within_time(check: &Arc<dyn Check>) -> Result<(), String> {
    let limit = Duration::from_secs(CHECK_SECONDS_MAX);
    tokio::time::timeout(limit, check.check()).await.unwrap_or_else(|_| Err("timed out".to_owned()))
}

fn plain(text: String) -> Response<Body> {
    respond::text(StatusCode::OK, text)
}

fn excluded(query: &str) -> Vec<String> {
    let mut names: Vec<String> = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("exclude="))
        .map(|value| request_info::decode_value(value).into_owned())
        .filter(|name| !name.is_empty())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The process answers.
struct Ping;

#[async_trait]
impl Check for Ping {
    fn name(&self) -> &'static str {
        "ping"
    }

    fn counts_for(&self, _root: Root) -> bool {
        true
    }

    async fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    struct Fixed(&'static str, bool, Result<(), &'static str>);

    #[async_trait]
    impl Check for Fixed {
        fn name(&self) -> &'static str {
            self.0
        }

        fn counts_for(&self, root: Root) -> bool {
            self.1 || root == Root::Readyz
        }

        async fn check(&self) -> Result<(), String> {
            self.2.map_err(str::to_owned)
        }
    }

    async fn ask(health: &Health, path: &str, query: &str) -> (u16, String) {
        let response = health.answer(path, query).await.expect("a path of health");
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.expect("in memory").to_bytes();
        (code, String::from_utf8(bytes.to_vec()).expect("text"))
    }

    // proves: AM-45
    #[tokio::test]
    async fn health_speaks_in_upstreams_words() {
        let health = Health::new([
            Arc::new(Fixed("etcd", true, Ok(()))) as Arc<dyn Check>,
            Arc::new(Fixed("shutdown", false, Err("process is shutting down"))),
        ]);
        for (path, query, want) in [
            ("/livez", "", (200, "ok")),
            ("/livez", "verbose", (200, "[+]ping ok\n[+]etcd ok\nlivez check passed\n")),
            (
                "/readyz",
                "",
                (500, "[+]ping ok\n[+]etcd ok\n[-]shutdown failed: reason withheld\nreadyz check failed\n"),
            ),
            (
                "/readyz",
                "verbose&exclude=z&exclude=shutdown&exclude=x",
                (
                    200,
                    "[+]ping ok\n[+]etcd ok\n[+]shutdown excluded: ok\n\
                     warn: some health checks cannot be excluded: no matches for \"x\",\"z\"\nreadyz check passed\n",
                ),
            ),
            ("/healthz/etcd", "", (200, "ok")),
            ("/readyz/shutdown", "", (500, "internal server error: process is shutting down\n")),
        ] {
            let (code, text) = ask(&health, path, query).await;
            assert_eq!((code, text.as_str()), want, "{path}?{query}");
        }
        assert!(health.answer("/livez/shutdown", "").await.is_none(), "no check of livez");
        for path in ["/livezz", "/livez/", "/livez/etcd/", "//livez"] {
            assert!(health.answer(path, "").await.is_none(), "{path}");
        }
    }
}
