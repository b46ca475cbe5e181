use super::super::UnixNanos;

/// An upstream refused because a plan is used up, not because requests came too fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhaustion {
    /// Until when; `None` when the refusal does not say.
    pub resets_at: Option<UnixNanos>,
}
