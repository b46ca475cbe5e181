//! Which way records are taken next, and why. Pure: events in, decisions out.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::IngestMode;

/// What the configuration asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModeSetting {
    #[default]
    Auto,
    Forced(IngestMode),
}

/// First pause before RESP is tried again on a server that did not serve it.
const RESP_RETRY_FIRST: Duration = Duration::from_mins(1);
const RESP_RETRY_MAX: Duration = Duration::from_hours(1);
/// How long a starved popper stays a subscriber over reconnects before popping is tried again.
const SUBSCRIBE_FIRST: Duration = Duration::from_hours(1);
const SUBSCRIBE_MAX: Duration = Duration::from_hours(24);

/// The next mode and the reason that the log gives for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub mode: IngestMode,
    pub(super) why: String,
    /// When another mode should be tried, if this one is only a substitute.
    pub(super) until: Option<Instant>,
}

/// Remembers what was found out about the server.
///
/// Popping over RESP is always preferred: the queue holds a minute or more, a subscriber is cut
/// off when it is 256 records behind, and HTTP costs CPA 62 ms a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    setting: ModeSetting,
    without_resp: Option<Fallback>,
    starved: Option<Fallback>,
}

#[derive(Clone, Debug)]
struct Fallback {
    why: String,
    until: Instant,
    pause: Duration,
}

impl Plan {
    pub(super) fn new(setting: ModeSetting) -> Self {
        Self {
            setting,
            ..Self::default()
        }
    }

    pub(super) fn next(&self, now: Instant) -> Decision {
        if let ModeSetting::Forced(mode) = self.setting {
            return Decision {
                mode,
                why: "the configuration asks for it".to_owned(),
                until: None,
            };
        }
        let active = |held: &Option<Fallback>| held.clone().filter(|h| now < h.until);
        if let Some(held) = active(&self.without_resp) {
            return Decision {
                mode: IngestMode::Http,
                why: held.why,
                until: Some(held.until),
            };
        }
        if let Some(held) = active(&self.starved) {
            // A live subscription is never given up to try popping: that would lose what the
            // other subscriber takes meanwhile. Only a reconnect looks again.
            return Decision {
                mode: IngestMode::Subscribe,
                why: held.why,
                until: None,
            };
        }
        Decision {
            mode: IngestMode::Pop,
            why: "the queue over RESP holds records longest".to_owned(),
            until: None,
        }
    }

    /// RESP is not served here; take HTTP for a while.
    pub(super) fn resp_unavailable(&mut self, why: &str, now: Instant) {
        let pause = self.without_resp.as_ref().map_or(RESP_RETRY_FIRST, |held| {
            held.pause.saturating_mul(2).min(RESP_RETRY_MAX)
        });
        self.without_resp = Some(Fallback {
            why: format!("RESP cannot be used: {why}"),
            until: now + pause,
            pause,
        });
    }

    pub(super) fn resp_works(&mut self) {
        self.without_resp = None;
    }

    /// CPA counts requests and the queue stays empty: somebody else takes the records.
    pub(super) fn starved(&mut self, now: Instant) {
        let pause = self.starved.as_ref().map_or(SUBSCRIBE_FIRST, |held| {
            held.pause.saturating_mul(2).min(SUBSCRIBE_MAX)
        });
        self.starved = Some(Fallback {
            why: "another subscriber takes every record, so the queue stays empty; subscribers \
                  each get a copy"
                .to_owned(),
            until: now + pause,
            pause,
        });
    }

    /// The operator has changed something: begin from the start.
    pub(super) fn forget(&mut self) {
        self.without_resp = None;
        self.starved = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_a_substitute_with_growing_pauses() {
        let mut plan = Plan::new(ModeSetting::Auto);
        let mut now = Instant::now();
        assert_eq!(plan.next(now).mode, IngestMode::Pop);
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            plan.resp_unavailable("removed", now);
            let decision = plan.next(now);
            assert_eq!(decision.mode, IngestMode::Http);
            assert_eq!(decision.until, Some(now + Duration::from_mins(minutes)));
            now += Duration::from_mins(minutes);
            assert_eq!(plan.next(now).mode, IngestMode::Pop);
        }
        plan.resp_works();
        plan.resp_unavailable("removed", now);
        assert_eq!(plan.next(now).until, Some(now + RESP_RETRY_FIRST));
    }

    #[test]
    fn a_starved_popper_subscribes_and_looks_again_later() {
        let mut plan = Plan::new(ModeSetting::Auto);
        let now = Instant::now();
        plan.starved(now);
        assert_eq!(plan.next(now).mode, IngestMode::Subscribe);
        assert_eq!(plan.next(now + SUBSCRIBE_FIRST).mode, IngestMode::Pop);
        plan.starved(now);
        assert_eq!(plan.next(now + SUBSCRIBE_FIRST).mode, IngestMode::Subscribe);
        plan.forget();
        assert_eq!(plan.next(now).mode, IngestMode::Pop);
    }

    #[test]
    fn a_forced_mode_stays() {
        let mut plan = Plan::new(ModeSetting::Forced(IngestMode::Subscribe));
        let now = Instant::now();
        plan.resp_unavailable("removed", now);
        plan.starved(now);
        assert_eq!(plan.next(now).mode, IngestMode::Subscribe);
    }
}
