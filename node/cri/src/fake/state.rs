//! The table behind the fake runtime.

use super::Options;
use crate::types::*;
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

/// What containerd says of a container that could not be started.
const START_ERROR_CODE: i32 = 128;

#[derive(Default)]
pub(super) struct State {
    pub(super) sandboxes: HashMap<String, Sandbox>,
    pub(super) containers: HashMap<String, Container>,
    pub(super) images: HashSet<String>,
    pub(super) random: u64,
    pub(super) ids: u64,
    pub(super) ips: u32,
}

impl State {
    pub(super) fn next_id(&mut self) -> String {
        self.ids += 1;
        format!("{:016x}", self.ids)
    }

    pub(super) fn next_ip(&mut self, options: &Options) -> String {
        let offset = self.ips % options.ips.max(1);
        self.ips += 1;
        Ipv4Addr::from(u32::from(options.first_ip) + offset).to_string()
    }

    /// SplitMix64: a replay with the same seed fails the same calls.
    pub(super) fn random_below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

pub(super) struct Sandbox {
    id: String,
    name: String,
    namespace: String,
    pub(super) uid: String,
    attempt: u32,
    pub(super) ready: bool,
    created_at: Timestamp,
    pub(super) ips: Vec<String>,
}

impl Sandbox {
    pub(super) fn new(id: String, config: &SandboxConfig, ips: Vec<String>, now: Timestamp) -> Self {
        Self {
            id,
            name: config.name.clone(),
            namespace: config.namespace.clone(),
            uid: config.uid.clone(),
            attempt: config.attempt,
            ready: true,
            created_at: now,
            ips,
        }
    }

    pub(super) fn status(&self) -> SandboxStatus {
        SandboxStatus {
            id: self.id.clone(),
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            uid: self.uid.clone(),
            attempt: self.attempt,
            ready: self.ready,
            created_at: self.created_at,
            ips: self.ips.clone(),
        }
    }
}

pub(super) struct Container {
    id: String,
    pub(super) sandbox_id: String,
    pub(super) pod_uid: String,
    name: String,
    attempt: u32,
    image: String,
    /// `NAMESPACE/POD`.
    pod: String,
    labels: Map,
    annotations: Map,
    pub(super) state: ContainerState,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    exit_code: i32,
    /// Why it could not be started.
    start_error: Option<String>,
    /// Code and time, for a container that ends by itself.
    fate: Option<(i32, SignedDuration)>,
}

impl Container {
    pub(super) fn new(
        id: String,
        sandbox: &str,
        config: &ContainerConfig,
        pod: &SandboxConfig,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            sandbox_id: sandbox.to_owned(),
            pod_uid: pod.uid.clone(),
            name: config.name.clone(),
            attempt: config.attempt,
            image: config.image.clone(),
            pod: format!("{}/{}", pod.namespace, pod.name),
            labels: config.labels.clone(),
            annotations: config.annotations.clone(),
            state: ContainerState::Created,
            created_at: now,
            started_at: None,
            finished_at: None,
            exit_code: 0,
            start_error: None,
            fate: fate(&config.image),
        }
    }

    pub(super) fn start(&mut self, now: Timestamp) {
        self.state = ContainerState::Running;
        self.started_at = Some(now);
        self.settle(now);
    }

    /// As containerd: it has ended without ever having run.
    pub(super) fn fail_to_start(&mut self, why: &str, at: Timestamp) {
        self.end(START_ERROR_CODE, at);
        self.start_error = Some(why.to_owned());
    }

    pub(super) fn end(&mut self, exit_code: i32, at: Timestamp) {
        if self.state != ContainerState::Exited {
            self.state = ContainerState::Exited;
            self.exit_code = exit_code;
            self.finished_at = Some(at);
        }
    }

    pub(super) fn ends_at(&self) -> Option<Timestamp> {
        let (_, after) = self.fate.filter(|_| self.state == ContainerState::Running)?;
        self.started_at?.checked_add(after).ok()
    }

    /// Lets a container end whose time has come; says whether it did now.
    pub(super) fn settle(&mut self, now: Timestamp) -> bool {
        let (Some(at), Some((exit_code, _))) = (self.ends_at(), self.fate) else { return false };
        if at > now {
            return false;
        }
        self.end(exit_code, at);
        true
    }

    /// One line for the start, one for the end.
    pub(super) fn log(&self) -> String {
        let line = |at: Timestamp, text: String| format!("{at} stdout F {text}\n");
        let started = self.started_at.map(|at| {
            let (name, pod, image) = (&self.name, &self.pod, &self.image);
            line(
                at,
                format!("simulated container {name} of pod {pod} started: image {image}, attempt {}", self.attempt),
            )
        });
        let ended = self.finished_at.filter(|_| self.started_at.is_some());
        let ended =
            ended.map(|at| line(at, format!("simulated container {} ended with code {}", self.name, self.exit_code)));
        [started, ended].into_iter().flatten().collect()
    }

    pub(super) fn status(&self) -> ContainerStatus {
        let reason = match (self.state, self.exit_code) {
            _ if self.start_error.is_some() => "StartError",
            (ContainerState::Exited, 0) => "Completed",
            (ContainerState::Exited, _) => "Error",
            _ => "",
        };
        ContainerStatus {
            id: self.id.clone(),
            sandbox_id: self.sandbox_id.clone(),
            name: self.name.clone(),
            attempt: self.attempt,
            state: self.state,
            created_at: self.created_at,
            started_at: self.started_at,
            finished_at: self.finished_at,
            exit_code: self.exit_code,
            reason: reason.to_owned(),
            message: self.start_error.clone().unwrap_or_default(),
            image: self.image.clone(),
            image_ref: super::image_ref(&self.image),
            log_path: String::new(),
            user: None,
            labels: self.labels.clone(),
            annotations: self.annotations.clone(),
        }
    }
}

fn fate(image: &str) -> Option<(i32, SignedDuration)> {
    let mut parts = image.strip_prefix("exit:")?.split(':');
    let exit_code = parts.next()?.parse().ok()?;
    let seconds = parts.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    Some((exit_code, SignedDuration::from_secs(seconds)))
}
