//! Reasons for which CPA refuses access, parsed from its responses.

use std::time::Duration;

use crate::model::AccessRefusal;

/// A refusal of RESP and HTTP alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    WrongKey,
    MissingKey,
    /// A login refused with an unknown text, by CPA or a proxy in front of it.
    Unauthorized,
    /// Too many failed logins from our address; the remaining time as CPA states it.
    Banned(Option<Duration>),
    /// CPA accepts no remote management.
    RemoteDisabled,
    /// CPA has no management key configured, so no key is valid.
    NoKeySet,
    /// CPA sends its records to another machine.
    HomeMode,
    /// Management is disabled: connections close without a reply, HTTP returns a bare 404.
    ManagementOff,
}

/// Meaning of a RESP error line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RespError {
    Refused(Refusal),
    /// The queue is unavailable over RESP; HTTP may still serve it.
    Unavailable(&'static str),
    /// Any other line, as sent.
    Other(String),
}

/// Pauses after the first refusals of a key. The fifth failed login bans the address for half an
/// hour, and CPA forgets failed logins after two hours without one: so the fourth is followed by a
/// longer pause.
const WRONG_KEY_WAITS: [Duration; 3] = [
    Duration::from_mins(5),
    Duration::from_mins(10),
    Duration::from_mins(20),
];
const WRONG_KEY_LAST_WAIT: Duration = Duration::from_mins(130);
/// A ban lasts half an hour unless a restart of CPA ends it. A request during the ban costs
/// nothing: CPA does not check the key and does not restart the ban.
const BAN_RETRY: Duration = Duration::from_mins(1);
/// Added to the stated remaining time, which CPA rounds to seconds.
const BAN_MARGIN: Duration = Duration::from_secs(5);
/// Pause after a refusal that a retry does not make worse.
const RETRY_WAIT: Duration = Duration::from_secs(30);

impl Refusal {
    /// Without the remaining time of a ban.
    pub(crate) const fn kind(self) -> AccessRefusal {
        match self {
            Self::WrongKey | Self::Unauthorized => AccessRefusal::WrongKey,
            Self::MissingKey => AccessRefusal::MissingKey,
            Self::Banned(_) => AccessRefusal::Banned,
            Self::RemoteDisabled => AccessRefusal::RemoteDisabled,
            Self::NoKeySet => AccessRefusal::NoKeySet,
            Self::HomeMode => AccessRefusal::HomeMode,
            Self::ManagementOff => AccessRefusal::ManagementOff,
        }
    }

    /// Pause before the next request, unless the key changes. `strikes` counts the consecutive
    /// failed logins, this one included.
    pub(crate) fn wait(self, strikes: u32) -> Duration {
        match self {
            Self::WrongKey | Self::MissingKey | Self::Unauthorized => {
                let at = usize::try_from(strikes.saturating_sub(1)).unwrap_or(usize::MAX);
                WRONG_KEY_WAITS
                    .get(at)
                    .copied()
                    .unwrap_or(WRONG_KEY_LAST_WAIT)
            }
            Self::Banned(rest) => rest.map_or(BAN_RETRY, |rest| (rest + BAN_MARGIN).min(BAN_RETRY)),
            Self::RemoteDisabled | Self::NoKeySet | Self::HomeMode | Self::ManagementOff => {
                RETRY_WAIT
            }
        }
    }

    /// Whether another key can change the outcome at once.
    pub(crate) const fn concerns_key(self) -> bool {
        matches!(self, Self::WrongKey | Self::MissingKey | Self::Unauthorized)
    }

    /// Advice for the operator.
    pub(crate) const fn remedy(self) -> &'static str {
        match self {
            Self::WrongKey => {
                "CPA refused the management key; put the plain text of \
                 `remote-management.secret-key` (or MANAGEMENT_PASSWORD) into the key file"
            }
            Self::MissingKey => "the management key is empty; configure one",
            Self::Unauthorized => {
                "the management key was refused with an unknown text; check the key, and if a proxy in \
                 front of CPA requires a login, exempt this machine"
            }
            Self::Banned(_) => {
                "CPA has banned this address after five failed logins; find the client with a wrong key \
                 at this address, or restart CPA"
            }
            Self::RemoteDisabled => {
                "CPA accepts management requests from its own machine only; set \
                 `remote-management.allow-remote: true` or run the exporter on that machine"
            }
            Self::NoKeySet => "CPA has no management key; set `remote-management.secret-key`",
            Self::HomeMode => {
                "CPA runs in Home mode and sends its records to another machine; point the \
                 exporter there"
            }
            Self::ManagementOff => {
                "CPA's management is disabled; set `remote-management.secret-key` or \
                 MANAGEMENT_PASSWORD in CPA"
            }
        }
    }

    /// The refusals whose text RESP and HTTP share.
    fn from_text(text: &str) -> Option<Self> {
        let known = [
            ("invalid management key", Self::WrongKey),
            ("missing management key", Self::MissingKey),
            ("remote management disabled", Self::RemoteDisabled),
            ("remote management key not set", Self::NoKeySet),
            ("redis usage output disabled in home mode", Self::HomeMode),
        ];
        if text.contains("IP banned") {
            let rest = text.rsplit_once("Try again in ");
            return Some(Self::Banned(rest.and_then(|(_, rest)| go_duration(rest))));
        }
        known
            .into_iter()
            .find(|(start, _)| text.starts_with(start))
            .map(|(_, refusal)| refusal)
    }

    /// The refusal in an HTTP response of the management API, if any.
    ///
    /// `from_cpa` states whether the response has CPA's version header: a bare 404 without it means
    /// that no management API is behind the path.
    pub(crate) fn from_http(status: u16, body: &str, from_cpa: bool) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Error {
            error: String,
        }
        match status {
            401 | 403 => {
                let error = serde_json::from_str::<Error>(body).map(|e| e.error);
                let known = Self::from_text(error.as_deref().unwrap_or(body).trim());
                known.or((status == 401).then_some(Self::Unauthorized))
            }
            404 if !from_cpa && body.is_empty() => Some(Self::ManagementOff),
            _ => None,
        }
    }
}

