//! Declares configuration keys: one declaration gives the struct, its reader and its documentation.
//!
//! `settings!` turns a section into a plain struct and a [`Key`] per field. Everything that is said
//! about a key (type, default, environment name, meaning) is said there once; the reference file, the
//! manual's tables and the error messages come from it. What the keys *are* is in `settings`.

use super::{cosmo, environment::Environment};

/// One key of a section.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    /// The lines of its doc comment.
    pub about: &'static [&'static str],
    pub shape: Shape,
    pub fallback: Fallback,
    pub variable: Variable,
}

/// What may stand behind a key.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// One word or number; the text names its type.
    Scalar(&'static str),
    List(&'static Self),
    Section(&'static [Key]),
    /// Any names, and behind each of them one of these.
    Map(&'static Self),
    /// A section with the keys of another one beside it, which tells them.
    Alike,
}

/// What holds when a key is not given.
#[derive(Clone, Copy, Debug)]
pub enum Fallback {
    /// This value, as one would write it.
    Text(&'static str),
    /// These items of a list, as one would write them.
    Items(&'static [&'static str]),
    /// Worked out from the machine.
    Computed { means: &'static str, value: fn(&Environment) -> String },
    /// Nothing: the key must be given, for example so.
    Required(&'static str),
    /// The thing is simply not there; for example it could be so.
    Absent(&'static str),
    /// The defaults of the keys below.
    Section,
}

/// The environment variables that set a key.
#[derive(Clone, Copy, Debug)]
pub enum Variable {
    /// The path in upper case, joined with `_`, and those of Cosmo's router (`cosmo`).
    Path,
    /// None.
    Never,
}

/// A key with its place in the whole.
#[derive(Clone, Debug)]
pub struct KeyEntry {
    /// Names from the root; `name[]` where the value is a list whose items have keys of their own,
    /// `name.<name>` where it is a map of such.
    pub path: String,
    pub key: Key,
    /// Environment names that set it: its own is the last. None within lists and maps.
    pub variables: Vec<String>,
}

impl Shape {
    /// The type in words, for tables.
    pub fn describe(&self) -> String {
        match self {
            Self::Scalar(name) => (*name).to_owned(),
            Self::List(item) => format!("list of {}", item.describe_many()),
            Self::Section(_) | Self::Alike => "section".to_owned(),
            Self::Map(item) => format!("map of {}", item.describe_many()),
        }
    }

    fn describe_many(&self) -> String {
        match self {
            Self::Scalar(name) if name.ends_with('s') => format!("{name}es"),
            Self::Scalar(name) => format!("{name}s"),
            Self::List(_) => "lists".to_owned(),
            Self::Map(_) => "maps".to_owned(),
            Self::Section(_) | Self::Alike => "sections".to_owned(),
        }
    }

    /// Whether one variable can hold it: a word or number, or several with commas between them.
    fn fits_a_variable(&self) -> bool {
        matches!(self, Self::Scalar(_) | Self::List(Self::Scalar(_)))
    }

    /// The keys below, for a section, or a list or map of sections.
    pub fn keys(&self) -> &'static [Key] {
        match self {
            Self::Scalar(_) | Self::Alike => &[],
            Self::List(item) | Self::Map(item) => item.keys(),
            Self::Section(keys) => keys,
        }
    }
}

/// Every key below `root`, parents first, in the order of their declaration.
pub(super) fn flatten(root: &'static [Key]) -> Vec<KeyEntry> {
    let mut entries = Vec::new();
    flatten_into(root, "", true, &mut entries);
    entries
}

fn flatten_into(keys: &'static [Key], parent: &str, settable: bool, entries: &mut Vec<KeyEntry>) {
    for key in keys {
        let suffix = match key.shape {
            _ if key.shape.keys().is_empty() => "",
            Shape::List(_) => "[]",
            Shape::Map(_) => ".<name>",
            _ => "",
        };
        let path = format!("{parent}{}{suffix}", key.name);
        let settable_here = settable && key.shape.fits_a_variable();
        let variables = if settable_here { variables(&path, key.variable) } else { Vec::new() };
        entries.push(KeyEntry { path: path.clone(), key: *key, variables });
        flatten_into(key.shape.keys(), &format!("{path}."), settable && suffix.is_empty(), entries);
    }
}

fn variables(path: &str, variable: Variable) -> Vec<String> {
    let own = variable_of(path);
    let theirs = cosmo::variables_of(path).filter(|it| *it != own).map(str::to_owned);
    match variable {
        Variable::Path => theirs.chain([own.clone()]).collect(),
        Variable::Never => Vec::new(),
    }
}

/// The variable that a key's path makes.
pub(super) fn variable_of(path: &str) -> String {
    path.replace('.', "_").to_uppercase()
}

/// Declares a section: `name: Type as Format = Fallback[, env Variable];` with a doc comment each.
///
/// `also { … }` adds fields that are no keys; they start as their type's default.
macro_rules! settings {
    (
        $(#[doc = $about:literal])+
        pub struct $section:ident {
            $(
                $(#[doc = $doc:literal])+
                $name:ident : $type:ty as $format:ty = $fallback:expr $(, env $variable:expr)? ;
            )+
        }
        $(also { $( $(#[doc = $extra_doc:literal])+ $extra:ident : $extra_type:ty; )+ })?
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $section {
            $( $(#[doc = $doc])+ pub $name: $type, )+
            $($( $(#[doc = $extra_doc])+ pub $extra: $extra_type, )+)?
        }

        impl $section {
            pub(crate) const KEYS: &'static [$crate::config::keys::Key] = &[
                $( $crate::config::keys::Key {
                    name: stringify!($name),
                    about: &[$($doc),+],
                    shape: <$format as $crate::config::format::Format>::SHAPE,
                    fallback: $fallback,
                    variable: settings!(@variable $($variable)?),
                } ),+
            ];
        }

        impl $crate::config::format::Format for $section {
            type Value = Self;
            const SHAPE: $crate::config::keys::Shape = $crate::config::keys::Shape::Section(Self::KEYS);

            fn read(
                node: &$crate::config::tree::Node,
                reader: &mut $crate::config::reader::Reader<'_>,
            ) -> Option<Self> {
                let section = reader.section(node, Self::KEYS)?;
                // Every key is read before the first one that failed ends this: all findings at once.
                $( let $name = reader.key::<$format>(section, stringify!($name), Self::KEYS); )+
                Some(Self {
                    $( $name: $name?, )+
                    $($( $extra: Default::default(), )+)?
                })
            }

            fn absent(reader: &mut $crate::config::reader::Reader<'_>) -> Option<Self> {
                Self::read(&$crate::config::tree::Node::empty_map(), reader)
            }
        }
    };
    (@variable) => { $crate::config::keys::Variable::Path };
    (@variable $variable:expr) => { $variable };
}

pub(super) use settings;
