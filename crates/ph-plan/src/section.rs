//! The one table behind every block of the configuration.
//!
//! `section!` takes a struct whose fields carry their doc, type, default and limits, each written
//! once, and makes of it the plain struct, its `Default`, the reader of the operator's text, and
//! the piece of the JSON Schema. None of the four can drift from the others.

use serde_json::{Value as Json, json};

use crate::node::{Entry, Node};
use crate::reader::Reader;
use crate::value::Value;

/// Declares one block of the configuration: `name: Type = default, in least..=greatest;`, with
/// `name as "key": …` where the key is a word of the language.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident $(as $key:literal)? : $ty:ty = $default:expr $(, in $limits:expr)? ;
            )*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $name {
            $(
                $(#[doc = $doc])+
                #[doc = concat!("\n\nDefault: `", stringify!($default), "`.", $(" Limits: `", stringify!($limits), "`.")?)]
                $vis $field: $ty,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $crate::section::Section for $name {
            const FIELDS: &'static [&'static str] = &[$( $crate::section::key!($field $($key)?), )*];
            const ABOUT: &'static str = concat!($($about, "\n"),+);

            fn set(&mut self, entry: &$crate::node::Entry, reader: &mut $crate::reader::Reader<'_>) {
                $(
                    if entry.key == $crate::section::key!($field $($key)?) {
                        let limits = $crate::section::limits!($ty $(, $limits)?);
                        if let Some(value) = $crate::value::Value::read(&entry.value, &limits, reader) {
                            self.$field = value;
                        }
                    }
                )*
            }

            fn properties() -> Vec<$crate::section::Property> {
                let default = Self::default();
                vec![$( $crate::section::Property {
                    name: $crate::section::key!($field $($key)?),
                    doc: concat!($($doc, "\n"),+),
                    schema: <$ty as $crate::value::Value>::schema(&$crate::section::limits!($ty $(, $limits)?)),
                    default: $crate::value::Value::show(&default.$field),
                    range: <$ty as $crate::value::Value>::range(&$crate::section::limits!($ty $(, $limits)?)),
                    block: <$ty as $crate::value::Value>::block(),
                }, )*]
            }

            fn shown(&self) -> Vec<(&'static str, serde_json::Value)> {
                vec![$( ($crate::section::key!($field $($key)?), $crate::value::Value::show(&self.$field)), )*]
            }
        }
    };
}

/// The limits of a field, or none.
macro_rules! limits {
    ($ty:ty) => {
        <$ty as $crate::value::Value>::ANY
    };
    ($ty:ty, $limits:expr) => {
        $limits
    };
}

/// The key of a field in the text: its name, unless that is a word of the language.
macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

pub(crate) use {key, limits, section};

/// A block of the configuration with fixed keys.
pub(crate) trait Section: Default {
    /// The keys, in the order of the documentation.
    const FIELDS: &'static [&'static str];
    /// What the block is for.
    const ABOUT: &'static str;

    /// Reads the field that `entry` names; nothing where there is none.
    fn set(&mut self, entry: &Entry, reader: &mut Reader<'_>);

    /// The fields as the schema and the documentation need them.
    fn properties() -> Vec<Property>;

    /// The fields as they could be written.
    fn shown(&self) -> Vec<(&'static str, Json)>;
}

/// One field of a block.
pub(crate) struct Property {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) schema: Json,
    pub(crate) default: Json,
    /// Least and greatest value.
    pub(crate) range: Option<[String; 2]>,
    /// The fields inside, of a block or of each item of a mapping.
    pub(crate) block: Option<Block>,
}

/// A block as the documentation needs it.
pub(crate) struct Block {
    pub(crate) about: &'static str,
    pub(crate) properties: Vec<Property>,
}

impl Property {
    /// What the field means, with its range.
    pub(crate) fn meaning(&self) -> String {
        let doc = one_line(self.doc);
        match &self.range {
            None => doc,
            Some([least, greatest]) => format!("{doc} `{least}` to `{greatest}`."),
        }
    }
}

impl<S: Section> Value for S {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        let mut section = Self::default();
        for entry in reader.fields(node, S::FIELDS)? {
            reader.within(entry, |reader| section.set(entry, reader));
        }
        Some(section)
    }

    fn schema(_limits: &()) -> Json {
        let properties = S::properties().into_iter().map(|property| {
            let meaning = property.meaning();
            let mut schema = property.schema;
            // A block's defaults stand at its own fields.
            let has_own_defaults = schema.get("properties").is_some();
            schema["description"] = meaning.into();
            if !property.default.is_null() && !has_own_defaults {
                schema["default"] = property.default;
            }
            (property.name.to_owned(), schema)
        });
        json!({
            "type": ["object", "null"],
            "description": one_line(S::ABOUT),
            "additionalProperties": false,
            "properties": properties.collect::<serde_json::Map<_, _>>(),
        })
    }

    fn block() -> Option<Block> {
        Some(Block {
            about: S::ABOUT,
            properties: S::properties(),
        })
    }

    fn show(&self) -> Json {
        let fields = self
            .shown()
            .into_iter()
            .filter(|(_, value)| !value.is_null());
        Json::Object(
            fields
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }
}

/// A doc comment without its line breaks.
pub(crate) fn one_line(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}
