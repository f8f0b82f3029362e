//! One run: a safety phase with faults, then everything heals and the cluster must serve and agree.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use store_client::{Store, WatchEvent};
use store_types::Event;
use store_types::etcdserverpb as pb;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::chaos::Chaos;
use crate::cluster::Cluster;
use crate::history::History;
use crate::invariants::{self, Invariant, JUDGEMENTS, Outcome};
use crate::observation::observe;
use crate::workload::{KEYS, Workload, key_name, value_number};

/// How often the members are looked at.
const OBSERVE_INTERVAL: Duration = Duration::from_millis(200);
/// A healed cluster must answer and agree within this time: some elections and a snapshot fit in.
const LIVENESS_LIMIT: Duration = Duration::from_secs(60);
/// All that was once written must be watched within this time.
const WATCH_LIMIT: Duration = Duration::from_secs(30);

/// What to simulate.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Everything is drawn from it.
    pub seed: u64,
    /// Members of the cluster.
    pub members: usize,
    /// Clients.
    pub clients: usize,
    /// Simulated time with faults.
    pub safety: Duration,
    /// Simulated time of service after everything has healed.
    pub liveness: Duration,
}

/// What happened.
#[derive(Debug, Clone)]
pub struct Report {
    /// Acknowledged writes.
    pub acknowledged: usize,
    /// Operations that the clients noted.
    pub operations: usize,
    /// How often the members were looked at.
    pub observations: usize,
    /// What went wrong on purpose.
    pub trace: Vec<String>,
}

/// Runs a plan on a runtime of its own, whose clock is paused.
///
/// # Errors
/// The property that was violated, and the trace of faults up to there.
pub fn run(plan: Plan) -> Result<Report, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(simulate(plan))
}

async fn simulate(plan: Plan) -> Result<Report, String> {
    let mut random = StdRng::seed_from_u64(plan.seed);
    let cluster = Arc::new(Cluster::new(plan.members, random.random()).map_err(|error| error.to_string())?);
    let chaos = Chaos::new(Arc::clone(&cluster), StdRng::seed_from_u64(random.random()));
    let workload = Arc::new(Workload::new(Arc::clone(&cluster)));
    let mut simulation = Simulation {
        cluster,
        workload,
        chaos,
        invariants: invariants::all(),
        observations: 0,
        clients: JoinSet::new(),
    };
    let outcome = simulation.phases(plan, &mut random).await;
    let Simulation { cluster, workload, chaos, observations, .. } = simulation;
    for member in 0..cluster.len() {
        cluster.crash(member).await?;
    }
    let history = &workload.history;
    match outcome {
        Ok(()) => Ok(Report {
            acknowledged: history.acknowledged(),
            operations: history.operations().len(),
            observations,
            trace: chaos.trace,
        }),
        Err(error) => Err(format!("{plan:?}\n{error}\nfaults:\n{}", chaos.trace.join("\n"))),
    }
}

struct Simulation {
    cluster: Arc<Cluster>,
    workload: Arc<Workload>,
    chaos: Chaos,
    invariants: Vec<Box<dyn Invariant>>,
    observations: usize,
    clients: JoinSet<()>,
}

impl Simulation {
    async fn phases(&mut self, plan: Plan, random: &mut StdRng) -> Result<(), String> {
        for member in 0..plan.members {
            self.cluster.start(member).await?;
        }
        let stop = CancellationToken::new();
        for client in 0..plan.clients {
            let random = StdRng::seed_from_u64(random.random());
            self.clients.spawn(Arc::clone(&self.workload).client(client, random, stop.clone()));
        }
        self.serve("at the start").await?;

        let safe_until = Instant::now() + plan.safety;
        while Instant::now() < safe_until {
            let pause = self.chaos.pause();
            self.watch_over(pause).await?;
            self.chaos.step().await?;
        }

        self.chaos.heal_all().await?;
        self.serve("after everything had healed").await?;
        let before = self.workload.history.acknowledged();
        self.watch_over(plan.liveness).await?;
        stop.cancel();
        let clients = std::mem::take(&mut self.clients);
        timeout(LIVENESS_LIMIT, clients.join_all()).await.map_err(|_| "a client never got an answer".to_owned())?;
        if self.workload.history.acknowledged() == before {
            return Err("no write was acknowledged though nothing was broken".into());
        }
        self.agree().await?;
        self.judge().await
    }

