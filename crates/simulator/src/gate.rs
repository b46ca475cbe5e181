//! Access to the management interface: the key check with its failure count and bans.
//!
//! As in CPA, HTTP and RESP share one gate, so that failures of both add up.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use cpa_exporter_core::model::UnixNanos;

/// Failures since the last success that cause a ban.
const STRIKES: u32 = 5;
const BAN: Duration = Duration::from_mins(30);

/// Whether and how management is available.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Management {
    #[default]
    Enabled,
    /// No secret is configured: HTTP returns 404, and RESP connections are closed without a reply.
    Disabled,
    /// Only a local password is set, which alone grants no access.
    KeyNotSet,
    /// CPA is controlled remotely and has no queue of its own.
    Home,
}

/// Reason of a refusal. Its text is CPA's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Banned(Duration),
    RemoteDisabled,
    KeyNotSet,
    MissingKey,
    InvalidKey,
}

impl Refusal {
    /// 401 for a wrong key, 403 if no key would help.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::MissingKey | Self::InvalidKey => 401,
            Self::Banned(_) | Self::RemoteDisabled | Self::KeyNotSet => 403,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Banned(left) => {
                f.write_str("IP banned due to too many failed attempts. Try again in ")?;
                write_go_seconds(f, *left)
            }
            Self::RemoteDisabled => f.write_str("remote management disabled"),
            Self::KeyNotSet => f.write_str("remote management key not set"),
            Self::MissingKey => f.write_str("missing management key"),
            Self::InvalidKey => f.write_str("invalid management key"),
        }
    }
}

/// Formats a duration of whole seconds like Go: `30m0s`, `29m58s`, `1h0m0s`, `7s`.
fn write_go_seconds(f: &mut fmt::Formatter<'_>, span: Duration) -> fmt::Result {
    let total = span.as_secs() + u64::from(span.subsec_nanos() >= 500_000_000);
    let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60);
    if hours > 0 {
        write!(f, "{hours}h")?;
    }
    if total >= 60 {
        write!(f, "{minutes}m")?;
    }
    write!(f, "{seconds}s")
}

#[derive(Debug, Default)]
struct Strikes {
    count: u32,
    banned_until: Option<UnixNanos>,
}

#[derive(Debug)]
pub(crate) struct Gate {
    key: String,
    key_set: bool,
    allow_remote: bool,
    clients: HashMap<String, Strikes>,
    /// Failed logins of all clients since the start.
    failed: u64,
}

impl Gate {
    pub(crate) fn new(key: String, key_set: bool, allow_remote: bool) -> Self {
        Self {
            key,
            key_set,
            allow_remote,
            clients: HashMap::new(),
            failed: 0,
        }
    }

    /// Checks in CPA's order: ban, remote access, presence of a key, then the key.
    pub(crate) fn check(&mut self, client: &str, key: &str, now: UnixNanos) -> Result<(), Refusal> {
        if let Some(left) = self.ban_left(client, now) {
            return Err(Refusal::Banned(left));
        }
        if !is_local(client) && !self.allow_remote {
            return Err(Refusal::RemoteDisabled);
        }
        if !self.key_set {
            return Err(Refusal::KeyNotSet);
        }
        if key == self.key {
            self.clients.remove(client);
            return Ok(());
        }
        self.strike(client, now);
        Err(if key.is_empty() {
            Refusal::MissingKey
        } else {
            Refusal::InvalidKey
        })
    }

    /// Existing logins stay valid.
    pub(crate) fn change_key(&mut self, key: String) {
        self.key = key;
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }

    /// Lifts every ban, as a restart does.
    pub(crate) fn forget(&mut self) {
        self.clients.clear();
    }

    fn ban_left(&mut self, client: &str, now: UnixNanos) -> Option<Duration> {
        let until = self.clients.get(client)?.banned_until?;
        let left = until.since(now);
        if left.is_zero() {
            self.clients.remove(client);
            return None;
        }
        Some(left)
    }

    fn strike(&mut self, client: &str, now: UnixNanos) {
        let strikes = self.clients.entry(client.to_owned()).or_default();
        strikes.count += 1;
        self.failed += 1;
        if strikes.count >= STRIKES {
            strikes.banned_until = Some(now.saturating_add(BAN));
        }
    }
}

fn is_local(client: &str) -> bool {
    client == "127.0.0.1" || client == "::1"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> UnixNanos {
        UnixNanos::from_millis(seconds * 1000)
    }

    #[test]
    fn fifth_failure_bans_even_the_right_key() {
        let mut gate = Gate::new("right".to_owned(), true, false);
        for _ in 0..STRIKES {
            assert_eq!(gate.check("::1", "wrong", at(0)), Err(Refusal::InvalidKey));
        }
        let refusal = gate.check("::1", "right", at(2)).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "IP banned due to too many failed attempts. Try again in 29m58s"
        );
        assert_eq!(gate.check("127.0.0.1", "right", at(2)), Ok(()));
        assert_eq!(gate.check("::1", "right", at(1800)), Ok(()));
    }

    #[test]
    fn success_clears_the_failures() {
        let mut gate = Gate::new("right".to_owned(), true, false);
        for _ in 0..4 {
            assert_eq!(gate.check("::1", "", at(0)), Err(Refusal::MissingKey));
        }
        assert_eq!(gate.check("::1", "right", at(0)), Ok(()));
        assert_eq!(gate.check("::1", "", at(0)), Err(Refusal::MissingKey));
        assert_eq!(gate.check("::1", "right", at(0)), Ok(()));
    }

    #[test]
    fn durations_are_formatted_like_go() {
        let text = |ms| Refusal::Banned(Duration::from_millis(ms)).to_string();
        assert!(text(1_799_600).ends_with(" 30m0s"));
        assert!(text(7_400).ends_with(" 7s"));
        assert!(text(3_600_000).ends_with(" 1h0m0s"));
    }
}
