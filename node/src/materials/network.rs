//! What containers read to find others: `/etc/resolv.conf` (through the sandbox) and `/etc/hosts`. Pure.

use crate::options::Real;
use k8s_openapi::api::core::v1::Pod;
use node_cri::Dns;

/// Longest host name that the kernel takes.
const HOSTNAME_BYTES_MAX: usize = 64;

/// The pod's resolver; `host` is the text of the host's `resolv.conf`.
pub fn dns(pod: &Pod, settings: &Real, host: &str) -> Dns {
    let Some(spec) = &pod.spec else { return Dns::default() };
    let policy = spec.dns_policy.as_deref().unwrap_or("ClusterFirst");
    let on_host = spec.host_network == Some(true);
    let clustered = !settings.cluster_dns.is_empty()
        && (policy == "ClusterFirstWithHostNet" || (policy == "ClusterFirst" && !on_host));
    let mut dns = match (policy, clustered) {
        ("None", _) => Dns::default(),
        (_, true) => {
            let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
            let domain = &settings.cluster_domain;
            let mut searches = vec![format!("{namespace}.svc.{domain}"), format!("svc.{domain}"), domain.clone()];
            searches.extend(parse(host).searches);
            let servers = settings.cluster_dns.iter().map(ToString::to_string).collect();
            Dns { servers, searches, options: vec!["ndots:5".to_owned()] }
        }
        (_, false) => parse(host),
    };
    if let Some(config) = &spec.dns_config {
        add(&mut dns.servers, config.nameservers.iter().flatten().cloned());
        add(&mut dns.searches, config.searches.iter().flatten().cloned());
        for option in config.options.iter().flatten() {
            let Some(name) = &option.name else { continue };
            let key = |text: &str| text.split(':').next().unwrap_or_default().to_owned();
            dns.options.retain(|one| key(one) != *name);
            dns.options.push(option.value.as_ref().map_or_else(|| name.clone(), |value| format!("{name}:{value}")));
        }
    }
    let mut unique = Vec::new();
    add(&mut unique, std::mem::take(&mut dns.searches).into_iter());
    dns.searches = unique;
    dns
}

/// The host name of a pod, which it may want to be its full name.
///
/// # Errors
/// The kernel takes no name that long; upstream's words.
pub fn hostname(pod: &Pod, short: String, domain: &str) -> Result<String, String> {
    let Some(spec) = pod.spec.as_ref().filter(|spec| spec.set_hostname_as_fqdn == Some(true)) else { return Ok(short) };
    let Some(subdomain) = spec.subdomain.as_deref().filter(|subdomain| !subdomain.is_empty()) else { return Ok(short) };
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let name = format!("{short}.{subdomain}.{namespace}.svc.{domain}");
    if name.len() > HOSTNAME_BYTES_MAX {
        return Err(format!(
            "failed to construct FQDN from Pod hostname and cluster domain, FQDN {name} is too long \
             ({HOSTNAME_BYTES_MAX} characters is the max, {} characters requested)",
            name.len()
        ));
    }
    Ok(name)
}

/// The hosts file of a pod; `host` is the host's, for pods on its network.
pub fn hosts(pod: &Pod, hostname: &str, pod_ips: &[String], settings: &Real, host: &str) -> String {
    let spec = pod.spec.clone().unwrap_or_default();
    let mut text = String::new();
    if spec.host_network == Some(true) {
        text.push_str("# Kubernetes-managed hosts file (host network).\n");
        text.push_str(host);
    } else {
        text.push_str("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n");
        text.push_str("::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\n");
        text.push_str("fe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n");
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        for ip in pod_ips {
            match spec.subdomain.as_deref().filter(|subdomain| !subdomain.is_empty()) {
                Some(subdomain) => {
                    let domain = &settings.cluster_domain;
                    text.push_str(&format!("{ip}\t{hostname}.{subdomain}.{namespace}.svc.{domain}\t{hostname}\n"));
                }
                None => text.push_str(&format!("{ip}\t{hostname}\n")),
            }
        }
    }
    let aliases = spec.host_aliases.as_deref().unwrap_or_default();
    if !aliases.is_empty() {
        text.push_str("\n# Entries added by HostAliases.\n");
        for alias in aliases {
            text.push_str(&format!("{}\t{}\n", alias.ip, alias.hostnames.as_deref().unwrap_or_default().join("\t")));
        }
    }
    text
}

