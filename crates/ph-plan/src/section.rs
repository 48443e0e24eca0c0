//! The one table behind every block of the configuration.
//!
//! `section!` takes a struct whose fields carry their doc, type, default and limits, each written
//! once, and makes of it the plain struct, its `Default`, the reader of the operator's text, and
//! the piece of the JSON Schema. None of the four can drift from the others.

/// Declares one block of the configuration: `name: Type = default, in least..=greatest;`.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident : $ty:ty = $default:expr $(, in $limits:expr)? ;
            )*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                #[doc = concat!("\n\nDefault: `", stringify!($default), "`.", $(" Limits: `", stringify!($limits), "`.")?)]
                pub $field: $ty,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }
    };
}

pub(crate) use section;
