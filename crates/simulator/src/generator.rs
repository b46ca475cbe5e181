//! Generates usage records: seeded, deterministic, fast.
//!
//! Equal configurations and equal times give equal bytes. The token counts by kind are returned
//! beside each record, from the generator's own state.

mod event;
pub(crate) mod failure;
pub(crate) mod headers;
pub(crate) mod json;
pub(crate) mod kinds;
pub(crate) mod pool;
pub(crate) mod prng;
mod record;
pub(crate) mod standing;
pub(crate) mod usage;
pub(crate) mod world;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use self::event::ErrorEvent;
use self::failure::{Fault, Refusal};
use self::pool::{Pool, Volume};
use self::prng::Prng;
use self::record::{Record, RequestId, Style};
use self::usage::Usage;
use self::world::World;
use crate::config::SimulatorConfig;
use cpa_exporter_core::model::{Tokens, UnixNanos};

const PAGE: usize = 256 * 1024;

/// The true values of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) series: u32,
    pub(crate) account: u32,
    pub(crate) client: u32,
    pub(crate) failed: bool,
    /// Whether CPA's success and failure counters include the record.
    pub(crate) counted: bool,
    pub(crate) tokens: Tokens,
}

#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) payload: Bytes,
    pub(crate) mark: Mark,
    /// Index of the model in the account's list.
    model: usize,
    failure: Option<Failure>,
}

/// Kind of a failure, and the quota that refused the request.
#[derive(Clone, Copy, Debug)]
struct Failure {
    fault: Fault,
    refusal: Option<Refusal>,
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
    pub(crate) pool: Pool,
    style: Style,
    prng: Prng,
    retry: Option<Retry>,
    made: u64,
    scratch: Vec<u8>,
    page: BytesMut,
}

impl Generator {
    pub(crate) fn new(config: &SimulatorConfig, now: UnixNanos) -> Self {
        let traffic = &config.traffic;
        let world = Arc::new(World::new(traffic));
        let mut prng = Prng::new(traffic.seed);
        // Plans suit the busiest time of the day.
        let busiest = if traffic.rhythm { BUSIEST } else { 1.0 };
        let rate = traffic.rate.map(|rate| rate * busiest);
        let volume = Volume::new(rate, config.time_scale);
        Self {
            pool: Pool::new(world, volume, config.states, now, &mut prng),
            style: Style {
                version: config.version,
                offset_minutes: traffic.utc_offset_minutes,
                size: traffic.size,
            },
            prng,
            retry: None,
            made: 0,
            scratch: Vec::with_capacity(8 * 1024),
            page: BytesMut::with_capacity(PAGE),
        }
    }

    /// The next record, published at `now`; `None` if no account is usable.
    pub(crate) fn make(&mut self, now: UnixNanos) -> Option<Made> {
        let world = Arc::clone(&self.pool.world);
        let plan = match self.retry.take() {
            Some(retry) if !self.pool.is_off(retry.account) => retry,
            Some(_) | None => self.draw(&world, now)?,
        };
        let account = world.accounts.get(plan.account)?;
        let model = account.models.get(plan.model)?;
        let failure = self.failure(plan, &model.name, now);
        let fault = failure.map(|failure| failure.fault);
        let usage = match fault {
            None => Usage::draw(account.kind, self.style.version, &mut self.prng),
            Some(_) => Usage::NONE,
        };
        if fault.is_none() {
            let tokens = usage.tokens.total();
            self.pool.spend(plan.account, &model.name, tokens, now);
        }
        self.write(&world, plan, failure, usage, now)?;
        let result = failure.map(|failure| (failure.fault, failure.refusal));
        self.pool.result(plan.account, plan.model, result, now);
        let told = fault.is_none_or(|fault| fault.has_headers() && fault != Fault::BadGateway);
        if told && self.style.version.has(7, 3, 0) && account.kind.headers.tells_quota() {
            let refused = failure.and_then(|failure| failure.refusal);
            self.pool.see(plan.account, plan.model, refused, now);
        }
        let mark = Mark {
            series: account.first_series + u32::try_from(plan.model).unwrap_or(0),
            account: u32::try_from(plan.account).unwrap_or(0),
            client: u32::try_from(plan.client).unwrap_or(0),
            failed: fault.is_some(),
            counted: fault != Some(Fault::Canceled) && usage::is_counted(account.kind),
            tokens: usage.tokens,
        };
        if fault.is_some_and(Fault::is_retried) && self.prng.chance(600) {
            self.plan_retry(&world, plan, now);
        }
        Some(Made {
            payload: self.seal(),
            mark,
            model: plan.model,
            failure,
        })
    }