fn parse(text: &str) -> Dns {
    let mut dns = Dns::default();
    for line in text.lines() {
        let mut words = line.split_whitespace().map(str::to_owned);
        match words.next().as_deref() {
            Some("nameserver") => dns.servers.extend(words.next()),
            // The last of several lines counts.
            Some("search") => dns.searches = words.collect(),
            Some("options") => dns.options = words.collect(),
            _ => {}
        }
    }
    dns
}

fn add(list: &mut Vec<String>, more: impl Iterator<Item = String>) {
    for one in more {
        if !list.contains(&one) {
            list.push(one);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn settings() -> Real {
        Real {
            root: "/x".into(),
            cluster_domain: "cluster.local".into(),
            cluster_dns: vec!["10.0.0.10".parse().unwrap()],
            secrets_in_memory: false,
        }
    }

    fn pod(spec: Value) -> Pod {
        let mut object = json!({"metadata": {"name": "p", "namespace": "ns"}, "spec": {"containers": []}});
        object["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn the_policy_decides_whose_name_servers_are_asked() {
        let host = "# comment\nnameserver 1.1.1.1\nsearch example.org\noptions timeout:1\n";
        let cluster = "10.0.0.10 | ns.svc.cluster.local svc.cluster.local cluster.local example.org | ndots:5";
        for (spec, want) in [
            (json!({}), cluster),
            (json!({"hostNetwork": true}), "1.1.1.1 | example.org | timeout:1"),
            (json!({"hostNetwork": true, "dnsPolicy": "ClusterFirstWithHostNet"}), cluster),
            (json!({"dnsPolicy": "Default"}), "1.1.1.1 | example.org | timeout:1"),
            (
                json!({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["9.9.9.9"], "searches": ["a"],
                    "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]}}),
                "9.9.9.9 | a | ndots:2 edns0",
            ),
        ] {
            let dns = dns(&pod(spec.clone()), &settings(), host);
            let text = [dns.servers.join(" "), dns.searches.join(" "), dns.options.join(" ")].join(" | ");
            assert_eq!(text, want, "{spec}");
        }
    }

    #[test]
    fn a_host_name_is_the_full_name_when_the_pod_asks_for_it_and_it_fits() {
        let name = |spec: Value, short: &str| hostname(&pod(spec), short.to_owned(), "cluster.local");
        assert_eq!(name(json!({"subdomain": "s"}), "p"), Ok("p".to_owned()));
        assert_eq!(name(json!({"setHostnameAsFQDN": true}), "p"), Ok("p".to_owned()));
        let full = json!({"subdomain": "s", "setHostnameAsFQDN": true});
        assert_eq!(name(full.clone(), "p"), Ok("p.s.ns.svc.cluster.local".to_owned()));
        let error = name(full, &"p".repeat(60)).unwrap_err();
        assert!(error.ends_with(" is too long (64 characters is the max, 83 characters requested)"), "{error}");
    }

    #[test]
    fn the_hosts_file_names_the_pod_and_its_aliases() {
        let pod = pod(json!({"subdomain": "sub", "hostAliases": [{"ip": "9.9.9.9", "hostnames": ["a", "b"]}]}));
        let text = hosts(&pod, "p", &["10.1.0.2".to_owned()], &settings(), "");
        assert!(text.contains("10.1.0.2\tp.sub.ns.svc.cluster.local\tp\n"), "{text}");
        assert!(text.ends_with("\n# Entries added by HostAliases.\n9.9.9.9\ta\tb\n"), "{text}");
    }
}
