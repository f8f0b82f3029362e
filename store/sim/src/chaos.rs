//! What goes wrong, drawn from the seed.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use store_wal::disk::Fault;
use tokio::time::Instant;

use crate::cluster::{Cluster, DISK_LATENCY_MAX};
use crate::network::{CALM, Weather};

/// How long a request to flush may take before it is left alone.
const FLUSH_LIMIT: Duration = Duration::from_secs(10);

/// Breaks and repairs a cluster.
pub struct Chaos {
    cluster: Arc<Cluster>,
    random: StdRng,
    begun: Instant,
    /// What was done, with the time since the beginning.
    pub trace: Vec<String>,
}

impl Chaos {
    /// Nothing is broken yet.
    pub fn new(cluster: Arc<Cluster>, random: StdRng) -> Chaos {
        Chaos { cluster, random, begun: Instant::now(), trace: Vec::new() }
    }

    /// How long until the next step.
    pub fn pause(&mut self) -> Duration {
        self.random.random_range(Duration::from_millis(100)..Duration::from_millis(1500))
    }

    /// One thing goes wrong, or right again.
    pub async fn step(&mut self) -> Result<(), String> {
        self.bury_the_dead().await?;
        let member = self.random.random_range(0..self.cluster.len());
        match self.random.random_range(0..17) {
            0..3 => self.crash(member).await,
            3 => self.power_cut_in_a_write(member),
            4 => self.failing_disk(member),
            5 => self.clean_restart(member).await,
            6..9 => self.restart_all_that_are_down().await,
            9 | 10 => self.partition(),
            11 => self.one_way_cut(),
            12 => self.heal(),
            13 => self.weather(),
            14 => self.slow_disk(member),
            15 => self.blackout().await,
            _ => self.flush(member).await,
        }
    }

    /// Ends everything that is wrong: from here on, the cluster must serve.
    pub async fn heal_all(&mut self) -> Result<(), String> {
        self.note("heal everything".into());
        self.cluster.network.heal();
        self.cluster.network.set_weather(CALM);
        for member in 0..self.cluster.len() {
            self.cluster.set_disk_latency(member, DISK_LATENCY_MAX);
            // Faults that are due later go with the old disk.
            self.cluster.crash(member).await?;
            self.cluster.reboot_disk(member);
            self.cluster.start(member).await?;
        }
        Ok(())
    }

    /// Members whose log has failed are processes that have ended.
    async fn bury_the_dead(&mut self) -> Result<(), String> {
        for member in 0..self.cluster.len() {
            if self.cluster.log_failed(member) {
                self.note(format!("m{member} is dead: its log failed"));
                self.cluster.crash(member).await?;
            }
        }
        Ok(())
    }

    async fn crash(&mut self, member: usize) -> Result<(), String> {
        if self.cluster.running(member).is_some() {
            self.note(format!("crash m{member}"));
            self.cluster.crash(member).await?;
            if self.random.random_bool(0.5) {
                self.start(member).await?;
            }
        }
        Ok(())
    }

    /// The power of all members goes at once: what was acknowledged must be on disks, memory does not count.
    async fn blackout(&mut self) -> Result<(), String> {
        self.note("blackout".into());
        for member in 0..self.cluster.len() {
            self.cluster.crash(member).await?;
        }
        self.restart_all_that_are_down().await
    }

    fn power_cut_in_a_write(&mut self, member: usize) -> Result<(), String> {
        let ahead = self.random.random_range(1..30);
        self.note(format!("power of m{member} goes at its {ahead}th write from now"));
        self.cluster.break_disk(member, ahead, Fault::Crash);
        Ok(())
    }

    fn failing_disk(&mut self, member: usize) -> Result<(), String> {
        let ahead = self.random.random_range(1..30);
        self.note(format!("disk of m{member} fails at its {ahead}th write from now"));
        self.cluster.break_disk(member, ahead, Fault::Error);
        Ok(())
    }

    async fn clean_restart(&mut self, member: usize) -> Result<(), String> {
        if self.cluster.running(member).is_some() {
            self.note(format!("restart m{member}"));
            self.cluster.stop(member).await?;
            self.start(member).await?;
        }
        Ok(())
    }

    async fn restart_all_that_are_down(&mut self) -> Result<(), String> {
        for member in 0..self.cluster.len() {
            if self.cluster.running(member).is_none() {
                self.start(member).await?;
            }
        }
        Ok(())
    }

    async fn start(&mut self, member: usize) -> Result<(), String> {
        self.note(format!("start m{member}"));
        match self.cluster.start(member).await {
            // The disk broke again while the log was being opened: it stays down for now.
            Err(error) if error.contains("injected IO error") || error.contains("the power is off") => {
                self.note(format!("{error}: replace its disk"));
                self.cluster.reboot_disk(member);
                Ok(())
            }
            started => started,
        }
    }

    fn partition(&mut self) -> Result<(), String> {
        let mut shuffled = self.ids();
        if shuffled.len() < 2 {
            return Ok(());
        }
        shuffled.shuffle(&mut self.random);
        let (left, right) = shuffled.split_at(self.random.random_range(1..shuffled.len()));
        self.note(format!("partition {left:x?} from {right:x?}"));
        for a in left {
            for b in right {
                self.cluster.network.cut(*a, *b);
                self.cluster.network.cut(*b, *a);
            }
        }
        Ok(())
    }

    fn one_way_cut(&mut self) -> Result<(), String> {
        let mut ids = self.ids();
        ids.shuffle(&mut self.random);
        if let [from, to, ..] = ids[..] {
            self.note(format!("cut {from:x} -> {to:x}"));
            self.cluster.network.cut(from, to);
        }
        Ok(())
    }

    fn heal(&mut self) -> Result<(), String> {
        self.note("heal the network".into());
        self.cluster.network.heal();
        Ok(())
    }

    fn weather(&mut self) -> Result<(), String> {
        let weather = Weather {
            delay_max: Duration::from_millis(self.random.random_range(1..150)),
            loss: self.random.random_range(0.0..0.2),
        };
        self.note(format!("{weather:?}"));
        self.cluster.network.set_weather(weather);
        Ok(())
    }

    fn slow_disk(&mut self, member: usize) -> Result<(), String> {
        let latency_max = Duration::from_millis(self.random.random_range(1..300));
        self.note(format!("disk of m{member} takes up to {latency_max:?}"));
        self.cluster.set_disk_latency(member, latency_max);
        Ok(())
    }

    async fn flush(&mut self, member: usize) -> Result<(), String> {
        if let Some(running) = self.cluster.running(member) {
            self.note(format!("flush m{member}"));
            // A member whose log has just failed refuses; the next step buries it.
            let _ = tokio::time::timeout(FLUSH_LIMIT, running.member.flush()).await;
        }
        Ok(())
    }

    fn ids(&self) -> Vec<u64> {
        let running = (0..self.cluster.len()).filter_map(|member| self.cluster.running(member));
        running.map(|running| running.member.status().identity.member_id).collect()
    }

    fn note(&mut self, what: String) {
        self.trace.push(format!("{:>8.3} s  {what}", self.begun.elapsed().as_secs_f64()));
    }
}
