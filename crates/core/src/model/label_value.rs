use super::{Control, FailureReason, IngestMode, RejectReason, TokenKind, TokenQuality};

/// An enum whose variants are all values of a label.
pub trait LabelValue: Copy + 'static {
    /// In the order of the exposition.
    const VALUES: &'static [Self];

    fn as_label(self) -> &'static str;

    /// Position in [`Self::VALUES`].
    fn index(self) -> usize;
}

/// Implements [`LabelValue`] for enums with a constant `ALL`, in the order of the variants, and a
/// function `as_str`.
macro_rules! label_values {
    ($($type:ty)*) => {$(
        impl LabelValue for $type {
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

label_values!(Control FailureReason IngestMode RejectReason TokenKind TokenQuality);

/// A mode, or none.
impl LabelValue for Option<IngestMode> {
    const VALUES: &'static [Self] = &[
        Some(IngestMode::Pop),
        Some(IngestMode::Subscribe),
        Some(IngestMode::Http),
        None,
    ];

    fn as_label(self) -> &'static str {
        self.map_or("none", IngestMode::as_str)
    }

    fn index(self) -> usize {
        self.map_or(IngestMode::ALL.len(), IngestMode::index)
    }
}

/// Declares an enum with the label value of each variant.
#[macro_export]
macro_rules! label_enum {
    ($(#[$meta:meta])* pub enum $name:ident {
        $($(#[$doc:meta])* $variant:ident = $text:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $crate::model::LabelValue for $name {
            const VALUES: &'static [Self] = &[$(Self::$variant),*];

            fn as_label(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

label_enum! {
    /// Reason CPA refuses access.
    pub enum AccessRefusal {
        WrongKey = "wrong_key",
        MissingKey = "missing_key",
        Banned = "banned",
        RemoteDisabled = "remote_disabled",
        NoKeySet = "no_key_set",
        HomeMode = "home_mode",
        ManagementOff = "management_off",
    }
}

label_enum! {
    /// Class of a failure of the database or the spool.
    pub enum FailureClass {
        Locked = "locked",
        Full = "full",
        ReadOnly = "read_only",
        Corrupt = "corrupt",
        Other = "other",
    }
}

impl FailureClass {
    /// What the operator can do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Locked => "another program holds a lock on the database; close it",
            Self::Full => "the disk is full; make room",
            Self::ReadOnly => {
                "the database or its directory cannot be written; check owner and mode"
            }
            Self::Corrupt => {
                "the database is damaged; stop the exporter, run `cpa-exporter storage set-aside` \
                 and start it again"
            }
            Self::Other => "see the error",
        }
    }
}

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
        assert_positions::<AccessRefusal>();
        assert_positions::<Control>();
        assert_positions::<FailureReason>();
        assert_positions::<IngestMode>();
        assert_positions::<Option<IngestMode>>();
        assert_positions::<RejectReason>();
        assert_positions::<TokenKind>();
        assert_positions::<TokenQuality>();
    }
}
