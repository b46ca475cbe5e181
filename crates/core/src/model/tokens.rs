/// The disjoint kinds of tokens; every token of a request has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum TokenKind {
    /// Prompt tokens that were neither read from nor written to a cache.
    Input,
    CacheRead,
    CacheWrite,
    /// Response tokens without reasoning.
    Output,
    Reasoning,
    /// Tokens of a known total that no other kind accounts for.
    Unclassified,
}

impl TokenKind {
    pub const ALL: [Self; 6] = [
        Self::Input,
        Self::CacheRead,
        Self::CacheWrite,
        Self::Output,
        Self::Reasoning,
        Self::Unclassified,
    ];

    /// The value of the label `kind`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CacheRead => "cache_read",
            Self::CacheWrite => "cache_write",
            Self::Output => "output",
            Self::Reasoning => "reasoning",
            Self::Unclassified => "unclassified",
        }
    }
}

/// Token counts of one request by kind. The exported total is their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    pub input: u64,
    pub cache_read: u64,
    pub cache_write: u64,
    /// The part of `cache_write` with a lifetime of one hour; the rest has five minutes. `None` =
    /// lifetime unknown.
    pub cache_write_1h: Option<u64>,
    pub output: u64,
    pub reasoning: u64,
    pub unclassified: u64,
}

impl Tokens {
    /// Counts in the order of [`TokenKind::ALL`].
    pub const fn by_kind(&self) -> [u64; 6] {
        [
            self.input,
            self.cache_read,
            self.cache_write,
            self.output,
            self.reasoning,
            self.unclassified,
        ]
    }

    /// Cannot overflow: the decoder bounds each count far below `u64::MAX / 6`.
    pub fn total(&self) -> u64 {
        self.by_kind().iter().sum()
    }

    /// All tokens that the model generated.
    pub const fn generated(&self) -> u64 {
        self.output + self.reasoning
    }
}

/// Reliability of CPA's token breakdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenQuality {
    Complete,
    /// Only a total, or a part of it, is known.
    Unclassified,
    /// The upstream's counts contradict each other; the flat counts are used.
    Inconsistent,
    /// CPA before v7.2.97 sends no breakdown; the flat counts are used.
    Absent,
}

impl TokenQuality {
    pub const ALL: [Self; 4] = [
        Self::Complete,
        Self::Unclassified,
        Self::Inconsistent,
        Self::Absent,
    ];

    /// The value of the label `quality`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Unclassified => "unclassified",
            Self::Inconsistent => "inconsistent",
            Self::Absent => "absent",
        }
    }
}
