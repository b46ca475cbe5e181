//! An account, and its state at a given time.

use secrecy::SecretString;

use super::cooldown_reason::CooldownReason;
use super::last_failure::LastFailure;
use crate::model::{AuthType, FailureReason, UnixNanos};

/// Whether CPA uses the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Includes an account with a cool-down of a single model, and an account for key failing
    /// upstream CPA waits a minute.
    Active,
    /// A quota or rate limit cool-down is active.
    Cooling,
    /// Needs intervention: the login is refused, the account banned, the plan unpaid, or CPA states
    /// no known reason.
    Error,
    Disabled,
    /// Not ready yet, or its token is being refreshed.
    Pending,
    /// CPA does not report a state, as for configured API keys.
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

    /// Whether CPA would send the account a request now.
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Active | Self::Unknown)
    }
}

/// What a cool-down applies to.
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

/// Quota headers of an account's last response, which CPA stores since 7.3.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuotaSignals {
    pub observed_at: Option<UnixNanos>,
    /// Names are in lower case.
    pub headers: Vec<(Box<str>, Box<str>)>,
}

/// The state that CPA reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reported {
    Active,
    Error,
    Disabled,
    Pending,
    #[default]
    Unknown,
}

impl Reported {
    pub(crate) fn from_text(text: &str) -> Self {
        match text {
            "active" | "ready" => Self::Active,
            "error" => Self::Error,
            "disabled" => Self::Disabled,
            "pending" | "refreshing" => Self::Pending,
            _ => Self::Unknown,
        }
    }
}

/// A credential in CPA's list.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "CPA's list has them in any combination"
)]
pub struct Account {
    /// CPA's index of the credential, the same as in records.
    pub auth_index: Box<str>,
    /// The credential's own provider; records name the executor's.
    pub provider: Box<str>,
    pub auth_type: AuthType,
    /// For display; never contains an address or a key.
    pub name_masked: Box<str>,
    /// Kept only if addresses are exposed.
    pub email: Option<SecretString>,
    pub plan: Option<Box<str>>,
    pub status: Status,
    pub(crate) last_failure: Option<LastFailure>,
    /// Whether CPA has had a success with the account since its last failure.
    pub(crate) served_since: bool,
    pub disabled: bool,
    pub unavailable: bool,
    /// Active cool-downs.
    pub cooldowns: Vec<Cooldown>,
    pub next_retry: Option<UnixNanos>,
    pub last_refresh: Option<UnixNanos>,
    pub updated_at: Option<UnixNanos>,
    pub subscription_end: Option<UnixNanos>,
    /// Results since CPA's start; `None` if CPA does not count them.
    pub success: Option<u64>,
    pub failed: Option<u64>,
    /// Base URL of a configured key, without user, password and query.
    pub base_url: Option<Box<str>>,
    pub chatgpt_account_id: Option<SecretString>,
    pub project_id: Option<Box<str>>,
    /// v8 only.
    pub quota_signals: Option<QuotaSignals>,
    /// v8 only, by model.
    pub model_signals: Vec<(Box<str>, QuotaSignals)>,
    /// v8 only: CPA can request the quota itself.
    pub supports_quota: bool,
    pub(crate) reported: Reported,
}

impl Account {
    /// An account with unknown state.
    pub(crate) fn new(auth_index: Box<str>, provider: Box<str>, auth_type: AuthType) -> Self {
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

    /// Adds a cool-down, or replaces the one of the same scope.
    pub(crate) fn add_cooldown(&mut self, cooldown: Cooldown) {
        self.cooldowns.retain(|known| known.scope != cooldown.scope);
        self.cooldowns.push(cooldown);
    }

    /// Drops expired cool-downs and updates the status. Returns true if anything changed.
    pub(crate) fn settle(&mut self, now: UnixNanos) -> bool {
        let before = (self.status, self.cooldowns.len(), self.next_retry);
        self.cooldowns.retain(|cooldown| cooldown.until > now);
        if self.next_retry.is_some_and(|at| at <= now) {
            // CPA resets this flag only when it uses the account again.
            self.next_retry = None;
            self.unavailable = false;
        }
        self.status = self.derive_status();
        before != (self.status, self.cooldowns.len(), self.next_retry)
    }

    fn derive_status(&self) -> Status {
        match self.reported {
            _ if self.disabled => Status::Disabled,
            Reported::Disabled => Status::Disabled,
            _ if self.is_unavailable() && self.needs_intervention() => Status::Error,
            _ if self.is_unavailable() && !self.is_transient() => Status::Cooling,
            Reported::Pending => Status::Pending,
            // A single model failed and CPA uses the others, unless the whole account may be
            // affected.
            Reported::Error if self.served_since => Status::Active,
            Reported::Error if self.needs_intervention() || self.is_unclassified() => Status::Error,
            Reported::Error | Reported::Active => Status::Active,
            Reported::Unknown => Status::Unknown,
        }
    }

    /// Reasons of the cool-downs of the whole credential.
    fn whole(&self) -> impl Iterator<Item = CooldownReason> {
        let whole = |cooldown: &&Cooldown| cooldown.scope == Scope::Credential;
        let cooldowns = self.cooldowns.iter().filter(whole);
        cooldowns.map(|cooldown| cooldown.reason)
    }

    /// Whether CPA does not use the credential at all.
    fn is_unavailable(&self) -> bool {
        self.unavailable || self.whole().next().is_some()
    }

    fn needs_intervention(&self) -> bool {
        let last = self.last_failure.map(|failure| failure.cooldown);
        last.into_iter()
            .chain(self.whole())
            .any(CooldownReason::needs_intervention)
    }

    /// Whether the upstream fails, not the account. CPA still uses models that have not failed; if
    /// all used models have failed, it waits a minute.
    fn is_transient(&self) -> bool {
        let transient = CooldownReason::TransientError;
        match self.last_failure {
            _ if self.whole().next().is_some() => self.whole().all(|reason| reason == transient),
            Some(failure) => failure.cooldown == transient,
            None => false,
        }
    }

    /// The reason of the last failure is unknown.
    fn is_unclassified(&self) -> bool {
        let reason = self.last_failure.map(|failure| failure.reason);
        matches!(reason, None | Some(FailureReason::Other))
    }

    /// The next time at which [`Self::settle`] changes the state.
    pub(crate) fn next_change(&self) -> Option<UnixNanos> {
        let ends = self.cooldowns.iter().map(|cooldown| cooldown.until);
        ends.chain(self.next_retry).min()
    }
}
