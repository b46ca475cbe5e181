//! The upstream's response headers in a record, including irrelevant ones.

use std::cell::RefCell;
use std::fmt::Display;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::json::{Text, http_date};
use super::kinds::HeaderSet;
use super::prng::Prng;
use crate::quota::{Limit, Quota};
use cpa_exporter_core::model::UnixNanos;

/// The data that a response's headers depend on. Serialized as an object of names and values.
#[derive(Debug)]
pub(crate) struct ResponseHeaders<'a> {
    pub(crate) set: HeaderSet,
    pub(crate) stream: bool,
    pub(crate) html: bool,
    /// Seconds of `Retry-After`, for a refusal.
    pub(crate) retry_after: Option<u64>,
    pub(crate) plan: &'a str,
    pub(crate) quota: &'a Quota,
    /// Windows of some models are included only in responses of those models.
    pub(crate) model: &'a str,
    pub(crate) now: UnixNanos,
    /// Bytes of padding, in a separate header.
    pub(crate) padding: usize,
    pub(crate) prng: &'a RefCell<&'a mut Prng>,
}

struct Lines<M>(M);

impl<M: SerializeMap> Lines<M> {
    fn put(&mut self, name: impl Display, value: impl Display) -> Result<(), M::Error> {
        self.0.serialize_entry(&Text(name), &[Text(value)])
    }
}

impl Serialize for ResponseHeaders<'_> {
    /// Names are in alphabetical order: Go sorts map keys.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut lines = Lines(serializer.serialize_map(None)?);
        let prng = &mut **self.prng.borrow_mut();
        let cloudflare = matches!(self.set, HeaderSet::Codex | HeaderSet::Claude);
        if self.set == HeaderSet::Claude {
            self.anthropic(&mut lines)?;
        }
        if cloudflare {
            lines.put("Cf-Ray", format_args!("{:016x}-FRA", prng.next_u64()))?;
        }
        lines.put("Content-Type", self.content_type())?;
        lines.put("Date", http_date(self.now))?;
        if self.set == HeaderSet::RateLimit {
            lines.put("Openai-Processing-Ms", prng.log_between(64, 4095))?;
        }
        if let Some(seconds) = self.retry_after {
            lines.put("Retry-After", seconds)?;
        }
        if cloudflare {
            lines.put("Server", "cloudflare")?;
        }
        match self.set {
            HeaderSet::Codex => self.codex(&mut lines, prng)?,
            HeaderSet::Google => {
                let took = prng.log_between(64, 2047);
                lines.put("Server-Timing", format_args!("gfet4t7; dur={took}"))?;
                let vary = ["Origin", "X-Origin", "Referer"];
                lines.0.serialize_entry("Vary", &vary)?;
                lines.put("X-Gemini-Service-Tier", "standard")?;
            }
            HeaderSet::RateLimit => {
                lines.put("X-Ratelimit-Limit-Requests", 5000)?;
                lines.put("X-Ratelimit-Remaining-Requests", prng.below(5000))?;
                lines.put("X-Ratelimit-Remaining-Tokens", prng.below(200_000))?;
                lines.put("X-Ratelimit-Reset-Requests", "12ms")?;
            }
            HeaderSet::Xai => {
                lines.put("X-Ratelimit-Limit-Requests", 480)?;
                lines.put("X-Ratelimit-Remaining-Requests", prng.below(480))?;
            }
            HeaderSet::Claude | HeaderSet::Plain => {}
        }
        if self.padding > 0 {
            lines.put("X-Padding", "x".repeat(self.padding))?;
        }
        let id = prng.next_u64() & 0xffff_ffff_ffff;
        lines.put("X-Request-Id", format_args!("req_{id:012x}"))?;
        lines.0.end()
    }
}

