//! The gauges of a gateway.

use cpa_exporter_gateway::{Channel, Objects, Token, TokenState};

use crate::metrics::catalogue::gateway as families;
use crate::metrics::{Family, Samples};
use crate::model::UnixNanos;

/// What reading the log has found so far.
#[derive(Clone, Debug, Default)]
pub(super) struct TailStatus {
    pub(super) up: bool,
    pub(super) lag_seconds: f64,
    pub(super) cursor: Option<i64>,
    pub(super) gaps: usize,
    /// Given up at their deadline, and because there were too many.
    pub(super) expired: (u64, u64),
    pub(super) emptied: u64,
    pub(super) restored: u64,
    pub(super) log_failures: u64,
    pub(super) object_failures: u64,
    pub(super) has_errors: bool,
}

impl TailStatus {
    pub(super) fn samples(&self) -> Samples {
        let mut samples = Samples::default();
        let mut add = |family: &'static Family, labels: &[&str], value: f64| {
            samples.add(family, labels, value);
        };
        add(&families::UP, &[], flag(self.up));
        add(&families::LAG, &[], self.lag_seconds);
        if let Some(cursor) = self.cursor {
            add(&families::CURSOR, &[], float(cursor));
        }
        add(&families::GAPS, &[], count(self.gaps as u64));
        let (deadline, overflow) = self.expired;
        add(&families::GAPS_EXPIRED, &["deadline"], count(deadline));
        add(&families::GAPS_EXPIRED, &["overflow"], count(overflow));
        add(&families::RESETS, &["emptied"], count(self.emptied));
        add(&families::RESETS, &["restored"], count(self.restored));
        add(
            &families::READ_FAILURES,
            &["logs"],
            count(self.log_failures),
        );
        add(
            &families::READ_FAILURES,
            &["objects"],
            count(self.object_failures),
        );
        if self.has_errors {
            add(&families::ERROR_LOG, &[], 1.0);
        }
        samples
    }
}

/// Channels and tokens, at most `max_channels`.
pub(super) fn objects(objects: &Objects, now: UnixNanos, max_channels: usize) -> Samples {
    let mut samples = Samples::default();
    samples.add(&families::OBJECTS_TIME, &[], now.as_seconds());
    samples.add(&families::QUOTA_PER_UNIT, &[], objects.quota_per_unit);
    for one in objects.channels.iter().take(max_channels) {
        channel(&mut samples, one);
        let models = |routed: bool| {
            let routes = objects.abilities.iter();
            let of_channel = routes.filter(|route| route.channel_id == one.id);
            of_channel.filter(|route| route.enabled == routed).count() as u64
        };
        let id = one.id.to_string();
        for (routed, text) in [(true, "yes"), (false, "no")] {
            samples.add(
                &families::CHANNEL_MODELS,
                &[&id, text],
                count(models(routed)),
            );
        }
    }
    let left_out = objects.channels.len().saturating_sub(max_channels);
    samples.leave_out_many(left_out as u64);
    tokens(&mut samples, &objects.tokens, now);
    samples
}

fn channel(samples: &mut Samples, channel: &Channel) {
    let id = channel.id.to_string();
    let provider = channel.kind.to_string();
    let labels = [&*id, &channel.name, &provider, &channel.tag, &channel.group];
    samples.add(&families::CHANNEL_INFO, &labels, 1.0);
    let mut add = |family: &'static Family, value: f64| samples.add(family, &[&id], value);
    add(&families::CHANNEL_STATUS, float(channel.status));
    add(
        &families::CHANNEL_DISABLED_KEYS,
        count(channel.disabled_keys),
    );
    add(&families::CHANNEL_USED, float(channel.used_quota));
    if channel.balance_updated > 0 {
        add(&families::CHANNEL_BALANCE, channel.balance_usd);
        add(
            &families::CHANNEL_BALANCE_TIME,
            float(channel.balance_updated),
        );
    }
    if channel.tested > 0 {
        add(
            &families::CHANNEL_RESPONSE,
            float(channel.response_time_ms) / 1000.0,
        );
        add(&families::CHANNEL_TEST_TIME, float(channel.tested));
    }
}

fn tokens(samples: &mut Samples, tokens: &[Token], now: UnixNanos) {
    let states = [
        (TokenState::Active, "active", 1.0),
        (TokenState::Disabled, "disabled", 2.0),
        (TokenState::Expired, "expired", 3.0),
        (TokenState::Exhausted, "exhausted", 4.0),
    ];
    let seconds = now.get() / 1_000_000_000;
    let mut counts = [0_u64; 4];
    for token in tokens {
        let id = token.id.to_string();
        let state = token.state(seconds);
        let user = token.user_id.to_string();
        samples.add(&families::TOKEN_INFO, &[&id, &token.name, &user], 1.0);
        let mut add = |family: &'static Family, value: f64| samples.add(family, &[&id], value);
        for ((known, _, number), count) in states.iter().zip(&mut counts) {
            if *known == state {
                *count += 1;
                add(&families::TOKEN_STATUS, *number);
            }
        }
        add(&families::TOKEN_REMAINING, float(token.remaining_quota));
        add(&families::TOKEN_USED, float(token.used_quota));
        add(&families::TOKEN_UNLIMITED, flag(token.unlimited));
        if token.expires > 0 {
            add(&families::TOKEN_EXPIRES, float(token.expires));
        }
    }
    for ((_, text, _), number) in states.iter().zip(counts) {
        samples.add(&families::TOKENS, &[text], count(number));
    }
}

fn flag(is_set: bool) -> f64 {
    f64::from(u8::from(is_set))
}

#[expect(clippy::cast_precision_loss, reason = "samples are floats")]
fn count(value: u64) -> f64 {
    value as f64
}

#[expect(clippy::cast_precision_loss, reason = "samples are floats")]
fn float(value: i64) -> f64 {
    value as f64
}
