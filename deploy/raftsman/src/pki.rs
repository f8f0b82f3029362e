//! The cluster's keys: one folder with a cluster CA, a store CA and what they signed.
//!
//! ```text
//! ca.crt ca.key                        clients and serving certificates of the API
//! store-ca.crt store-ca.key            peers and clients of the store: a tree of its own
//! service-account.key                  signs service-account tokens
//! admin.crt admin.key                  CN=kubernetes-admin, O=system:masters
//! kubelet-client.crt kubelet-client.key   how the API server introduces itself to nodes
//! NAME.apiserver.crt .key, NAME.kubelet.crt .key, NAME.store.crt .key   one set a server
//! ```
//! Keys have mode 0600. A leaf that is about to expire, or lacks a name that the server now needs, is signed anew at
//! start; the authorities never are.

mod issue;

use crate::files;
use anyhow::{Context, Result, bail};
use clap::Args;
use issue::{Leaf, Use};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Flags of `raftsman pki`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder to make; copy it to each server's `DATA_DIR/pki`
    #[arg(long, default_value = "pki")]
    dir: PathBuf,
    /// A server's name and its addresses or DNS names: `a=192.0.2.1,a.example`; once per server
    #[arg(long = "server", value_name = "NAME=ADDRESS[,ADDRESS...]", required = true)]
    servers: Vec<String>,
    /// A further name that the API is reached by
    #[arg(long = "tls-san", value_name = "NAME")]
    tls_sans: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let pki = Pki::create(&arguments.dir)?;
    for server in &arguments.servers {
        let (name, addresses) = server.split_once('=').with_context(|| format!("--server {server}: NAME=ADDRESS"))?;
        let mut names: Vec<String> = addresses.split(',').map(str::to_owned).collect();
        names.extend(arguments.tls_sans.iter().cloned());
        pki.ensure_server(name, &names)?;
    }
    println!("keys of {} servers are in {}", arguments.servers.len(), arguments.dir.display());
    Ok(())
}

/// The address of the `kubernetes` service in the default service network, a name of every API serving certificate; in
/// another network the server adds its own.
pub(crate) const API_SERVICE_IP: &str = "10.96.0.1";

/// A folder of keys.
#[derive(Clone, Debug)]
pub(crate) struct Pki {
    dir: PathBuf,
}

/// A certificate chain and its key, PEM.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    /// PEM, leaf first.
    pub(crate) certificate: String,
    /// PEM, PKCS #8.
    pub(crate) key: String,
}

