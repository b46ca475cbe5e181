/// One running total as stored in the database: the series' key of internal ids and its cells.
///
/// A counter has one cell, a token counter one per kind, a histogram one per bucket plus the sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotalRow {
    /// Stable number of the family; never reused for another meaning.
    pub family: u16,
    /// Interned ids or enum codes, in the order of the family's labels; unused ones are 0.
    pub key: [u32; TOTAL_KEY_LEN],
    pub cells: Vec<u64>,
    /// Whether a scrape has exposed the series at 0, so that the next one may expose its value.
    pub shown: bool,
}

/// Maximum number of labels of a restored family.
pub const TOTAL_KEY_LEN: usize = 5;