impl ResponseHeaders<'_> {
    fn content_type(&self) -> &'static str {
        match (self.html, self.stream) {
            (true, _) => "text/html",
            (false, true) => "text/event-stream",
            (false, false) => "application/json",
        }
    }

    fn codex<M: SerializeMap>(
        &self,
        lines: &mut Lines<M>,
        prng: &mut Prng,
    ) -> Result<(), M::Error> {
        let first = format!("__cf_bm=fake-{:016x}; path=/; HttpOnly", prng.next_u64());
        let cookies = [first.as_str(), "_cfuvid=fake2; path=/"];
        lines.0.serialize_entry("Set-Cookie", &cookies)?;
        lines.put("X-Codex-Active-Limit", "codex")?;
        if let Some(limit) = self.quota.get("codex_bengalfox", "weekly") {
            lines.put("X-Codex-Bengalfox-Limit-Name", "GPT-5.3-Codex-Spark")?;
            self.codex_window(lines, "Bengalfox-Primary", limit)?;
        }
        let credits = self.quota.get("credits", "monthly");
        let balance = credits.map(|credits| dollars(credits.nominal_left()));
        lines.put("X-Codex-Credits-Balance", balance.unwrap_or_default())?;
        let has_credits = if credits.is_some() { "True" } else { "False" };
        lines.put("X-Codex-Credits-Has-Credits", has_credits)?;
        lines.put("X-Codex-Credits-Unlimited", "False")?;
        lines.put("X-Codex-Plan-Type", self.plan)?;
        lines.put("X-Codex-Primary-Over-Secondary-Limit-Percent", 0)?;
        let mut windows = self.quota.windows("main");
        let (primary, secondary) = (windows.next(), windows.next());
        if let Some(limit) = primary {
            self.codex_window(lines, "Primary", limit)?;
        }
        let mut reached = [("primary", primary), ("secondary", secondary)].into_iter();
        let reached = reached.find(|(_, limit)| limit.is_some_and(Limit::is_used_up));
        if let (Some(_), Some((name, _))) = (self.retry_after, reached) {
            lines.put("X-Codex-Rate-Limit-Reached-Type", name)?;
        }
        if let Some(limit) = secondary {
            self.codex_window(lines, "Secondary", limit)?;
        }
        Ok(())
    }

    fn codex_window<M: SerializeMap>(
        &self,
        lines: &mut Lines<M>,
        name: &str,
        limit: &Limit,
    ) -> Result<(), M::Error> {
        let reset = limit.reset_from(self.now);
        let values = [
            ("Reset-After-Seconds", reset.since(self.now).as_secs()),
            ("Reset-At", seconds(reset)),
            ("Used-Percent", limit.percent()),
            ("Window-Minutes", limit.seconds() / 60),
        ];
        values
            .into_iter()
            .try_for_each(|(what, value)| lines.put(format_args!("X-Codex-{name}-{what}"), value))
    }

    fn anthropic<M: SerializeMap>(&self, lines: &mut Lines<M>) -> Result<(), M::Error> {
        let organization = "99999999-2222-4333-8444-555555555555";
        lines.put("Anthropic-Organization-Id", organization)?;
        let scoped = self.quota.get("fable", "weekly");
        let claims = [
            ("five_hour", "5h", self.quota.get("main", "5h")),
            ("seven_day", "7d", self.quota.get("main", "weekly")),
            (
                "seven_day_oi",
                "7d_oi",
                scoped.filter(|_| self.model.contains("fable")),
            ),
        ];
        let (mut claim, mut claimed) = ("five_hour", None);
        for (long, short, limit) in claims {
            let Some(limit) = limit else { continue };
            self.anthropic_window(lines, short, limit)?;
            if claimed.is_none_or(|fullest: &Limit| limit.basis_points() > fullest.basis_points()) {
                (claim, claimed) = (long, Some(limit));
            }
        }
        let status = match claimed.map_or(0, Limit::basis_points) {
            10_000.. => "rejected",
            7_500.. => "allowed_warning",
            _ => "allowed",
        };
        let reset = claimed.map_or(0, |limit| seconds(limit.reset_from(self.now)));
        let mut unified = |what: &str, value: &dyn Display| {
            lines.put(format_args!("Anthropic-Ratelimit-Unified-{what}"), value)
        };
        unified("Fallback-Percentage", &"0.5")?;
        unified("Overage-Disabled-Reason", &"org_level_disabled")?;
        unified("Overage-Status", &"rejected")?;
        unified("Representative-Claim", &claim)?;
        unified("Reset", &reset)?;
        unified("Status", &status)
    }

    fn anthropic_window<M: SerializeMap>(
        &self,
        lines: &mut Lines<M>,
        name: &str,
        limit: &Limit,
    ) -> Result<(), M::Error> {
        let mut line = |what: &str, value: &dyn Display| {
            let name = format_args!("Anthropic-Ratelimit-Unified-{name}-{what}");
            lines.put(name, value)
        };
        let rejected = limit.is_used_up();
        line("Reset", &seconds(limit.reset_from(self.now)))?;
        line("Status", if rejected { &"rejected" } else { &"allowed" })?;
        let share = limit.basis_points();
        let utilization = format_args!("{}.{:04}", share / 10_000, share % 10_000);
        line("Utilization", &utilization)
    }
}

/// Formats hundredths as an amount with two decimals.
pub(crate) fn dollars(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn seconds(time: UnixNanos) -> u64 {
    u64::try_from(time.get() / 1_000_000_000).unwrap_or(0)
}
