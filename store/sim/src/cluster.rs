//! The members: how they start, crash and come back.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use daemon::Supervisor;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use store::{Config, Member};
use store_client::Store;
use store_wal::disk::{Fault, MemoryDisk};
use store_wal::{Environment, WriteQueued, Writing};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::disk::{LogDisk, copy_as_of_now};
use crate::network::{Network, Port};

/// Small, so that rotation, purging and recycling happen all the time.
pub const SEGMENT_BYTES: u64 = 64 * 1024;
/// Longest time that a healthy disk takes for a write: long enough that crashes find writes under way.
pub const DISK_LATENCY_MAX: Duration = Duration::from_millis(5);
/// Log bytes between two flushes of the state: small for the same reason.
const FLUSH_LOG_BYTES: u64 = 32 * 1024;
/// Few, so that a member that was away for a while needs a snapshot.
const CATCH_UP_ENTRIES: u64 = 40;
/// A member that takes longer to end hangs.
const SHUT_DOWN_LIMIT: Duration = Duration::from_secs(60);

/// A running member.
pub struct Running {
    /// Itself.
    pub member: Member,
    /// Its store, for clients.
    pub store: Arc<dyn Store>,
    /// How often it has been started.
    pub life: u64,
    /// Cancelled when it dies: what it says afterwards nobody hears.
    pub died: CancellationToken,
    supervisor: Supervisor,
    port: Arc<Port>,
    log_failed: Arc<AtomicBool>,
}

struct Slot {
    name: String,
    disk: MemoryDisk,
    lives: u64,
    latency_max: Arc<Mutex<Duration>>,
    running: Option<Arc<Running>>,
}

/// All members, running or not.
pub struct Cluster {
    root: TempDir,
    /// The network between them.
    pub network: Arc<Network>,
    slots: Mutex<Vec<Slot>>,
    random: Mutex<StdRng>,
}

impl Cluster {
    /// A cluster of members that were never started.
    pub fn new(members: usize, seed: u64) -> std::io::Result<Cluster> {
        let mut random = StdRng::seed_from_u64(seed);
        let network = Network::new(random.random());
        let slots = (0..members).map(|number| Slot {
            name: format!("m{number}"),
            disk: MemoryDisk::new(random.random()),
            lives: 0,
            latency_max: Arc::new(Mutex::new(DISK_LATENCY_MAX)),
            running: None,
        });
        let slots = Mutex::new(slots.collect());
        Ok(Cluster { root: state_root()?, network, slots, random: Mutex::new(random) })
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.slots.lock().len()
    }

    /// Never.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The member, if it runs.
    pub fn running(&self, number: usize) -> Option<Arc<Running>> {
        self.slots.lock()[number].running.clone()
    }

    /// The disk of a member's log.
    pub fn disk(&self, number: usize) -> MemoryDisk {
        self.slots.lock()[number].disk.clone()
    }

    /// Longest time a write to the log of a member takes from now on.
    pub fn set_disk_latency(&self, number: usize, latency_max: Duration) {
        *self.slots.lock()[number].latency_max.lock() = latency_max;
    }

    /// Lets a coming write to the log fail.
    pub fn break_disk(&self, number: usize, operations_ahead: u64, fault: Fault) {
        let disk = self.disk(number);
        disk.inject(disk.operations() + operations_ahead, fault);
    }

    /// Cuts and restores the power of a member that does not run.
    pub fn reboot_disk(&self, number: usize) {
        let seed = self.random.lock().random();
        let mut slots = self.slots.lock();
        slots[number].disk = slots[number].disk.reboot(seed);
    }

    /// Starts a member that does not run.
    pub async fn start(&self, number: usize) -> Result<(), String> {
        let (name, life, disk, latency_max) = {
            let slots = self.slots.lock();
            let slot = &slots[number];
            (slot.name.clone(), slot.lives + 1, slot.disk.clone(), Arc::clone(&slot.latency_max))
        };
        let port = self.network.port();
        let log_failed = Arc::new(AtomicBool::new(false));
        let config = Config {
            name: name.clone(),
            initial_cluster: (0..self.len())
                .map(|n| (format!("m{n}"), format!("http://127.0.0.1:{}", 1 + n)))
                .collect(),
            auto_compaction_retention: Duration::ZERO,
            catch_up_entries: CATCH_UP_ENTRIES,
            flush_log_bytes: FLUSH_LOG_BYTES,
            segment_bytes: SEGMENT_BYTES,
            transport: Some(Arc::clone(&port) as Arc<_>),
            log_environment: Some(self.log_environment(disk, latency_max, &log_failed)),
            ..Config::single(self.data_dir(&name, life))
        };
        let supervisor = Supervisor::new();
        let member =
            store::start(config, &supervisor).await.map_err(|error| format!("{name} does not start: {error}"))?;
        let store = member.client();
        let died = CancellationToken::new();
        let mut slots = self.slots.lock();
        slots[number].lives = life;
        slots[number].running = Some(Arc::new(Running { member, store, life, died, supervisor, port, log_failed }));
        Ok(())
    }

