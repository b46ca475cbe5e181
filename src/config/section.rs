//! Declares a table of a file once: its struct, its keys and its reader come from one place.

use super::{
    keys::{Key, Kind},
    resolve::Resolver,
};

/// A table whose keys are the fields of a struct.
pub(super) trait Section: Sized {
    /// In the order of the declaration.
    fn keys() -> Vec<Key>;

    /// Reads all keys before it returns, so that all problems are found; `None` after a problem.
    fn read(resolver: &mut Resolver<'_>) -> Option<Self>;
}

/// The value of a key.
pub(super) trait Field: Sized {
    const KIND: Kind = Kind::Plain;
    const VALUE_NAME: &'static str = "VALUE";

    /// `None` after a problem.
    fn read(resolver: &mut Resolver<'_>, key: &Key) -> Option<Self>;
}

/// Declares a section.
///
/// ```text
/// section! {
///     /// The prefix of its keys, and its heading in `--help`.
///     pub struct Name in "name.", "Heading" {
///         /// Text of `--help`
///         field: Type = "default" in "least" to "most",
///         /// The key `name.other` fills `field`; `VALUES` describes a value in `--help`
///         field(other): Option<Type> ["VALUES"],
///         ..another_section: AnotherSection,
///     }
/// }
/// ```
macro_rules! section {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident in $prefix:literal, $heading:literal {
            $(
                $(#[doc = $help:literal])*
                $field:ident $(($key:ident))?: $type:ty
                $(| $file:ident $file_help:literal)?
                $(= $default:literal $(in $low:literal to $high:literal)?)?
                $([$value_name:literal])?,
            )*
            $(..$part:ident: $section:ty,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $name {
            $($(#[doc = $help])* $vis $field: $type,)*
            $($vis $part: $section,)*
        }

        impl $crate::config::section::Section for $name {
            fn keys() -> Vec<$crate::config::keys::Key> {
                let own: Vec<Option<$crate::config::keys::Key>> = vec![$(
                    Some(section!(@key $prefix, [$field $($key)?], $type, [$($file)?], $heading,
                        [$($help)*], [$($default $(, $low, $high)?)?], [$($value_name)?])),
                    section!(@file $prefix, $heading $(, $file, $file_help)?),
                )*];
                let parts: Vec<Vec<$crate::config::keys::Key>> =
                    vec![$(<$section as $crate::config::section::Section>::keys(),)*];
                own.into_iter().flatten().chain(parts.into_iter().flatten()).collect()
            }

            fn read(resolver: &mut $crate::config::resolve::Resolver<'_>) -> Option<Self> {
                $(let $field = <$type as $crate::config::section::Field>::read(
                    resolver,
                    &section!(@key $prefix, [$field $($key)?], $type, [$($file)?], $heading,
                        [], [$($default $(, $low, $high)?)?], [$($value_name)?]),
                );)*
                $(let $part = <$section as $crate::config::section::Section>::read(resolver);)*
                Some(Self { $($field: $field?,)* $($part: $part?,)* })
            }
        }
    };
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($body:tt)* }) => {
        section! { $(#[$meta])* $vis struct $name in "", "" { $($body)* } }
    };
    (@key $prefix:literal, [$($name:ident)+], $type:ty, [$($file:ident)?], $heading:literal,
        [$($help:literal)*], [$($default:literal $(, $low:literal, $high:literal)?)?],
        [$($value_name:literal)?]) => {
        $crate::config::keys::Key {
            path: concat!($prefix, section!(@last $($name)+)),
            kind: section!(@or [$($crate::config::keys::Kind::Secret; $file)?]
                <$type as $crate::config::section::Field>::KIND),
            value_name: section!(@or [$($value_name; it)?]
                <$type as $crate::config::section::Field>::VALUE_NAME),
            default: section!(@option $($default)?),
            bounds: section!(@option $($($low, $high)?)?),
            help: concat!($($help),*),
            heading: $heading,
        }
    };
    (@file $prefix:literal, $heading:literal) => { None };
    (@file $prefix:literal, $heading:literal, $file:ident, $help:literal) => {
        Some(section!(@key $prefix, [$file], $crate::config::Secret, [], $heading, [$help], [], []))
    };
    (@last $field:ident) => { stringify!($field) };
    (@last $field:ident $key:ident) => { stringify!($key) };
    (@or [] $other:expr) => { $other };
    (@or [$value:expr; $_it:ident] $other:expr) => { $value };
    (@option) => { None };
    (@option $value:literal) => { Some($value) };
    (@option $low:literal, $high:literal) => { Some(($low, $high)) };
}
pub(super) use section;
