//! Makes usage records: seeded, deterministic, fast.
//!
//! Equal configurations and equal times give equal bytes. What a record holds by kind of token is
//! handed out beside it, from the generator's own knowledge.

mod event;
mod failure;
mod headers;
pub(crate) mod json;
pub(crate) mod kinds;
mod prng;
pub(crate) mod quota;
mod record;
pub(crate) mod usage;
pub(crate) mod world;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use self::event::ErrorEvent;
use self::failure::Fault;
use self::json::Civil;
use self::prng::Prng;
use self::quota::Quota;
use self::record::{Record, RequestId, Style};
use self::usage::Usage;
use self::world::World;
use crate::model::{Tokens, UnixNanos};
use crate::simulator::config::TrafficConfig;
use crate::simulator::version::{CpaVersion, RecordShape};

/// Tokens of an average request, by which a plan's size is chosen.
const MEAN_TOKENS: u64 = 18_000;
const PAGE: usize = 256 * 1024;

/// A record's truth, kept beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) series: u32,
    pub(crate) account: u32,
    pub(crate) client: u32,
    pub(crate) failed: bool,
    /// Whether CPA's success/failed counters take notice.
    pub(crate) counted: bool,
    pub(crate) tokens: Tokens,
}

#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) payload: Bytes,
    pub(crate) mark: Mark,
    fault: Option<Fault>,
}

/// A failed request that waits for its next attempt.
#[derive(Clone, Copy, Debug)]
struct Retry {
    account: usize,
    model: usize,
    client: usize,
    request: RequestId,
}

#[derive(Debug)]
pub(crate) struct Generator {
    world: Arc<World>,
    style: Style,
    prng: Prng,
    quotas: Vec<Quota>,
    /// Accounts that an operator switched off.
    disabled: Vec<bool>,
    retry: Option<Retry>,
    made: u64,
    scratch: Vec<u8>,
    page: BytesMut,
}

impl Generator {
    pub(crate) fn new(
        config: &TrafficConfig,
        version: CpaVersion,
        world: Arc<World>,
        now: UnixNanos,
    ) -> Self {
        let mut prng = Prng::new(config.seed);
        // Without a rate the plans are big enough that a benchmark does not empty them.
        let per_window = config.rate.map_or(1_000_000_000_000, |rate| rate * 18_000);
        let quotas = (0..world.accounts.len())
            .map(|number| {
                let requests = per_window / 1_000_000 * world.share(number)
                    + per_window % 1_000_000 * world.share(number) / 1_000_000;
                // Between 70 and 130 % of the plan would be used by the end of a window.
                let headroom = 1_000_000 / (700 + prng.below(600));
                let capacity = (requests * MEAN_TOKENS / 1000 * headroom).max(1_000_000);
                Quota::draw(capacity, now, &mut prng)
            })
            .collect();
        Self {
            disabled: vec![false; world.accounts.len()],
            world,
            style: Style {
                shape: RecordShape::of(version),
                offset_minutes: config.utc_offset_minutes,
                size: config.size,
            },
            prng,
            quotas,
            retry: None,
            made: 0,
            scratch: Vec::with_capacity(8 * 1024),
            page: BytesMut::with_capacity(PAGE),
        }
    }

    /// The next record, published at `now`.
    pub(crate) fn make(&mut self, now: UnixNanos) -> Option<Made> {
        let world = Arc::clone(&self.world);
        let plan = match self.retry.take() {
            Some(retry) => retry,
            None => self.draw(&world, now),
        };
        let account = world.accounts.get(plan.account)?;
        self.quotas.get_mut(plan.account)?.advance(now);
        let fault = self.fault(plan.account);
        let usage = match fault {
            None => Usage::draw(account.kind, self.style.shape, &mut self.prng),
            Some(_) => Usage::NONE,
        };
        self.write(&world, plan, fault, usage, now)?;
        let mark = Mark {
            series: account.first_series + u32::try_from(plan.model).unwrap_or(0),
            account: u32::try_from(plan.account).unwrap_or(0),
            client: u32::try_from(plan.client).unwrap_or(0),
            failed: fault.is_some(),
            counted: fault != Some(Fault::Canceled) && usage::is_counted(account.kind),
            tokens: usage.tokens,
        };
        if fault.is_some_and(Fault::is_retried) && self.prng.chance(600) {
            self.plan_retry(&world, plan);
        }
        Some(Made {
            payload: self.seal(),
            mark,
            fault,
        })
    }

    /// Writes the record of one attempt into the scratch buffer.
    fn write(
        &mut self,
        world: &World,
        plan: Retry,
        fault: Option<Fault>,
        usage: Usage,
        now: UnixNanos,
    ) -> Option<()> {
        let account = world.accounts.get(plan.account)?;
        let quick = fault.is_some_and(|fault| fault != Fault::Cut);
        let prng = &mut self.prng;
        let latency_ms = prng.log_between(64, if quick { 511 } else { 16_383 });
        // Nanoseconds that count up keep records apart that are made at the same instant.
        self.made += 1;
        let ago = Duration::from_millis(latency_ms) + Duration::from_nanos(self.made % 999_983);
        let started = UnixNanos::new(now.get() - i64::try_from(ago.as_nanos()).unwrap_or(0));
        let ttft_ms = prng.log_between(16, latency_ms.clamp(16, 2_047));
        let quota = self.quotas.get_mut(plan.account)?;
        quota.spend(usage.tokens.total());
        let record = Record {
            account,
            model: account.models.get(plan.model)?,
            client: world.clients.get(plan.client)?,
            quota,
            usage,
            fault,
            started,
            latency_ms,
            ttft_ms: ttft_ms.min(latency_ms),
            stream: prng.chance(800),
            endpoint: prng.pick(account.kind.endpoints).copied().unwrap_or(""),
            effort: prng
                .pick(&["", "", "medium", "high"])
                .copied()
                .unwrap_or(""),
            tier: prng.pick(&["", "default"]).copied().unwrap_or(""),
            request: plan.request,
        };
        self.scratch.clear();
        record.write(&mut self.scratch, self.style, prng);
        Some(())
    }