impl Pki {
    /// Opens an existing folder; refuses keys that others can read.
    ///
    /// # Errors
    /// There is no CA, or a key file can be read by others.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        if !dir.join("ca.crt").is_file() {
            bail!("no cluster CA in {}", dir.display());
        }
        for entry in std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "key") {
                files::read_private(&path)?;
            }
        }
        Ok(Self { dir: dir.to_path_buf() })
    }

    /// Opens the folder, or makes it with its authorities and the keys that all servers share.
    ///
    /// # Errors
    /// As [`Self::open`]; or a file cannot be written.
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        let pki = Self { dir: dir.to_path_buf() };
        if !dir.join("ca.crt").is_file() {
            files::create_private_folder(dir)?;
            pki.write("store-ca", &issue::authority("raftsman-store-ca")?)?;
            files::write_private(&dir.join("service-account.key"), issue::signing_key()?.as_bytes())?;
            // Last, because its presence says that the folder is complete.
            pki.write("ca", &issue::authority("raftsman-ca")?)?;
        }
        let pki = Self::open(dir)?;
        pki.ensure("ca", "admin", &Leaf::client("kubernetes-admin", Some("system:masters")))?;
        pki.ensure("ca", "kubelet-client", &Leaf::client("kube-apiserver-kubelet-client", Some("system:masters")))?;
        Ok(pki)
    }

    /// Makes what one server needs and lacks; `names` are the addresses and DNS names that it is reached by.
    ///
    /// # Errors
    /// A CA key is missing, or a file cannot be written.
    pub(crate) fn ensure_server(&self, name: &str, names: &[String]) -> Result<()> {
        if name.is_empty()
            || !name.chars().all(|character| character.is_ascii_alphanumeric() || "-._".contains(character))
        {
            bail!("server name {name:?}: letters, digits, '-', '.' and '_'");
        }
        let mut api: Vec<String> =
            ["localhost", "127.0.0.1", "::1", API_SERVICE_IP, "kubernetes", "kubernetes.default"]
                .into_iter()
                .chain(["kubernetes.default.svc", "kubernetes.default.svc.cluster.local", name])
                .map(str::to_owned)
                .collect();
        api.extend(names.iter().cloned());
        let mut local: Vec<String> = ["localhost", "127.0.0.1", "::1", name].map(str::to_owned).to_vec();
        local.extend(names.iter().cloned());
        let server = |common: &str, usage, names: Vec<String>| Leaf { names, ..Leaf::server(common, usage) };
        self.ensure("ca", &format!("{name}.apiserver"), &server("kube-apiserver", Use::Server, api))?;
        let kubelet = Leaf {
            organisation: Some("system:nodes".to_owned()),
            ..server(&format!("system:node:{name}"), Use::Server, local.clone())
        };
        self.ensure("ca", &format!("{name}.kubelet"), &kubelet)?;
        self.ensure("store-ca", &format!("{name}.store"), &server(name, Use::Both, local))
    }

    /// The certificate and key called `name`.
    ///
    /// # Errors
    /// A file is missing, or the key can be read by others.
    pub(crate) fn pair(&self, name: &str) -> Result<Pair> {
        Ok(Pair {
            certificate: files::read(&self.certificate_file(name))?,
            key: files::read_private(&self.key_file(name))?,
        })
    }

    /// A new serving certificate of a simulated node, kept nowhere: the node is gone with this process.
    ///
    /// # Errors
    /// The CA's key is missing.
    pub(crate) fn node_serving(&self, name: &str, address: IpAddr) -> Result<Pair> {
        let leaf = Leaf {
            organisation: Some("system:nodes".to_owned()),
            names: vec![name.to_owned(), address.to_string()],
            ..Leaf::server(&format!("system:node:{name}"), Use::Server)
        };
        issue::leaf(&self.pair("ca")?, &leaf)
    }

    /// The cluster CA's certificate, PEM.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn ca_certificate(&self) -> Result<String> {
        files::read(&self.certificate_file("ca"))
    }

    /// The key that signs service-account tokens, PEM.
    ///
    /// # Errors
    /// It cannot be read, or can be read by others.
    pub(crate) fn service_account_key(&self) -> Result<String> {
        files::read_private(&self.dir.join("service-account.key"))
    }

    /// Where the certificate called `name` lies.
    pub(crate) fn certificate_file(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.crt"))
    }

    /// Where the key called `name` lies.
    pub(crate) fn key_file(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.key"))
    }

    fn ensure(&self, authority: &str, name: &str, leaf: &Leaf) -> Result<()> {
        if let Ok(existing) = files::read(&self.certificate_file(name))
            && self.key_file(name).is_file()
            && issue::still_good(&existing, leaf)?
        {
            return Ok(());
        }
        let signer = self.pair(authority).with_context(|| format!("{name}.crt must be signed"))?;
        self.write(name, &issue::leaf(&signer, leaf)?)
    }

    fn write(&self, name: &str, pair: &Pair) -> Result<()> {
        files::write_private(&self.key_file(name), pair.key.as_bytes())?;
        files::write_public(&self.certificate_file(name), pair.certificate.as_bytes())
    }
}

/// Whether a subject alternative name is an address.
fn address(name: &str) -> Option<IpAddr> {
    name.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: SE-01
    #[test]
    fn the_tree_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::create(folder.path()).unwrap();
        pki.ensure_server("a", &["192.0.2.1".to_owned()]).unwrap();
        let before = (pki.ca_certificate().unwrap(), pki.pair("a.apiserver").unwrap().certificate);
        let again = Pki::create(folder.path()).unwrap();
        again.ensure_server("a", &["192.0.2.1".to_owned()]).unwrap();
        assert_eq!(before, (again.ca_certificate().unwrap(), again.pair("a.apiserver").unwrap().certificate));
    }

    #[test]
    fn a_new_address_renews_the_leaf_and_not_the_authority() {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::create(folder.path()).unwrap();
        pki.ensure_server("a", &[]).unwrap();
        let before = (pki.ca_certificate().unwrap(), pki.pair("a.apiserver").unwrap().certificate);
        pki.ensure_server("a", &["192.0.2.7".to_owned()]).unwrap();
        assert_eq!(before.0, pki.ca_certificate().unwrap());
        assert_ne!(before.1, pki.pair("a.apiserver").unwrap().certificate);
    }

    #[test]
    fn a_key_that_others_can_read_stops_the_start() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::create(folder.path()).unwrap();
        let key = pki.key_file("ca");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = Pki::create(folder.path()).unwrap_err().to_string();
        assert!(error.contains("ca.key can be read by others (mode 0640)"), "{error}");
    }

    #[test]
    fn a_server_name_cannot_leave_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::create(folder.path()).unwrap();
        assert!(pki.ensure_server("../a", &[]).is_err());
    }
}
