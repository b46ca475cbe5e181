//! Selects the next ingest mode and states why. Pure: events in, decisions out.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::IngestMode;

/// The configured mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModeSetting {
    #[default]
    Auto,
    Forced(IngestMode),
}

/// First pause before RESP is retried on a server where it was unavailable.
const RESP_RETRY_FIRST: Duration = Duration::from_mins(1);
const RESP_RETRY_MAX: Duration = Duration::from_hours(1);
/// How long a starved popper subscribes across reconnects before it pops again.
const SUBSCRIBE_FIRST: Duration = Duration::from_hours(1);
const SUBSCRIBE_MAX: Duration = Duration::from_hours(24);

/// The next mode and the reason for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub mode: IngestMode,
    pub(super) why: String,
    /// When to try another mode, if this one is a fallback.
    pub(super) until: Option<Instant>,
}

/// State learned about the server.
///
/// Pop over RESP is preferred: the queue holds a minute or more, a subscriber is disconnected when
/// it is 256 records behind, and HTTP costs CPA 62 ms a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    setting: ModeSetting,
    without_resp: Option<Fallback>,
    starved: Option<Fallback>,
    /// Subscribe for a while, to find out whether another client takes records.
    probing: bool,
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
        let pops = matches!(
            self.setting,
            ModeSetting::Auto | ModeSetting::Forced(IngestMode::Pop)
        );
        let resp_works = self
            .without_resp
            .as_ref()
            .is_none_or(|held| now >= held.until);
        if self.probing && pops && resp_works {
            return Decision {
                mode: IngestMode::Subscribe,
                why: "finding out for a while why records are missing".to_owned(),
                until: None,
            };
        }
        if let ModeSetting::Forced(mode) = self.setting {
            return Decision {
                mode,
                why: "set in the configuration".to_owned(),
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
            // Never leave a live subscription to try a pop: the records that the other subscriber
            // receives meanwhile would be lost. Try only on a reconnect.
            return Decision {
                mode: IngestMode::Subscribe,
                why: held.why,
                until: None,
            };
        }
        Decision {
            mode: IngestMode::Pop,
            why: "preferred: the queue over RESP holds records longest".to_owned(),
            until: None,
        }
    }

    /// RESP is unavailable; use HTTP for a while.
    pub(super) fn resp_unavailable(&mut self, why: &str, now: Instant) {
        let pause = self.without_resp.as_ref().map_or(RESP_RETRY_FIRST, |held| {
            held.pause.saturating_mul(2).min(RESP_RETRY_MAX)
        });
        self.without_resp = Some(Fallback {
            why: format!("RESP is unavailable: {why}"),
            until: now + pause,
            pause,
        });
    }

    pub(super) fn resp_works(&mut self) {
        self.without_resp = None;
    }

    /// Subscribe for a while, or no more.
    pub(super) fn probe(&mut self, on: bool) {
        self.probing = on;
    }

    /// Another client takes records from the queue.
    pub(super) fn starved(&mut self, now: Instant) {
        let pause = self.starved.as_ref().map_or(SUBSCRIBE_FIRST, |held| {
            held.pause.saturating_mul(2).min(SUBSCRIBE_MAX)
        });
        self.starved = Some(Fallback {
            why: "another client takes records from the queue; each subscriber gets a copy of all"
                .to_owned(),
            until: now + pause,
            pause,
        });
    }

    /// The operator has changed something: reset the plan.
    pub(super) fn reset(&mut self) {
        self.without_resp = None;
        self.starved = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_a_fallback_with_growing_retry_pauses() {
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
    fn a_starved_popper_subscribes_and_pops_again_later() {
        let mut plan = Plan::new(ModeSetting::Auto);
        let now = Instant::now();
        plan.starved(now);
        assert_eq!(plan.next(now).mode, IngestMode::Subscribe);
        assert_eq!(plan.next(now + SUBSCRIBE_FIRST).mode, IngestMode::Pop);
        plan.starved(now);
        assert_eq!(plan.next(now + SUBSCRIBE_FIRST).mode, IngestMode::Subscribe);
        plan.reset();
        assert_eq!(plan.next(now).mode, IngestMode::Pop);
    }

    #[test]
    fn a_probe_subscribes_instead_of_popping() {
        let now = Instant::now();
        for (setting, probe) in [
            (ModeSetting::Auto, IngestMode::Subscribe),
            (ModeSetting::Forced(IngestMode::Pop), IngestMode::Subscribe),
            (ModeSetting::Forced(IngestMode::Http), IngestMode::Http),
        ] {
            let mut plan = Plan::new(setting);
            let before = plan.next(now).mode;
            plan.probe(true);
            assert_eq!(plan.next(now).mode, probe);
            plan.probe(false);
            assert_eq!(plan.next(now).mode, before);
        }
        let mut plan = Plan::new(ModeSetting::Auto);
        plan.resp_unavailable("removed", now);
        plan.probe(true);
        assert_eq!(plan.next(now).mode, IngestMode::Http);
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
