use super::{Control, FailureReason, IngestMode, RejectReason, TokenKind, TokenQuality};

/// An enum whose variants are all values of a label.
pub trait LabelValue: Copy + 'static {
    /// In the order of the exposition.
    const VALUES: &'static [Self];

    fn as_label(self) -> &'static str;

    /// Position in [`Self::VALUES`].
    fn index(self) -> usize;
}

/// Implements [`LabelValue`] for enums with a constant `ALL`, which is in the order of the
/// variants, and a function `as_str`.
#[macro_export]
macro_rules! label_values {
    ($($type:ty),*) => {$(
        impl $crate::model::LabelValue for $type {
            const VALUES: &'static [Self] = &Self::ALL;

            fn as_label(self) -> &'static str {
                self.as_str()
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    )*};
}

label_values!(
    Control,
    FailureReason,
    IngestMode,
    RejectReason,
    TokenKind,
    TokenQuality
);

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_positions<T: LabelValue>() {
        for (at, value) in T::VALUES.iter().enumerate() {
            assert_eq!(value.index(), at, "{}", value.as_label());
        }
    }

    #[test]
    fn index_is_the_position_in_the_values() {
        assert_positions::<Control>();
        assert_positions::<FailureReason>();
        assert_positions::<IngestMode>();
        assert_positions::<RejectReason>();
        assert_positions::<TokenKind>();
        assert_positions::<TokenQuality>();
    }
}