impl RespError {
    /// Classifies an error line, given without its leading `-`.
    pub(crate) fn from_line(line: &str) -> Self {
        let text = line.strip_prefix("ERR ").unwrap_or(line).trim();
        if let Some(refusal) = Refusal::from_text(text) {
            Self::Refused(refusal)
        } else if line.starts_with("NOAUTH") {
            Self::Refused(Refusal::MissingKey)
        } else if text.starts_with("RESP AUTH disabled") {
            Self::Unavailable("this CPA release (v7.1.17) serves no RESP")
        } else if text.starts_with("unsupported channel") {
            Self::Unavailable("CPA does not know the channel `usage`")
        } else if text.starts_with("unknown command") {
            Self::Unavailable("CPA does not know the command")
        } else {
            Self::Other(text.chars().take(200).collect())
        }
    }
}

/// Parses Go's format of a duration, rounded to seconds: `29m58s`, `1h0m3s`, `58s`.
fn go_duration(text: &str) -> Option<Duration> {
    let text = text.trim().trim_end_matches('.');
    let mut seconds = 0_u64;
    let mut number = None;
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = Some(number.unwrap_or(0_u64).checked_mul(10)? + u64::from(digit));
            continue;
        }
        let factor = match c {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(number.take()?.checked_mul(factor)?)?;
    }
    // A ban lasts half an hour; never pause for longer than a day.
    (number.is_none() && !text.is_empty() && seconds <= 86_400)
        .then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_line_of_the_protocol_is_classified() {
        use Refusal::{Banned, HomeMode, MissingKey, NoKeySet, RemoteDisabled, WrongKey};
        let minutes = |m: u64, s: u64| Some(Duration::from_secs(m * 60 + s));
        let table = [
            ("ERR invalid management key", WrongKey),
            ("ERR missing management key", MissingKey),
            ("NOAUTH Authentication required.", MissingKey),
            ("ERR remote management disabled", RemoteDisabled),
            ("ERR remote management key not set", NoKeySet),
            ("ERR redis usage output disabled in home mode", HomeMode),
            (
                "ERR IP banned due to too many failed attempts. Try again in 29m58s",
                Banned(minutes(29, 58)),
            ),
            ("ERR IP banned for a while", Banned(None)),
        ];
        for (line, refusal) in table {
            assert_eq!(
                RespError::from_line(line),
                RespError::Refused(refusal),
                "{line}"
            );
        }
        for line in [
            "ERR RESP AUTH disabled; use mTLS",
            "ERR unsupported channel 'usage'",
            "ERR unknown command 'subscribe'",
        ] {
            assert!(
                matches!(RespError::from_line(line), RespError::Unavailable(_)),
                "{line}"
            );
        }
        assert_eq!(
            RespError::from_line("ERR protocol error"),
            RespError::Other("protocol error".to_owned())
        );
    }

    #[test]
    fn http_responses_are_classified() {
        let wrong = r#"{"error":"invalid management key"}"#;
        assert_eq!(
            Refusal::from_http(401, wrong, true),
            Some(Refusal::WrongKey)
        );
        let banned = r#"{"error":"IP banned due to too many failed attempts. Try again in 30m0s"}"#;
        assert_eq!(
            Refusal::from_http(403, banned, true),
            Some(Refusal::Banned(Some(Duration::from_mins(30))))
        );
        assert_eq!(
            Refusal::from_http(404, "", false),
            Some(Refusal::ManagementOff)
        );
        for unknown in ["", "<html>", r#"{"error":"unauthorized"}"#] {
            for from_cpa in [true, false] {
                let refusal = Refusal::from_http(401, unknown, from_cpa);
                assert_eq!(refusal, Some(Refusal::Unauthorized), "{unknown}");
            }
        }
        assert_eq!(Refusal::from_http(404, "", true), None);
        assert_eq!(Refusal::from_http(503, "", false), None);
    }

    #[test]
    fn requests_during_a_ban_repeat_until_it_ends() {
        let wait = |rest: Option<u64>| Refusal::Banned(rest.map(Duration::from_secs)).wait(5);
        assert_eq!(wait(Some(1798)), BAN_RETRY);
        assert_eq!(wait(None), BAN_RETRY);
        assert_eq!(wait(Some(20)), Duration::from_secs(25));
    }

    #[test]
    fn go_durations() {
        assert_eq!(go_duration("1h0m3s"), Some(Duration::from_secs(3603)));
        assert_eq!(go_duration("58s"), Some(Duration::from_secs(58)));
        for bad in ["", "s", "5", "5x", "99999999999999999999s", "48h"] {
            assert_eq!(go_duration(bad), None, "{bad}");
        }
    }
}
