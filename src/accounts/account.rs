//! One account, and what its reported state means at a point in time.

use secrecy::SecretString;

use super::cooldown_reason::CooldownReason;
use super::last_failure::LastFailure;
use crate::model::{AuthType, FailureReason, UnixNanos};

/// Whether CPA uses the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Also when CPA leaves one model alone for a while, or waits a minute for an upstream in trouble,
    /// which says nothing of the account.
    Active,
    /// CPA waits for a quota or a rate limit.
    Cooling,
    /// Somebody has to look: the login is refused, the account banned, the plan unpaid, or CPA
    /// gives no reason that is known.
    Error,
    Disabled,
    /// Not ready yet, or its token is being refreshed.
    Pending,
    /// CPA does not tell, as for the keys of its configuration.
    Unknown,
}

impl Status {
    /// By severity: the position is the value of `cpa_account_state`.
    pub const ALL: [Self; 6] = [
        Self::Active,
        Self::Unknown,
        Self::Pending,
        Self::Disabled,
        Self::Cooling,
        Self::Error,
    ];

    /// The value of the label `status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Cooling => "cooling",
            Self::Error => "error",
            Self::Disabled => "disabled",
            Self::Pending => "pending",
            Self::Unknown => "unknown",
        }
    }

    /// Whether CPA would give the account a request now.
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Active | Self::Unknown)
    }
}

/// What a cool-down keeps CPA from using.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    Credential,
    Model(Box<str>),
}

impl Scope {
    /// The value of the label `scope`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Model(_) => "model",
        }
    }
}

/// CPA does not use something for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cooldown {
    pub scope: Scope,
    pub reason: CooldownReason,
    pub until: UnixNanos,
}

/// Quota headers of an account's last answer, as CPA keeps them since 7.3.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuotaSignals {
    pub observed_at: Option<UnixNanos>,
    /// Names are in lower case.
    pub headers: Vec<(Box<str>, Box<str>)>,
}

/// What CPA itself calls the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reported {
    Active,
    Error,
    Disabled,
    Pending,
    #[default]
    Unknown,
}

impl Reported {
    pub(super) fn from_text(text: &str) -> Self {
        match text {
            "active" | "ready" => Self::Active,
            "error" => Self::Error,
            "disabled" => Self::Disabled,
            "pending" | "refreshing" => Self::Pending,
            _ => Self::Unknown,
        }
    }
}

/// A credential that CPA lists.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "as CPA's list has them, in any combination"
)]
pub struct Account {
    /// CPA's index of the credential, the same as in records.
    pub auth_index: Box<str>,
    /// The credential's own provider; records name the executor's.
    pub provider: Box<str>,
    pub auth_type: AuthType,
    /// For a person who looks for it; never an address, never a key.
    pub name_masked: Box<str>,
    /// Kept only if it is to be shown.
    pub email: Option<SecretString>,
    pub plan: Option<Box<str>>,
    pub status: Status,
    pub(super) last_failure: Option<LastFailure>,
    /// CPA has served with the account since its last failure.
    pub(super) served_since: bool,
    pub disabled: bool,
    pub unavailable: bool,
    /// Those that are not over.
    pub cooldowns: Vec<Cooldown>,
    pub next_retry: Option<UnixNanos>,
    pub last_refresh: Option<UnixNanos>,
    pub updated_at: Option<UnixNanos>,
    pub subscription_end: Option<UnixNanos>,
    /// Results since CPA's start; `None` where CPA does not count.
    pub success: Option<u64>,
    pub failed: Option<u64>,
    /// Of a configured key; without user, password and query.
    pub base_url: Option<Box<str>>,
    pub chatgpt_account_id: Option<SecretString>,
    pub project_id: Option<Box<str>>,
    /// v8 only.
    pub quota_signals: Option<QuotaSignals>,
    /// v8 only, by model.
    pub model_signals: Vec<(Box<str>, QuotaSignals)>,
    /// v8 only: CPA itself has a way to ask for the quota.
    pub supports_quota: bool,
    pub(super) reported: Reported,
}

