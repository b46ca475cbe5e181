//! What is compared, and what a comparison finds.

use super::ratio::Ratio;

/// What the source does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) enum Taking {
    /// Another client can take records.
    Popping,
    Subscribed,
    /// No contact.
    Nothing,
}

/// News of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) enum Finding {
    Hint(Ratio),
    /// Another client takes records; `subscribed` is `None` where no probe was possible.
    Theft {
        popping: Ratio,
        subscribed: Option<Ratio>,
    },
    /// CPA counts requests of which it makes no record.
    NoTheft {
        popping: Ratio,
        subscribed: Ratio,
    },
    /// Another client takes records still.
    StillTheft(Ratio),
    /// All records arrive again.
    Over,
    Undecided,
}
