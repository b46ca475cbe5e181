use std::fmt;

/// The masked form of a secret: enough to tell keys apart, not enough to use one.
///
/// The hash is keyed with a secret of this installation: equal keys have equal hashes, but a list
/// of candidate keys cannot be tested against them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Masked {
    mask: Box<str>,
    hash: u64,
}

impl Masked {
    /// `mask` must not contain the secret; example: `sk-...9f3x`.
    pub fn new(mask: impl Into<Box<str>>, hash: u64) -> Self {
        Self {
            mask: mask.into(),
            hash,
        }
    }

    pub fn mask(&self) -> &str {
        &self.mask
    }

    pub fn hash(&self) -> u64 {
        self.hash
    }
}

/// The stored form: mask and full hash, `sk-...9f3x#00c0ffee00c0ffee`.
impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{:016x}", self.mask, self.hash)
    }
}
