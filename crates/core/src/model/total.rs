/// One running total as the database keeps it: a series by internal ids, all its cells.
///
/// A counter has one cell, token counters one per kind, a histogram one per bucket plus sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotalRow {
    /// Stable number of the family; never reused for another meaning.
    pub family: u16,
    /// Interned ids or closed-set codes, in the order of the family's labels; unused ones are 0.
    pub key: [u32; TOTAL_KEY_LEN],
    pub cells: Vec<u64>,
    /// Whether a scrape has seen the series at 0 and may now see its value.
    pub shown: bool,
}

/// Most labels a restored family can have.
pub const TOTAL_KEY_LEN: usize = 5;