    /// Writes the record of one attempt into the scratch buffer.
    fn write(
        &mut self,
        world: &World,
        plan: Retry,
        failure: Option<Failure>,
        usage: Usage,
        now: UnixNanos,
    ) -> Option<()> {
        let fault = failure.map(|failure| failure.fault);
        let account = world.accounts.get(plan.account)?;
        let quick = fault.is_some_and(|fault| fault != Fault::Cut);
        let prng = &mut self.prng;
        let latency_ms = prng.log_between(64, if quick { 511 } else { 16_383 });
        // Increasing nanoseconds distinguish records made at the same instant.
        self.made += 1;
        let ago = Duration::from_millis(latency_ms) + Duration::from_nanos(self.made % 999_983);
        let started = UnixNanos::new(now.get() - i64::try_from(ago.as_nanos()).unwrap_or(0));
        let ttft_ms = prng.log_between(16, latency_ms.clamp(16, 2_047));
        let refusal = failure.and_then(|failure| failure.refusal);
        let quota = self.pool.quota(plan.account, now)?;
        let (stream, endpoints) = (prng.chance(800), &account.kind.endpoints);
        let endpoint = prng.pick(endpoints).copied().unwrap_or("");
        let efforts = ["", "", "medium", "high"];
        let effort = prng.pick(&efforts).copied().unwrap_or("");
        let tier = prng.pick(&["", "default"]).copied().unwrap_or("");
        let record = Record {
            account,
            model: account.models.get(plan.model)?,
            client: world.clients.get(plan.client)?,
            quota,
            usage,
            fault,
            reset: refusal.map_or(now, |refusal| refusal.reset),
            started,
            latency_ms,
            ttft_ms: ttft_ms.min(latency_ms),
            stream,
            endpoint,
            effort,
            tier,
            request: plan.request,
            style: self.style,
            prng: &RefCell::new(prng),
        };
        self.scratch.clear();
        json::write(&mut self.scratch, &record);
        Some(())
    }

    fn draw(&mut self, world: &World, now: UnixNanos) -> Option<Retry> {
        let (account, model) = self.draw_account(world, now)?;
        Some(Retry {
            account,
            model,
            client: world.draw_client(&mut self.prng),
            request: RequestId {
                started_ms: u64::try_from(now.as_millis()).unwrap_or(0),
                random: self.prng.next_u64(),
            },
        })
    }

    fn draw_model(&mut self, world: &World, account: usize) -> usize {
        let models = world.accounts.get(account).map_or(0, |a| a.models.len()) as u64;
        // The first model of a list is the most frequent one.
        let model = self.prng.below(models).min(self.prng.below(models));
        usize::try_from(model).unwrap_or(0)
    }

    fn draw_account(&mut self, world: &World, now: UnixNanos) -> Option<(usize, usize)> {
        let mut account = world.draw_account(&mut self.prng);
        let mut model = self.draw_model(world, account);
        for _ in 0..16 {
            let off = self.pool.is_off(account);
            // CPA rarely uses an account whose plan is used up.
            let rests = self.rests(account, model, now) && self.prng.chance(RESTS);
            if !off && !rests {
                return Some((account, model));
            }
            let sibling = world.sibling(account);
            account = if !off && !self.pool.is_off(sibling) && !self.rests(sibling, model, now) {
                sibling
            } else {
                world.draw_account(&mut self.prng)
            };
            model = self.draw_model(world, account);
        }
        // Most accounts are disabled or in a cool-down. If all are disabled, CPA refuses without a
        // record.
        let on = (0..world.accounts.len()).find(|&number| !self.pool.is_off(number));
        on.map(|account| (account, self.draw_model(world, account)))
    }

