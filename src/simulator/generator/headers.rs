//! The upstream's response headers as they ride in a record, noise included.

use super::json::{Civil, hex, number, padded, text};
use super::kinds::HeaderSet;
use super::prng::Prng;
use super::quota::{Quota, Window};
use crate::model::UnixNanos;

/// What the headers of one answer depend on.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) set: HeaderSet,
    pub(crate) stream: bool,
    pub(crate) html: bool,
    pub(crate) limited: bool,
    pub(crate) plan: &'a str,
    pub(crate) quota: &'a Quota,
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
        if self.limited {
            text(out, "\"Retry-After\":[\"37\"],");
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
             \"X-Codex-Active-Limit\":[\"codex\"],\
             \"X-Codex-Credits-Balance\":[\"\"],\
             \"X-Codex-Credits-Has-Credits\":[\"False\"],\
             \"X-Codex-Credits-Unlimited\":[\"False\"],\"X-Codex-Plan-Type\":[\"",
        );
        text(out, self.plan);
        text(
            out,
            "\"],\"X-Codex-Primary-Over-Secondary-Limit-Percent\":[\"0\"],",
        );
        self.codex_window(out, "Primary", &self.quota.primary);
        self.codex_window(out, "Secondary", &self.quota.secondary);
    }

    fn codex_window(&self, out: &mut Vec<u8>, name: &str, window: &Window) {
        let mut value = |suffix: &str, value: u64| {
            text(out, "\"X-Codex-");
            text(out, name);
            text(out, suffix);
            text(out, "\":[\"");
            number(out, value);
            text(out, "\"],");
        };
        value(
            "-Reset-After-Seconds",
            window.reset.since(self.now).as_secs(),
        );
        value("-Reset-At", window.reset_seconds());
        value("-Used-Percent", window.used_basis_points() / 100);
        value("-Window-Minutes", window.minutes());
    }

    fn anthropic(&self, out: &mut Vec<u8>) {
        text(
            out,
            "\"Anthropic-Organization-Id\":[\"99999999-2222-4333-8444-555555555555\"],",
        );
        let (short, long) = (&self.quota.primary, &self.quota.secondary);
        anthropic_window(out, "5h", short);
        anthropic_window(out, "7d", long);
        text(
            out,
            "\"Anthropic-Ratelimit-Unified-Fallback-Percentage\":[\"0.5\"],\
             \"Anthropic-Ratelimit-Unified-Overage-Disabled-Reason\":[\"org_level_disabled\"],\
             \"Anthropic-Ratelimit-Unified-Overage-Status\":[\"rejected\"],\
             \"Anthropic-Ratelimit-Unified-Representative-Claim\":[\"",
        );
        let weekly = long.used_basis_points() > short.used_basis_points();
        text(out, if weekly { "seven_day" } else { "five_hour" });
        text(out, "\"],\"Anthropic-Ratelimit-Unified-Reset\":[\"");
        let claim = if weekly { long } else { short };
        number(out, claim.reset_seconds());
        text(out, "\"],\"Anthropic-Ratelimit-Unified-Status\":[\"");
        text(out, unified_status(claim));
        text(out, "\"],");
    }
}

fn anthropic_window(out: &mut Vec<u8>, name: &str, window: &Window) {
    let head = |out: &mut Vec<u8>, suffix: &str| {
        text(out, "\"Anthropic-Ratelimit-Unified-");
        text(out, name);
        text(out, suffix);
    };
    head(out, "-Reset\":[\"");
    number(out, window.reset_seconds());
    text(out, "\"],");
    head(out, "-Status\":[\"");
    let rejected = window.is_used_up();
    text(out, if rejected { "rejected" } else { "allowed" });
    text(out, "\"],");
    head(out, "-Utilization\":[\"");
    let share = window.used_basis_points();
    number(out, share / 10_000);
    out.push(b'.');
    padded(out, share % 10_000, 4);
    text(out, "\"],");
}

fn unified_status(window: &Window) -> &'static str {
    match window.used_basis_points() {
        10_000.. => "rejected",
        7_500.. => "allowed_warning",
        _ => "allowed",
    }
}
