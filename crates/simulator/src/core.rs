//! The state shared by connections, routes and the handle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::clock::Clock;
use super::config::SimulatorConfig;
use super::faults::Faults;
use super::gate::{Gate, Management, Refusal};
use super::generator::Generator;
use super::generator::world::World;
use super::queue::{Channel, Queue};
use super::quota::truth::{Meter, Quotas};
use super::totals::{Oracle, Totals};
use super::upstream::Reply;
use cpa_exporter_core::model::UnixNanos;

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: SimulatorConfig,
    /// The simulated time.
    clock: Clock,
    pub(crate) faults: Faults,
    queue: Mutex<Queue>,
    gate: Mutex<Gate>,
    generator: Mutex<Generator>,
    management: Mutex<Management>,
    meter: Mutex<Meter>,
    statistics: AtomicBool,
    /// Records that the traffic has yet to make.
    pub(crate) left: AtomicU64,
    /// Requests a restart from inside a connection.
    pub(crate) restart: Notify,
}

impl Core {
    pub(crate) fn new(config: SimulatorConfig) -> Self {
        let traffic = &config.traffic;
        let clock = config.clock.scaled(config.time_scale.max(1));
        let now = clock.now();
        let generator = Generator::new(&config, now);
        let oracle = Oracle::new(&generator.pool.world);
        let gate = Gate::new(
            config.management_key.clone(),
            config.management != Management::KeyNotSet,
            config.allow_remote,
        );
        Self {
            queue: Mutex::new(Queue::new(config.retention, oracle)),
            gate: Mutex::new(gate),
            generator: Mutex::new(generator),
            management: Mutex::new(config.management),
            meter: Mutex::new(Meter::default()),
            statistics: AtomicBool::new(config.usage_statistics),
            left: AtomicU64::new(traffic.records.unwrap_or(u64::MAX)),
            restart: Notify::new(),
            faults: Faults::new(config.quota_faults.clone()),
            clock,
            config,
        }
    }

    pub(crate) fn now(&self) -> UnixNanos {
        self.clock.now()
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// The time for retention and bans, which the time scale does not affect.
    fn unscaled_now(&self) -> UnixNanos {
        self.config.clock.now()
    }

    /// The current accounts. Locks the generator briefly.
    pub(crate) fn world(&self) -> Arc<World> {
        Arc::clone(&self.generator().pool.world)
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }

    pub(crate) fn management(&self) -> Management {
        *self.management.lock()
    }

    /// As in CPA, disabling management empties the queue and ends subscriptions.
    pub(crate) fn set_management(&self, to: Management) {
        *self.management.lock() = to;
        if to == Management::Disabled {
            self.queue().lose_all();
        }
    }

    pub(crate) fn check(&self, client: &str, key: &str) -> Result<(), Refusal> {
        self.gate.lock().check(client, key, self.unscaled_now())
    }

    pub(crate) fn change_key(&self, key: String) {
        self.gate.lock().change_key(key);
    }

    pub(crate) fn failed_logins(&self) -> u64 {
        self.gate.lock().failed()
    }

    /// The text of a refusal.
    pub(crate) fn refusal_text(&self, refusal: Refusal) -> String {
        if self.faults.get(|state| state.unknown_refusals) {
            "unauthorized".to_owned()
        } else {
            refusal.to_string()
        }
    }

    /// Waits for the duration of CPA's key hash.
    pub(crate) async fn hash_key(&self) {
        // A timer would round zero up to its resolution.
        if !self.config.management_delay.is_zero() {
            tokio::time::sleep(self.config.management_delay).await;
        }
    }

    pub(crate) fn statistics(&self) -> bool {
        self.statistics.load(Ordering::Relaxed)
    }

    pub(crate) fn set_statistics(&self, on: bool) {
        self.statistics.store(on, Ordering::Relaxed);
    }

    pub(crate) fn generator(&self) -> MutexGuard<'_, Generator> {
        self.generator.lock()
    }

    /// Publishes a raw record, if usage statistics are on.
    pub(crate) fn push(&self, payload: Bytes) {
        if !self.records_usage() {
            self.queue().oracle.sums.unrecorded += 1;
            return;
        }
        let now = self.unscaled_now();
        self.queue().publish(payload, None, now, &self.faults);
    }

