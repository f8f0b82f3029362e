//! Validation of probes and lifecycle hooks.

use crate::resources::check;
use crate::resources::value::{has, int, list, text};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::names;
use serde_json::Value;

/// Which probe of a container.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    Liveness,
    Readiness,
    Startup,
}

impl Probe {
    /// All of them, with the field that holds them, in upstream's order.
    pub(crate) const ALL: [(Probe, &'static str); 3] =
        [(Probe::Liveness, "livenessProbe"), (Probe::Readiness, "readinessProbe"), (Probe::Startup, "startupProbe")];
}

/// What a probe or a hook may do, in upstream's order.
const PROBE_HANDLERS: &[&str] = &["exec", "httpGet", "tcpSocket", "grpc"];
const HOOK_HANDLERS: &[&str] = &["exec", "httpGet", "tcpSocket", "sleep"];

/// Checks one probe.
pub(crate) fn validate_probe(probe: &Value, kind: Probe, path: &Path, errors: &mut ErrorList) {
    if probe.is_null() {
        return;
    }
    validate_handler(probe, PROBE_HANDLERS, None, path, errors);
    for key in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        check::not_negative(int(probe, key).unwrap_or(0), &path.child(key), errors);
    }
    if let Some(grace) = int(probe, "terminationGracePeriodSeconds") {
        let path = path.child("terminationGracePeriodSeconds");
        if grace <= 0 {
            errors.push(Error::invalid(&path, grace, "must be greater than 0"));
        }
        if kind == Probe::Readiness {
            errors.push(Error::invalid(&path, grace, "must not be set for readinessProbes"));
        }
    }
    let threshold = int(probe, "successThreshold").unwrap_or(0);
    if kind != Probe::Readiness && threshold != 1 {
        errors.push(Error::invalid(&path.child("successThreshold"), threshold, "must be 1"));
    }
}

/// Checks `lifecycle`. `grace` is the pod's termination grace period.
pub(crate) fn validate_lifecycle(lifecycle: &Value, grace: Option<i64>, path: &Path, errors: &mut ErrorList) {
    for key in ["postStart", "preStop"] {
        if has(lifecycle, key) {
            validate_handler(&lifecycle[key], HOOK_HANDLERS, grace, &path.child(key), errors);
        }
    }
}

fn validate_handler(handler: &Value, kinds: &[&'static str], grace: Option<i64>, path: &Path, errors: &mut ErrorList) {
    let mut seen = false;
    for &kind in kinds {
        if !has(handler, kind) {
            continue;
        }
        let action_path = path.child(kind);
        if seen {
            errors.push(Error::forbidden(&action_path, "may not specify more than 1 handler type"));
            continue;
        }
        seen = true;
        let action = &handler[kind];
        match kind {
            "exec" => {
                if list(action, "command").is_empty() {
                    errors.push(Error::required(&action_path.child("command"), ""));
                }
            }
            "httpGet" => validate_http(action, &action_path, errors),
            "sleep" => validate_sleep(action, grace, &action_path, errors),
            _ => check::port(&action["port"], &action_path.child("port"), errors),
        }
    }
    if !seen {
        errors.push(Error::required(path, "must specify a handler type"));
    }
}

fn validate_http(action: &Value, path: &Path, errors: &mut ErrorList) {
    if text(action, "path").is_empty() {
        errors.push(Error::required(&path.child("path"), ""));
    }
    check::port(&action["port"], &path.child("port"), errors);
    check::one_of(text(action, "scheme"), &["HTTP", "HTTPS"], &path.child("scheme"), errors);
    for header in list(action, "httpHeaders") {
        let name = text(header, "name");
        check::complain(names::is_http_header_name(name), name, &path.child("httpHeaders"), errors);
    }
}

fn validate_sleep(action: &Value, grace: Option<i64>, path: &Path, errors: &mut ErrorList) {
    let seconds = int(action, "seconds").unwrap_or(0);
    if let Some(grace) = grace
        && !(0..=grace).contains(&seconds)
    {
        let text = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        errors.push(Error::invalid(path, seconds, text));
    }
}