    /// Lets time pass and looks at the members meanwhile.
    async fn watch_over(&mut self, time: Duration) -> Result<(), String> {
        let end = Instant::now() + time;
        loop {
            let observation = observe(&self.cluster).await?;
            self.observations += 1;
            for invariant in &mut self.invariants {
                invariant.check(&observation).map_err(|error| format!("violated: {}: {error}", invariant.name()))?;
            }
            if Instant::now() >= end {
                return Ok(());
            }
            tokio::time::sleep(OBSERVE_INTERVAL.min(end - Instant::now())).await;
        }
    }

    /// Waits until every member answers a write and a linearizable read.
    async fn serve(&mut self, when: &str) -> Result<(), String> {
        for member in 0..self.cluster.len() {
            let serving = timeout(LIVENESS_LIMIT, async {
                loop {
                    let Some(running) = self.cluster.running(member) else { return };
                    let put = pb::PutRequest {
                        key: Bytes::from_static(b"/registry/ready"),
                        value: Bytes::from_static(b"0"),
                        ..Default::default()
                    };
                    let read = pb::RangeRequest { key: key_name(0), ..Default::default() };
                    if running.store.put(put).await.is_ok() && running.store.range(read).await.is_ok() {
                        return;
                    }
                    tokio::time::sleep(OBSERVE_INTERVAL).await;
                }
            });
            if serving.await.is_err() {
                let status = self.cluster.running(member).map(|running| running.member.status());
                return Err(format!("member {member} did not serve {when}: {status:?}"));
            }
        }
        self.watch_over(Duration::ZERO).await
    }

    /// Waits until all members have applied the same.
    async fn agree(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + LIVENESS_LIMIT;
        loop {
            let observation = observe(&self.cluster).await?;
            let mut applied: Vec<u64> = observation.iter().map(|seen| seen.status.applied_index).collect();
            applied.dedup();
            if observation.len() == self.cluster.len() && applied.len() == 1 {
                return self.watch_over(Duration::ZERO).await;
            }
            if Instant::now() > deadline {
                return Err(format!("the members never agreed: {observation:?}"));
            }
            tokio::time::sleep(OBSERVE_INTERVAL).await;
        }
    }

    /// Reads everything back and judges what the clients saw.
    async fn judge(&mut self) -> Result<(), String> {
        let mut outcome =
            Outcome { operations: self.history().operations(), watched: BTreeMap::new(), values: BTreeMap::new() };
        let mut revision = 0;
        for key in 0..KEYS {
            let running = self.cluster.running(0).ok_or("member 0 is down")?;
            let request = pb::RangeRequest { key: key_name(key), ..Default::default() };
            let response = running.store.range(request).await.map_err(|error| format!("final read: {error}"))?;
            revision = response.header.map_or(0, |header| header.revision);
            outcome.values.insert(key, response.kvs.first().map_or(0, |kv| value_number(&kv.value)));
        }
        for member in 0..self.cluster.len() {
            let running = self.cluster.running(member).ok_or("a member is down")?;
            let events = timeout(WATCH_LIMIT, watch_all(&*running.store, revision))
                .await
                .map_err(|_| format!("the watch at member {member} did not reach revision {revision}"))??;
            outcome.watched.insert(member, events);
        }
        for (name, judgement) in JUDGEMENTS {
            judgement(&outcome).map_err(|error| format!("violated: {name}: {error}"))?;
        }
        Ok(())
    }

    fn history(&self) -> &History {
        &self.workload.history
    }
}

/// All events up to `revision`.
async fn watch_all(store: &dyn Store, revision: i64) -> Result<Vec<Event>, String> {
    let request = pb::WatchCreateRequest {
        key: Bytes::from_static(&[0]),
        range_end: Bytes::from_static(&[0]),
        start_revision: 1,
        ..Default::default()
    };
    let mut watch = store.watch(request).await.map_err(|error| format!("the final watch: {error}"))?;
    let mut all: Vec<Event> = Vec::new();
    loop {
        let reached = all.last().and_then(|event| event.kv.as_ref()).map_or(0, |kv| kv.mod_revision);
        if reached >= revision {
            return Ok(all);
        }
        match watch.next().await {
            Some(WatchEvent::Events { events, .. }) => all.extend(events.iter().cloned()),
            Some(WatchEvent::Created { .. } | WatchEvent::Progress { .. }) => {}
            Some(WatchEvent::Canceled { reason, .. }) => {
                return Err(format!("the final watch was cancelled: {}", String::from_utf8_lossy(&reason)));
            }
            None => return Err("the final watch ended".into()),
        }
    }
}
