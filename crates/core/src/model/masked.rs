use std::fmt;

/// What is left of a secret after decode: enough to tell keys apart, not enough to use one.
///
/// The hash is keyed with a secret of this installation, so that equal keys stay equal while a
/// list of candidate keys cannot be tried against it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Masked {
    mask: Box<str>,
    hash: u64,
}

impl Masked {
    /// `mask` must already be free of the secret, like `sk-...9f3x`.
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

/// Writes mask and the whole hash, `sk-...9f3x#00c0ffee00c0ffee`: the stored form.
impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{:016x}", self.mask, self.hash)
    }
}