    fn draw(&mut self, world: &World, now: UnixNanos) -> Retry {
        let account = self.draw_account(world);
        let models = world.accounts.get(account).map_or(0, |a| a.models.len());
        // The first model of a list is the favourite.
        let model = self
            .prng
            .below(models as u64)
            .min(self.prng.below(models as u64));
        Retry {
            account,
            model: usize::try_from(model).unwrap_or(0),
            client: world.draw_client(&mut self.prng),
            request: RequestId {
                started_ms: u64::try_from(now.as_millis()).unwrap_or(0),
                random: self.prng.next_u64(),
            },
        }
    }

    fn draw_account(&mut self, world: &World) -> usize {
        let mut account = world.draw_account(&mut self.prng);
        // With everything switched off CPA would refuse; here the last choice stands.
        for _ in 0..16 {
            let off = self.is_disabled(account);
            // CPA lets an account rest whose plan is used up, but tries it again now and then.
            let rests = self.is_used_up(account) && self.prng.chance(950);
            if !off && !rests {
                break;
            }
            let sibling = world.sibling(account);
            account = if rests && !self.is_used_up(sibling) {
                sibling
            } else {
                world.draw_account(&mut self.prng)
            };
        }
        account
    }

    pub(crate) fn is_disabled(&self, account: usize) -> bool {
        self.disabled.get(account).copied().unwrap_or(false)
    }

    pub(crate) fn set_disabled(&mut self, account: usize, to: bool) {
        if let Some(slot) = self.disabled.get_mut(account) {
            *slot = to;
        }
    }

    /// What the `errors` channel says about a failed attempt. CPA is silent about aborted ones.
    pub(crate) fn error_event(&mut self, of: &Made, now: UnixNanos) -> Option<Bytes> {
        let fault = of.fault.filter(|&fault| fault != Fault::Canceled)?;
        let number = usize::try_from(of.mark.account).ok()?;
        let quota = self.quota(number, now)?;
        let account = self.world.accounts.get(number)?;
        let model = of.mark.series.checked_sub(account.first_series)?;
        let event = ErrorEvent {
            account,
            model: account.models.get(usize::try_from(model).ok()?)?,
            quota: &quota,
            fault,
            now,
            offset_minutes: self.style.offset_minutes,
        };
        Some(event.write().into())
    }

    /// The account's windows as they stand at `now`.
    pub(crate) fn quota(&mut self, account: usize, now: UnixNanos) -> Option<Quota> {
        let quota = self.quotas.get_mut(account)?;
        quota.advance(now);
        Some(*quota)
    }

    /// The quota headers of the account's last answer, as a JSON object.
    pub(crate) fn signals(&mut self, account: usize, now: UnixNanos) -> Option<Vec<u8>> {
        let quota = self.quota(account, now)?;
        let described = self.world.accounts.get(account)?;
        let mut out = Vec::with_capacity(2048);
        // Noise from a source of its own: looking must not change the records to come.
        headers::Answer {
            set: described.kind.headers,
            stream: false,
            html: false,
            limited: quota.is_used_up(),
            plan: described.plan,
            quota: &quota,
            now,
            padding: 0,
        }
        .write(&mut out, &mut Prng::new(0));
        Some(out)
    }

    fn fault(&mut self, account: usize) -> Option<Fault> {
        if self.is_used_up(account) {
            return Some(Fault::UsageLimit);
        }
        Fault::draw(&mut self.prng)
    }

    fn is_used_up(&self, account: usize) -> bool {
        self.quotas.get(account).is_some_and(Quota::is_used_up)
    }

    fn plan_retry(&mut self, world: &World, plan: Retry) {
        let account = world.sibling(plan.account);
        if account != plan.account {
            self.retry = Some(Retry { account, ..plan });
        }
    }

    /// Copies the scratch buffer into a page shared by many records.
    fn seal(&mut self) -> Bytes {
        if self.page.capacity() < self.scratch.len() {
            self.page = BytesMut::with_capacity(PAGE.max(self.scratch.len()));
        }
        self.page.extend_from_slice(&self.scratch);
        self.page.split().freeze()
    }
}

/// Share of the mean rate at a time of day, in permille: quiet at 4 in the morning, busy at 16.
pub(crate) fn daily_rhythm(now: UnixNanos, offset_minutes: i16) -> u64 {
    let second = Civil::of(now, offset_minutes).second_of_day;
    let from_trough = second.abs_diff(4 * 3600);
    let from_trough = from_trough.min(86_400 - from_trough);
    300 + 1_400 * from_trough / 43_200
}
