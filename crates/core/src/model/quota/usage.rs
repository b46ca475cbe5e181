use crate::model::{NANOS_PER_USD, UnixNanos};

/// A quota window whose usage is counted: the events of the account from the start to the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WindowSpan {
    /// CPA's index of the credential.
    pub auth_index: Box<str>,
    pub start: UnixNanos,
    /// Exclusive.
    pub end: UnixNanos,
}

/// Sums over the events of an account inside a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowUsage {
    /// Of all kinds.
    pub tokens: u64,
    /// Nano-dollars at list price; an event without a known price adds nothing.
    pub value: u64,
}

impl WindowUsage {
    /// US dollars at list price.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus keeps doubles")]
    pub fn value_usd(self) -> f64 {
        self.value as f64 / NANOS_PER_USD as f64
    }

    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_add(other.tokens),
            value: self.value.saturating_add(other.value),
        }
    }
}
