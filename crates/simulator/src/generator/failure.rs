//! Kinds of upstream failures, their frequency and their error bodies.

use std::time::Duration;

use super::prng::Prng;
use super::world::Account;
use cpa_exporter_core::model::UnixNanos;

/// A used-up quota that refuses a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    pub(crate) reset: UnixNanos,
    /// Whether CPA starts a cool-down for all models of the credential, not only for the requested
    /// one.
    pub(crate) whole: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The plan is used up; Codex states the reset time.
    UsageLimit,
    RateLimit,
    Unauthorized,
    Server,
    /// An HTML page of a proxy in front of the upstream.
    BadGateway,
    Overloaded,
    /// The client disconnected; CPA does not count these.
    Canceled,
    /// The stream was interrupted after CPA had sent status 200.
    Cut,
}

impl Fault {
    /// About 4 % of requests fail.
    pub(crate) fn draw(prng: &mut Prng) -> Option<Self> {
        match prng.below(1000) {
            0..=11 => Some(Self::RateLimit),
            12..=13 => Some(Self::Unauthorized),
            14..=21 => Some(Self::Server),
            22..=24 => Some(Self::BadGateway),
            25..=28 => Some(Self::Overloaded),
            29..=36 => Some(Self::Canceled),
            37..=38 => Some(Self::Cut),
            _ => None,
        }
    }

    pub(crate) fn status(self) -> u64 {
        match self {
            Self::UsageLimit | Self::RateLimit => 429,
            Self::Unauthorized => 401,
            Self::Server => 500,
            Self::BadGateway => 502,
            Self::Overloaded => 503,
            Self::Canceled => 499,
            Self::Cut => 200,
        }
    }

    /// CPA's default cool-down after this failure, if the upstream states no time.
    pub(crate) fn built_in_rest(self) -> Option<Duration> {
        match self {
            // The upstream's `Retry-After`.
            Self::RateLimit => Some(Duration::from_secs(37)),
            Self::UsageLimit | Self::Unauthorized => Some(Duration::from_mins(30)),
            Self::Server | Self::BadGateway | Self::Overloaded => Some(Duration::from_mins(1)),
            Self::Canceled | Self::Cut => None,
        }
    }

    /// Whether CPA retries the request with the next credential.
    pub(crate) fn is_retried(self) -> bool {
        !matches!(self, Self::Canceled | Self::Cut)
    }

    /// Whether the upstream responded, so that there are headers.
    pub(crate) fn has_headers(self) -> bool {
        self != Self::Canceled
    }

    /// The error body. `reset` is the reset time of the quota that refused the request.
    pub(crate) fn body(self, account: &Account, reset: UnixNanos, now: UnixNanos) -> String {
        let name = match self {
            Self::UsageLimit => "usage_limit",
            Self::RateLimit => "rate_limit",
            Self::Unauthorized => "unauthorized",
            Self::Server => "server",
            Self::BadGateway => "bad_gateway",
            Self::Overloaded => "overloaded",
            Self::Canceled => "canceled",
            Self::Cut => "cut",
        };
        let mut bodies = BODIES.lines().filter_map(|line| {
            let mut words = line.splitn(3, ' ');
            let (faults, providers) = (words.next()?, words.next()?);
            let has = |list: &str, one: &str| list == "*" || list.split(',').any(|it| it == one);
            (has(faults, name) && has(providers, account.kind.provider)).then(|| words.next())?
        });
        let body = bodies.next().unwrap_or_default();
        if !body.contains('%') {
            return body.to_owned();
        }
        let left = reset.since(now).as_secs().to_string();
        let at = (reset.get().max(0) / 1_000_000_000).to_string();
        body.replace("%plan%", account.plan.name)
            .replace("%at%", &at)
            .replace("%left%", &left)
            .replace("%n%", "\n")
    }
}

/// One error body per line, after its failures and providers; the first match counts.
const BODIES: &str = include_str!("../../data/failures.txt");
