/// The disjoint kinds into which every token of a request falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum TokenKind {
    /// Prompt tokens that came from no cache and went into none.
    Input,
    CacheRead,
    CacheWrite,
    /// Answer tokens without reasoning.
    Output,
    Reasoning,
    /// Tokens of a known total that no other kind explains.
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
    /// How much of `cache_write` is kept for an hour, the rest being kept for five minutes. `None` =
    /// nothing says how long.
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

    /// Everything the model produced.
    pub const fn generated(&self) -> u64 {
        self.output + self.reasoning
    }
}

/// How far CPA's own split of the tokens can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenQuality {
    Complete,
    /// Only a total, or a remainder of it, is known.
    Unclassified,
    /// The upstream's numbers contradict each other; the flat counts are used.
    Inconsistent,
    /// CPA before v7.2.97 sends no split; the flat counts are used.
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
