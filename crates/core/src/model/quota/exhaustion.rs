use super::super::UnixNanos;

/// An upstream refusal because a plan is used up, not because of a request rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhaustion {
    /// `None` if the refusal names no reset time.
    pub resets_at: Option<UnixNanos>,
}
