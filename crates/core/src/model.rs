//! The types that every other module shares: events, tokens, outcomes, money and quotas.
//!
//! Nothing here does I/O, reads a clock or knows a wire format.

mod account;
mod dimension;
mod event;
mod label_value;
mod masked;
mod money;
mod outcome;
mod past;
mod quota;
mod text;
mod time;
mod tokens;
mod total;
mod wire;

pub use crate::label_enum;
pub use account::{AccountSeen, OWN_ACCOUNT};
pub use dimension::{DimId, Dimension, Route};
pub use event::{AuthType, Event, EventDigest};
pub use label_value::{AccessRefusal, FailureClass, LabelValue};
pub use masked::Masked;
pub use money::{Correction, Money, NANOS_PER_USD, Value};
pub use outcome::{Failure, FailureReason};
pub use past::{PastKey, PastQuery, PastRow};
pub use quota::{
    AccountFacts, Amounts, Exhaustion, Limit, LocalAccount, LocalQuota, Name, QuotaAnswer,
    QuotaPoint, QuotaSource, RESET_JITTER, Reading, Scope, Spend, Unit, Window, WindowRole,
    WindowSpan, WindowUsage, is_plausible_time,
};
pub(crate) use quota::{figure, whole};
pub use text::{has_invisible, is_invisible, visible};
pub use time::UnixNanos;
pub use tokens::{TokenKind, TokenQuality, Tokens};
pub use total::{TOTAL_KEY_LEN, TotalRow};
pub use wire::{Batch, Control, IngestMode, RejectReason};
