//! The upstream's response headers as they ride in a record, noise included.

use super::json::{Civil, hex, number, padded, text};
use super::kinds::HeaderSet;
use super::prng::Prng;
use crate::quota::{Limit, Quota};
use cpa_exporter_core::model::UnixNanos;

/// What the headers of one answer depend on.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) set: HeaderSet,
    pub(crate) stream: bool,
    pub(crate) html: bool,
    /// Seconds after which to try again, of an answer that refuses.
    pub(crate) retry_after: Option<u64>,
    pub(crate) plan: &'a str,
    pub(crate) quota: &'a Quota,
    /// Windows of some models are told only where such a model was asked.
    pub(crate) model: &'a str,
    pub(crate) now: UnixNanos,
    /// Bytes of padding to add under a name of its own.
    pub(crate) padding: usize,
}

impl Answer<'_> {
    /// Writes the object. Names come in alphabetical order, as Go sorts map keys.
    pub(crate) fn write(&self, out: &mut Vec<u8>, prng: &mut Prng) {
        let cloudflare = matches!(self.set, HeaderSet::Codex | HeaderSet::Claude);
        out.push(b'{');
        if self.set == HeaderSet::Claude {
            self.anthropic(out);
        }
        if cloudflare {
            text(out, "\"Cf-Ray\":[\"");
            hex(out, prng.next_u64(), 16);
            text(out, "-FRA\"],");
        }
        text(out, "\"Content-Type\":[\"");
        text(out, self.content_type());
        text(out, "\"],\"Date\":[\"");
        Civil::of(self.now, 0).http_date(out);
        text(out, "\"],");
        if self.set == HeaderSet::RateLimit {
            text(out, "\"Openai-Processing-Ms\":[\"");
            number(out, prng.log_between(64, 4095));
            text(out, "\"],");
        }
        if let Some(seconds) = self.retry_after {
            text(out, "\"Retry-After\":[\"");
            number(out, seconds);
            text(out, "\"],");
        }
        if cloudflare {
            text(out, "\"Server\":[\"cloudflare\"],");
        }
        self.middle(out, prng);
        if self.padding > 0 {
            text(out, "\"X-Padding\":[\"");
            out.resize(out.len() + self.padding, b'x');
            text(out, "\"],");
        }
        text(out, "\"X-Request-Id\":[\"req_");
        hex(out, prng.next_u64(), 12);
        text(out, "\"]}");
    }

    fn content_type(&self) -> &'static str {
        match (self.html, self.stream) {
            (true, _) => "text/html",
            (false, true) => "text/event-stream",
            (false, false) => "application/json",
        }
    }

    fn middle(&self, out: &mut Vec<u8>, prng: &mut Prng) {
        match self.set {
            HeaderSet::Codex => self.codex(out, prng),
            HeaderSet::Google => {
                text(out, "\"Server-Timing\":[\"gfet4t7; dur=");
                number(out, prng.log_between(64, 2047));
                text(
                    out,
                    "\"],\"Vary\":[\"Origin\",\"X-Origin\",\"Referer\"],\
                     \"X-Gemini-Service-Tier\":[\"standard\"],",
                );
            }
            HeaderSet::RateLimit => {
                text(
                    out,
                    "\"X-Ratelimit-Limit-Requests\":[\"5000\"],\
                     \"X-Ratelimit-Remaining-Requests\":[\"",
                );
                number(out, prng.below(5000));
                text(out, "\"],\"X-Ratelimit-Remaining-Tokens\":[\"");
                number(out, prng.below(200_000));
                text(out, "\"],\"X-Ratelimit-Reset-Requests\":[\"12ms\"],");
            }
            HeaderSet::Xai => {
                text(
                    out,
                    "\"X-Ratelimit-Limit-Requests\":[\"480\"],\
                     \"X-Ratelimit-Remaining-Requests\":[\"",
                );
                number(out, prng.below(480));
                text(out, "\"],");
            }
            HeaderSet::Claude | HeaderSet::Plain => {}
        }
    }

    fn codex(&self, out: &mut Vec<u8>, prng: &mut Prng) {
        text(out, "\"Set-Cookie\":[\"__cf_bm=fake-");
        hex(out, prng.next_u64(), 16);
        text(
            out,
            "; path=/; HttpOnly\",\"_cfuvid=fake2; path=/\"],\
             \"X-Codex-Active-Limit\":[\"codex\"],",
        );
        if let Some(limit) = self.quota.get("codex_bengalfox", "weekly") {
            text(
                out,
                "\"X-Codex-Bengalfox-Limit-Name\":[\"GPT-5.3-Codex-Spark\"],",
            );
            self.codex_window(out, "Bengalfox-Primary", limit);
        }
        self.credits(out);
        text(out, "\"X-Codex-Plan-Type\":[\"");
        text(out, self.plan);
        text(
            out,
            "\"],\"X-Codex-Primary-Over-Secondary-Limit-Percent\":[\"0\"],",
        );
        let mut windows = self.quota.windows("main");
        let (primary, secondary) = (windows.next(), windows.next());
        if let Some(limit) = primary {
            self.codex_window(out, "Primary", limit);
        }
        let mut reached = [("primary", primary), ("secondary", secondary)].into_iter();
        let reached = reached.find(|(_, limit)| limit.is_some_and(Limit::is_used_up));
        if let (Some(_), Some((name, _))) = (self.retry_after, reached) {
            text(out, "\"X-Codex-Rate-Limit-Reached-Type\":[\"");
            text(out, name);
            text(out, "\"],");
        }
        if let Some(limit) = secondary {
            self.codex_window(out, "Secondary", limit);
        }
    }

    fn credits(&self, out: &mut Vec<u8>) {
        let credits = self.quota.get("credits", "monthly");
        text(out, "\"X-Codex-Credits-Balance\":[\"");
        if let Some(credits) = credits {
            let left = credits.nominal_left();
            number(out, left / 100);
            out.push(b'.');
            padded(out, left % 100, 2);
        }
        text(out, "\"],\"X-Codex-Credits-Has-Credits\":[\"");
        text(out, if credits.is_some() { "True" } else { "False" });
        text(out, "\"],\"X-Codex-Credits-Unlimited\":[\"False\"],");
    }

    fn codex_window(&self, out: &mut Vec<u8>, name: &str, limit: &Limit) {
        let reset = limit.reset_from(self.now);
        let mut value = |suffix: &str, value: u64| {
            text(out, "\"X-Codex-");
            text(out, name);
            text(out, suffix);
            text(out, "\":[\"");
            number(out, value);
            text(out, "\"],");
        };
        value("-Reset-After-Seconds", reset.since(self.now).as_secs());
        value("-Reset-At", seconds(reset));
        value("-Used-Percent", limit.percent());
        value("-Window-Minutes", limit.seconds() / 60);
    }

    fn anthropic(&self, out: &mut Vec<u8>) {
        text(
            out,
            "\"Anthropic-Organization-Id\":[\"99999999-2222-4333-8444-555555555555\"],",
        );
        let short = self.quota.get("main", "5h");
        let long = self.quota.get("main", "weekly");
        let scoped = self.quota.get("fable", "weekly");
        let scoped = scoped.filter(|_| self.model.contains("fable"));
        for (name, limit) in [("5h", short), ("7d", long), ("7d_oi", scoped)] {
            if let Some(limit) = limit {
                self.anthropic_window(out, name, limit);
            }
        }
        text(
            out,
            "\"Anthropic-Ratelimit-Unified-Fallback-Percentage\":[\"0.5\"],\
             \"Anthropic-Ratelimit-Unified-Overage-Disabled-Reason\":[\"org_level_disabled\"],\
             \"Anthropic-Ratelimit-Unified-Overage-Status\":[\"rejected\"],\
             \"Anthropic-Ratelimit-Unified-Representative-Claim\":[\"",
        );
        let (mut claim, mut name) = (short, "five_hour");
        for (limit, called) in [(long, "seven_day"), (scoped, "seven_day_oi")] {
            let share = |limit: Option<&Limit>| limit.map(Limit::basis_points);
            if share(limit) > share(claim) {
                (claim, name) = (limit, called);
            }
        }
        text(out, name);
        text(out, "\"],\"Anthropic-Ratelimit-Unified-Reset\":[\"");
        number(
            out,
            claim.map_or(0, |limit| seconds(limit.reset_from(self.now))),
        );
        text(out, "\"],\"Anthropic-Ratelimit-Unified-Status\":[\"");
        text(out, unified_status(claim.map_or(0, Limit::basis_points)));
        text(out, "\"],");
    }

    fn anthropic_window(&self, out: &mut Vec<u8>, name: &str, limit: &Limit) {
        let head = |out: &mut Vec<u8>, suffix: &str| {
            text(out, "\"Anthropic-Ratelimit-Unified-");
            text(out, name);
            text(out, suffix);
        };
        head(out, "-Reset\":[\"");
        number(out, seconds(limit.reset_from(self.now)));
        text(out, "\"],");
        head(out, "-Status\":[\"");
        let rejected = limit.is_used_up();
        text(out, if rejected { "rejected" } else { "allowed" });
        text(out, "\"],");
        head(out, "-Utilization\":[\"");
        let share = limit.basis_points();
        number(out, share / 10_000);
        out.push(b'.');
        padded(out, share % 10_000, 4);
        text(out, "\"],");
    }
}

fn seconds(time: UnixNanos) -> u64 {
    u64::try_from(time.get() / 1_000_000_000).unwrap_or(0)
}

fn unified_status(basis_points: u64) -> &'static str {
    match basis_points {
        10_000.. => "rejected",
        7_500.. => "allowed_warning",
        _ => "allowed",
    }
}
