//! Declares a table of a file once: its struct, its keys and its reader come from one place.

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

        impl $crate::config::resolve::Section for $name {
            fn keys() -> Vec<$crate::config::key::Key> {
                let own: Vec<Option<$crate::config::key::Key>> = vec![$(
                    Some(section!(@key $prefix, [$field $($key)?], $type, [$($file)?], $heading,
                        [$($help)*], [$($default $(, $low, $high)?)?], [$($value_name)?])),
                    section!(@file $prefix, $heading $(, $file, $file_help)?),
                )*];
                let parts: Vec<Vec<$crate::config::key::Key>> =
                    vec![$(<$section as $crate::config::resolve::Section>::keys(),)*];
                own.into_iter().flatten().chain(parts.into_iter().flatten()).collect()
            }

            fn read(resolver: &mut $crate::config::resolve::Resolver<'_>) -> Option<Self> {
                $(let $field = <$type as $crate::config::resolve::Field>::read(
                    resolver,
                    &section!(@key $prefix, [$field $($key)?], $type, [$($file)?], $heading,
                        [], [$($default $(, $low, $high)?)?], [$($value_name)?]),
                );)*
                $(let $part = <$section as $crate::config::resolve::Section>::read(resolver);)*
                Some(Self { $($field: $field?,)* $($part: $part?,)* })
            }
        }

        impl $crate::config::resolve::Field for $name {
            fn read(
                resolver: &mut $crate::config::resolve::Resolver<'_>,
                key: &$crate::config::key::Key,
            ) -> Option<Self> {
                resolver.table(key)
            }
        }
    };
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($body:tt)* }) => {
        section! { $(#[$meta])* $vis struct $name in "", "" { $($body)* } }
    };
    (@key $prefix:literal, [$($name:ident)+], $type:ty, [$($file:ident)?], $heading:literal,
        [$($help:literal)*], [$($default:literal $(, $low:literal, $high:literal)?)?],
        [$($value_name:literal)?]) => {
        $crate::config::key::Key {
            path: concat!($prefix, section!(@last $($name)+)),
            kind: section!(@or [$($crate::config::key::Kind::Secret; $file)?]
                <$type as $crate::config::resolve::Field>::KIND),
            value_name: section!(@or [$($value_name; it)?]
                <$type as $crate::config::resolve::Field>::VALUE_NAME),
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