impl Account {
    /// An account of which nothing else is known.
    pub(super) fn new(auth_index: Box<str>, provider: Box<str>, auth_type: AuthType) -> Self {
        Self {
            auth_index,
            provider,
            auth_type,
            name_masked: Box::default(),
            email: None,
            plan: None,
            status: Status::Unknown,
            last_failure: None,
            served_since: false,
            disabled: false,
            unavailable: false,
            cooldowns: Vec::new(),
            next_retry: None,
            last_refresh: None,
            updated_at: None,
            subscription_end: None,
            success: None,
            failed: None,
            base_url: None,
            chatgpt_account_id: None,
            project_id: None,
            quota_signals: None,
            model_signals: Vec::new(),
            supports_quota: false,
            reported: Reported::Unknown,
        }
    }

    /// Adds a cool-down, or puts the end of a known one off.
    pub(super) fn cool(&mut self, cooldown: Cooldown) {
        self.cooldowns.retain(|known| known.scope != cooldown.scope);
        self.cooldowns.push(cooldown);
    }

    /// Drops what is over at `now` and says what remains. True when that changed anything.
    pub(super) fn settle(&mut self, now: UnixNanos) -> bool {
        let before = (self.status, self.cooldowns.len(), self.next_retry);
        self.cooldowns.retain(|cooldown| cooldown.until > now);
        if self.next_retry.is_some_and(|at| at <= now) {
            // CPA takes its word back only when it uses the account again.
            self.next_retry = None;
            self.unavailable = false;
        }
        self.status = self.judge();
        before != (self.status, self.cooldowns.len(), self.next_retry)
    }

    fn judge(&self) -> Status {
        match self.reported {
            _ if self.disabled => Status::Disabled,
            Reported::Disabled => Status::Disabled,
            _ if self.rests() && self.needs_somebody() => Status::Error,
            _ if self.rests() && !self.is_transient() => Status::Cooling,
            Reported::Pending => Status::Pending,
            // One model failed and CPA goes on with the others, unless the whole is in doubt.
            Reported::Error if self.served_since => Status::Active,
            Reported::Error if self.needs_somebody() || self.is_in_doubt() => Status::Error,
            Reported::Error | Reported::Active => Status::Active,
            Reported::Unknown => Status::Unknown,
        }
    }

    /// Reasons of the cool-downs of the whole.
    fn whole(&self) -> impl Iterator<Item = CooldownReason> {
        let whole = |cooldown: &&Cooldown| cooldown.scope == Scope::Credential;
        let cooldowns = self.cooldowns.iter().filter(whole);
        cooldowns.map(|cooldown| cooldown.reason)
    }

    /// CPA calls the whole unavailable.
    fn rests(&self) -> bool {
        self.unavailable || self.whole().next().is_some()
    }

    fn needs_somebody(&self) -> bool {
        let last = self.last_failure.map(|failure| failure.cooldown);
        last.into_iter()
            .chain(self.whole())
            .any(CooldownReason::needs_somebody)
    }

    /// The upstream is in trouble, not the account. CPA goes on with models that have not failed; where
    /// all that were ever used have, it waits a minute.
    fn is_transient(&self) -> bool {
        let transient = CooldownReason::TransientError;
        match self.last_failure {
            _ if self.whole().next().is_some() => self.whole().all(|reason| reason == transient),
            Some(failure) => failure.cooldown == transient,
            None => false,
        }
    }

    /// Nothing tells what the last failure was about.
    fn is_in_doubt(&self) -> bool {
        let reason = self.last_failure.map(|failure| failure.reason);
        matches!(reason, None | Some(FailureReason::Other))
    }

    /// The next time at which [`Self::settle`] has something to do.
    pub(super) fn next_change(&self) -> Option<UnixNanos> {
        let ends = self.cooldowns.iter().map(|cooldown| cooldown.until);
        ends.chain(self.next_retry).min()
    }
}