    /// Cuts a member's power: its log keeps what was synced, its state what RocksDB had written out.
    pub async fn crash(&self, number: usize) -> Result<(), String> {
        let Some(running) = self.take(number) else { return Ok(()) };
        running.died.cancel();
        running.port.kill();
        let seed = self.random.lock().random();
        {
            let mut slots = self.slots.lock();
            slots[number].disk = slots[number].disk.reboot(seed);
        }
        self.move_state(number, running).await
    }

    /// Stops a member as an operator does.
    pub async fn stop(&self, number: usize) -> Result<(), String> {
        let Some(running) = self.take(number) else { return Ok(()) };
        running.died.cancel();
        tokio::time::timeout(SHUT_DOWN_LIMIT, running.member.shut_down())
            .await
            .map_err(|_| format!("member {number} hangs when it is told to stop"))?;
        running.port.kill();
        self.move_state(number, running).await
    }

    /// Whether the member's log has failed: a real process would have ended.
    pub fn log_failed(&self, number: usize) -> bool {
        self.running(number).is_some_and(|running| running.log_failed.load(Ordering::SeqCst))
    }

    /// What ended a member that nobody killed.
    pub fn own_failure(&self, number: usize) -> Option<String> {
        let running = self.running(number)?;
        if running.log_failed.load(Ordering::SeqCst) {
            return None;
        }
        running.supervisor.failure().map(|failure| format!("member {number} ended by itself: {failure}"))
    }

    fn take(&self, number: usize) -> Option<Arc<Running>> {
        self.slots.lock()[number].running.take()
    }

    /// Gives the state as it is now to the next life. The old one may still hold its files open.
    async fn move_state(&self, number: usize, running: Arc<Running>) -> Result<(), String> {
        let (name, life) = {
            let slots = self.slots.lock();
            (slots[number].name.clone(), slots[number].lives)
        };
        let (old, new) = (self.data_dir(&name, life), self.data_dir(&name, life + 1));
        copy_as_of_now(&old, &new).map_err(|error| format!("cannot copy the state of {name}: {error}"))?;
        // The dead one's tasks must not pile up. It can reach neither network nor log.
        tokio::time::timeout(SHUT_DOWN_LIMIT, running.member.shut_down())
            .await
            .map_err(|_| format!("{name} hangs when its log has failed"))?;
        running.supervisor.shut_down();
        Ok(())
    }

    fn data_dir(&self, name: &str, life: u64) -> PathBuf {
        self.root.path().join(format!("{name}-{life}"))
    }

    fn log_environment(
        &self,
        disk: MemoryDisk,
        latency_max: Arc<Mutex<Duration>>,
        failed: &Arc<AtomicBool>,
    ) -> Environment {
        let runtime = tokio::runtime::Handle::current();
        let random = Mutex::new(StdRng::seed_from_u64(self.random.lock().random()));
        let random = Arc::new(random);
        let schedule = move |write_queued: WriteQueued| {
            let (latency_max, random) = (Arc::clone(&latency_max), Arc::clone(&random));
            runtime.spawn(async move {
                let latency = move || random.lock().random_range(Duration::ZERO..=*latency_max.lock());
                tokio::time::sleep(latency()).await;
                while write_queued() {
                    tokio::time::sleep(latency()).await;
                }
            });
        };
        let failed = Arc::clone(failed);
        Environment {
            disk: Arc::new(LogDisk(disk)),
            failure: Arc::new(move |_| failed.store(true, Ordering::SeqCst)),
            writing: Writing::Scheduled(Arc::new(schedule)),
        }
    }
}

/// Memory where there is some: a crash is simulated by a copy, so the state needs no real disk.
fn state_root() -> std::io::Result<TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}
