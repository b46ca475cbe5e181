//! One account, and what its reported state means at a point in time.

use secrecy::SecretString;

use crate::model::{AuthType, FailureReason, UnixNanos};

/// Whether CPA uses the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Also when the last failure concerns one model only, which CPA leaves alone for a while.
    Active,
    /// CPA waits: a quota, a rate limit, or an upstream in trouble.
    Cooling,
    /// Somebody has to look: the login is refused, the plan unpaid, or CPA gives no reason.
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

/// Why CPA leaves something alone for a while; v8's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CooldownReason {
    Quota,
    /// A window of the whole credential, not of one model.
    CredentialQuota,
    CloudflareChallenge,
    Unauthorized,
    PaymentRequired,
    NotFound,
    ModelNotSupported,
    InvalidGrant,
    TransientError,
    Unknown,
}

impl CooldownReason {
    pub const ALL: [Self; 10] = [
        Self::Quota,
        Self::CredentialQuota,
        Self::CloudflareChallenge,
        Self::Unauthorized,
        Self::PaymentRequired,
        Self::NotFound,
        Self::ModelNotSupported,
        Self::InvalidGrant,
        Self::TransientError,
        Self::Unknown,
    ];

    /// The value of the label `reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::CredentialQuota => "credential_quota",
            Self::CloudflareChallenge => "cloudflare_challenge",
            Self::Unauthorized => "unauthorized",
            Self::PaymentRequired => "payment_required",
            Self::NotFound => "not_found",
            Self::ModelNotSupported => "model_not_supported",
            Self::InvalidGrant => "invalid_grant",
            Self::TransientError => "transient_error",
            Self::Unknown => "unknown",
        }
    }

    /// CPA writes the words with blanks in one place and with underscores in another.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let same = |reason: &Self| {
            let ours = reason.as_str().bytes();
            let theirs = text
                .trim()
                .bytes()
                .map(|b| if b == b' ' { b'_' } else { b });
            ours.eq(theirs)
        };
        Self::ALL.into_iter().find(same)
    }

    /// What a class of failure leads to, where CPA itself gives no reason.
    pub(super) const fn of_class(class: Option<FailureReason>) -> Self {
        use FailureReason as Class;
        match class {
            Some(Class::Quota | Class::RateLimit) => Self::Quota,
            Some(Class::Auth) => Self::Unauthorized,
            Some(Class::Billing) => Self::PaymentRequired,
            Some(
                Class::Timeout
                | Class::Overloaded
                | Class::Upstream
                | Class::Network
                | Class::Interrupted,
            ) => Self::TransientError,
            Some(Class::Invalid | Class::Client | Class::Other) | None => Self::Unknown,
        }
    }

    /// Waiting alone does not end it.
    const fn needs_somebody(self) -> bool {
        matches!(
            self,
            Self::Unauthorized | Self::PaymentRequired | Self::InvalidGrant
        )
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
    /// What the last failure was about.
    pub message: Option<FailureReason>,
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
            message: None,
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
        let class = CooldownReason::of_class(self.message);
        let mut whole = self
            .cooldowns
            .iter()
            .filter(|cooldown| cooldown.scope == Scope::Credential);
        let cooling = whole.clone().next().is_some();
        let needs_somebody =
            class.needs_somebody() || whole.any(|cooldown| cooldown.reason.needs_somebody());
        match self.reported {
            _ if self.disabled => Status::Disabled,
            Reported::Disabled => Status::Disabled,
            _ if self.unavailable || cooling => {
                if needs_somebody {
                    Status::Error
                } else {
                    Status::Cooling
                }
            }
            Reported::Pending => Status::Pending,
            // One model failed and CPA goes on with the others, unless the whole is in doubt.
            Reported::Error if needs_somebody || class == CooldownReason::Unknown => Status::Error,
            Reported::Error | Reported::Active => Status::Active,
            Reported::Unknown => Status::Unknown,
        }
    }

    /// The next time at which [`Self::settle`] has something to do.
    pub(super) fn next_change(&self) -> Option<UnixNanos> {
        let ends = self.cooldowns.iter().map(|cooldown| cooldown.until);
        ends.chain(self.next_retry).min()
    }
}