    fn rests(&self, account: usize, model: usize, now: UnixNanos) -> bool {
        let standing = self.pool.standing(account);
        standing.is_some_and(|standing| standing.rests(model, now))
    }

    /// The event of a failed attempt on the channel `errors`. CPA sends none for aborted requests.
    pub(crate) fn error_event(&self, of: &Made, now: UnixNanos) -> Option<Bytes> {
        let failure = of.failure?;
        if failure.fault == Fault::Canceled {
            return None;
        }
        let number = usize::try_from(of.mark.account).ok()?;
        let account = self.pool.world.accounts.get(number)?;
        let standing = self.pool.standing(number)?;
        let mut resting = standing.resting(now);
        let rest = resting.find(|(model, _)| *model == of.model);
        let event = ErrorEvent {
            account,
            model: account.models.get(of.model)?,
            standing,
            until: rest.and_then(|(_, rest)| rest.until),
            fault: failure.fault,
            refusal: failure.refusal,
            now,
            offset_minutes: self.style.offset_minutes,
        };
        Some(event.write().into())
    }

    /// The headers of the account's last response, and their time.
    pub(crate) fn signals(&self, account: usize) -> Option<(UnixNanos, Value)> {
        let described = self.pool.world.accounts.get(account)?;
        let seen = self.pool.seen(account)?;
        // A separate random source: reading must not change later records.
        let mut noise = Prng::new(0);
        let answer = headers::ResponseHeaders {
            set: described.kind.headers,
            stream: false,
            html: false,
            retry_after: seen.refused.map(|one| one.reset.since(seen.at).as_secs()),
            plan: described.plan.name,
            quota: &seen.quota,
            model: &described.models.get(seen.model)?.name,
            now: seen.at,
            padding: 0,
            prng: &RefCell::new(&mut noise),
        };
        Some((seen.at, serde_json::to_value(answer).ok()?))
    }

    fn failure(&mut self, plan: Retry, model: &str, now: UnixNanos) -> Option<Failure> {
        let expired = self.pool.standing(plan.account)?.expired;
        if let Some(refusal) = self.pool.refusal(plan.account, model, now) {
            return Some(Failure {
                fault: Fault::UsageLimit,
                refusal: Some(refusal),
            });
        }
        let drawn = Fault::draw(&mut self.prng);
        let fault = if expired {
            Some(Fault::Unauthorized)
        } else {
            drawn
        };
        fault.map(|fault| Failure {
            fault,
            refusal: None,
        })
    }

    /// Repeats the request with another account of the same kind, unless that one rests.
    fn plan_retry(&mut self, world: &World, plan: Retry, now: UnixNanos) {
        let account = world.sibling(plan.account);
        let models = world.accounts.get(account).map_or(0, |a| a.models.len());
        let is_usable = plan.model < models && !self.rests(account, plan.model, now);
        if account != plan.account && is_usable {
            self.retry = Some(Retry { account, ..plan });
        }
    }

    /// Copies the scratch buffer into a buffer shared by many records.
    fn seal(&mut self) -> Bytes {
        if self.page.capacity() < self.scratch.len() {
            self.page = BytesMut::with_capacity(PAGE.max(self.scratch.len()));
        }
        self.page.extend_from_slice(&self.scratch);
        self.page.split().freeze()
    }
}

/// Permille of the requests that avoid an account whose plan is used up.
const RESTS: u64 = 990;
/// The largest of [`daily_rhythm`], by the mean.
const BUSIEST: f64 = 1.7;

/// Rate at a time of day in permille of the mean: lowest at 4:00, highest at 16:00.
pub(crate) fn daily_rhythm(now: UnixNanos, offset_minutes: i16) -> u32 {
    let second = json::second_of_day(now, offset_minutes);
    let from_trough = second.abs_diff(4 * 3600);
    let from_trough = from_trough.min(86_400 - from_trough);
    300 + 1_400 * from_trough / 43_200
}