    /// Makes the backlog, oldest records first.
    pub(crate) fn fill(&self) {
        let (all, span) = {
            let traffic = &self.config.traffic;
            (traffic.backlog, traffic.backlog_span)
        };
        let per_record = span / u32::try_from(all.max(1)).unwrap_or(u32::MAX);
        self.generate_before(all, per_record);
    }

    /// Serves `count` synthetic requests, whose records appear now.
    pub(crate) fn generate(&self, count: usize) {
        self.generate_before(count, Duration::ZERO);
    }

    /// Like [`Self::generate`], for requests that ended `apart` from each other, the last one now.
    fn generate_before(&self, count: usize, apart: Duration) {
        // Small steps, so that poppers can interleave.
        let mut left = count;
        while left > 0 {
            let step = if apart.is_zero() { left.min(64) } else { 1 };
            left -= step;
            let queued = self.unscaled_now();
            let ago = apart.saturating_mul(u32::try_from(left).unwrap_or(u32::MAX));
            let ago = i64::try_from(ago.as_nanos()).unwrap_or(i64::MAX);
            let now = UnixNanos::new(self.now().get().saturating_sub(ago));
            // A subscriber that connects during this step misses its events, as with CPA.
            let watched = self.queue().subscribers(Channel::Errors) > 0;
            let (made, events) = {
                let mut generator = self.generator();
                let made: Vec<_> = (0..step).filter_map(|_| generator.make(now)).collect();
                let failed = made.iter().filter(|one| watched && one.mark.failed);
                let events: Vec<_> = failed
                    .filter_map(|one| generator.error_event(one, now))
                    .collect();
                (made, events)
            };
            let recorded = self.records_usage();
            let mut queue = self.queue();
            for event in &events {
                queue.publish_error(event);
            }
            for one in made {
                queue.oracle.result(&one.mark, now);
                if recorded {
                    queue.publish(one.payload, Some(one.mark), queued, &self.faults);
                } else {
                    queue.oracle.sums.unrecorded += 1;
                }
            }
        }
    }

    pub(crate) fn pop(&self, count: usize) -> Vec<Bytes> {
        if self.config.traffic.endless {
            let (waiting, subscribed) = {
                let queue = self.queue();
                (queue.len(), queue.subscribers(Channel::Usage) > 0)
            };
            if !subscribed {
                self.generate(count.min(10_000).saturating_sub(waiting));
            }
        }
        let now = self.unscaled_now();
        self.queue().pop(count, now)
    }

    pub(crate) fn totals(&self) -> Totals {
        let world = self.world();
        let queue = self.queue();
        queue.oracle.totals(&world, queue.len())
    }

    pub(crate) fn meter(&self) -> MutexGuard<'_, Meter> {
        self.meter.lock()
    }

    /// Applies a fault to a provider's response.
    pub(crate) fn spoil(&self, names: [&str; 3], provider: &str, reply: Reply) -> Reply {
        match self.faults.take_quota(names) {
            Some(fault) => fault.apply(provider, reply),
            None => reply,
        }
    }

    pub(crate) fn count_call(&self, account: &str, endpoint: &str, reply: &Reply) {
        let status = Some(reply.status).filter(|_| !reply.hangs);
        self.meter().count(account, endpoint, status, self.now());
    }

    pub(crate) fn quotas(&self) -> Quotas {
        let now = self.now();
        let mut accounts = self.generator().pool.truth(now);
        let meter = self.meter();
        for account in &mut accounts {
            account.calls = meter.of(&account.account);
        }
        Quotas {
            now_ms: now.as_millis(),
            accounts,
        }
    }

    /// Clears the state that CPA loses in a restart.
    pub(crate) fn forget(&self) {
        self.gate.lock().forget();
        let mut queue = self.queue();
        queue.lose_all();
        queue.oracle.forget_results();
        drop(queue);
        self.generator().pool.forget(self.now());
    }

    fn records_usage(&self) -> bool {
        self.statistics() && self.management() != Management::Disabled
    }
}
