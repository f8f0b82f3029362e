//! The API's serving certificate while the server runs: signed anew before it expires, shown to new connections as soon
//! as its files have changed, whoever changed them.

use crate::config::Config;
use crate::pki::{Pair, Pki};
use anyhow::Result;
use api::http::TlsMaterial;
use api::server::Handle;
use daemon::{OnError, Supervisor, TaskKind};
use std::convert::Infallible;
use std::time::Duration;

const KEEPER: TaskKind = TaskKind { name: "serving certificate", on_error: OnError::ShutDown };
/// How often the files are looked at; upstream's dynamic certificates do so once a minute too.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);

/// What is shown now, and how to get what should be shown.
pub(super) struct Certificates {
    pki: Pki,
    server: String,
    names: Vec<String>,
    shown: Pair,
}

impl Certificates {
    /// Makes this server's keys where they are missing or no longer good.
    pub(super) fn open(config: &Config, pki: &Pki) -> Result<Self> {
        let mut names = config.tls_sans.clone();
        names.extend([config.bind_address, config.advertise_address].map(|address| address.to_string()));
        // The `kubernetes` service has the first address of its network.
        names.extend(config.service_cidr.hosts().next().map(|address| address.to_string()));
        names.push(config.node.name.clone());
        pki.ensure_server(&config.name, &names)?;
        let shown = pki.pair(&pair_name(&config.name))?;
        Ok(Self { pki: pki.clone(), server: config.name.clone(), names, shown })
    }

    /// What to show to the first connection.
    pub(super) fn material(&self) -> TlsMaterial {
        material(&self.shown)
    }

    /// Renews what expires, and shows the files' content if it is another than what is shown. Whether it was.
    pub(super) fn refresh(&mut self, api: &Handle) -> Result<bool> {
        self.pki.ensure_server(&self.server, &self.names)?;
        let found = self.pki.pair(&pair_name(&self.server))?;
        if found == self.shown {
            return Ok(false);
        }
        api.replace_certificate(&material(&found))?;
        self.shown = found;
        Ok(true)
    }

    /// Refreshes until the shutdown. Files that cannot be used leave what is shown, and are complained about.
    pub(super) fn keep(mut self, api: Handle, supervisor: &Supervisor) {
        let token = supervisor.token().clone();
        supervisor.spawn(KEEPER, async move {
            while token.run_until_cancelled(tokio::time::sleep(CHECK_INTERVAL)).await.is_some() {
                match self.refresh(&api) {
                    Ok(false) => {}
                    Ok(true) => tracing::info!("new connections see another serving certificate"),
                    Err(error) => tracing::warn!("the serving certificate stays as it is: {error:#}"),
                }
            }
            Ok::<(), Infallible>(())
        });
    }
}

fn pair_name(server: &str) -> String {
    format!("{server}.apiserver")
}

fn material(pair: &Pair) -> TlsMaterial {
    TlsMaterial { cert_chain_pem: pair.certificate.clone().into_bytes(), key_pem: pair.key.clone().into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::tests::{config, shown_certificate};
    use crate::server::{ControlPlane, Stages, start_control_plane};

    // proves: SE-01
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_replaced_certificate_is_shown_to_new_connections_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = config(&folder.path().join("data"));
        let stages = Stages::default();
        let ControlPlane { pki, member, api, .. } =
            start_control_plane(&config, &stages).await.expect("a control plane");
        let mut certificates = Certificates::open(&config, &pki).expect("the server's keys");
        let before = shown_certificate(&api, &pki).await;
        assert!(!certificates.refresh(&api).expect("good files"));

        // Without its certificate the pair is signed anew.
        std::fs::remove_file(pki.certificate_file("default.apiserver")).expect("removed");
        assert!(certificates.refresh(&api).expect("good files"));
        let after = shown_certificate(&api, &pki).await;
        assert_ne!(before, after);

        std::fs::write(pki.key_file("default.apiserver"), "no key").expect("written");
        certificates.refresh(&api).expect_err("nothing to show");
        assert_eq!(shown_certificate(&api, &pki).await, after);
        stages.shut_down(&api, &member).await.expect("a clean stop");
    }
}
