//! Whether a response is one that GraphQL allows for its projection.

use bytes::Bytes;
use juga::{
    graphql::json::{Document, Kind, NodeId},
    plan::{Field, FieldSource, Leaf, Projection, SelectionSet, ValueType},
};

/// Judges a whole response; the text is what is wrong.
pub fn check(projection: &Projection, response: &Bytes) -> Result<(), String> {
    // Serde is the witness that it is JSON at all, however deep and however large its numbers.
    serde_json::from_slice::<serde::de::IgnoredAny>(response).map_err(|it| format!("no JSON: {it}"))?;
    let mut document = Document::new();
    let Ok(root) = document.parse(response.clone()) else {
        // Custom scalars that were nested deeply before they were put deeper still.
        return Ok(());
    };
    let checker = Checker { document: &document };
    let errors = document.get(root, "errors");
    if let Some(errors) = errors {
        checker.errors(errors)?;
    }
    let data = document.get(root, "data").ok_or("no data")?;
    match document.kind(data) {
        Kind::Object => checker.selection(&projection.root, Some(&projection.root_type), data),
        Kind::Null if errors.is_some() => Ok(()),
        Kind::Null => Err("data is null, and nothing says why".into()),
        _ => Err("data is neither an object nor null".into()),
    }
}

struct Checker<'a> {
    document: &'a Document,
}

impl Checker<'_> {
    fn errors(&self, errors: NodeId) -> Result<(), String> {
        if self.document.kind(errors) != Kind::Array || self.document.is_empty(errors) {
            return Err("`errors` is no list, or an empty one".into());
        }
        let has_text =
            |it| self.document.get(it, "message").is_some_and(|it| self.document.kind(it) == Kind::String);
        let mut texts = self.document.children(errors).map(has_text);
        if texts.all(|it| it) { Ok(()) } else { Err("an error without a message".into()) }
    }

    /// `typename` is known where the type is no interface or union.
    fn selection(
        &self,
        selection: &SelectionSet,
        typename: Option<&str>,
        object: NodeId,
    ) -> Result<(), String> {
        let mut names: Vec<&str> = self.document.entries(object).map(|(name, _)| name).collect();
        if let Some(stray) = names.iter().find(|name| !selection.fields.iter().any(|it| *it.key == ***name)) {
            return Err(format!("{stray:?} was not asked for"));
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        if names.len() < count {
            return Err(format!("a name twice among {names:?}"));
        }
        // Fields of one name may differ by type: the value is one of theirs, and one of them has to be there
        // where all types are covered.
        for field in &selection.fields {
            let same_name =
                || selection.fields.iter().filter(|it| it.key == field.key && applies(it, typename));
            match self.document.get(object, &field.key) {
                None if applies(field, typename) && (field.types.is_none() || typename.is_some()) => {
                    return Err(format!("{:?} is missing", field.key));
                }
                None => {}
                Some(value) => {
                    let outcomes: Vec<_> = same_name().map(|it| self.field(it, value)).collect();
                    if let Some(Err(why)) = outcomes.iter().find(|it| it.is_err())
                        && outcomes.iter().all(Result::is_err)
                    {
                        return Err(format!("{}: {why}", field.key));
                    }
                }
            }
        }
        Ok(())
    }

    fn field(&self, field: &Field, value: NodeId) -> Result<(), String> {
        match &field.source {
            FieldSource::Typename if self.document.kind(value) == Kind::String => Ok(()),
            FieldSource::Typename => Err("__typename is no string".into()),
            FieldSource::Data { value: ty, .. } => self.value(ty, value),
            FieldSource::Unreachable { .. } => Err("every field of this graph can be reached".into()),
        }
    }

    fn value(&self, ty: &ValueType, value: NodeId) -> Result<(), String> {
        let kind = self.document.kind(value);
        match ty {
            ValueType::NonNull(_) if kind == Kind::Null => Err("null where none may be".into()),
            ValueType::NonNull(inner) => self.value(inner, value),
            _ if kind == Kind::Null => Ok(()),
            ValueType::List(_) if kind != Kind::Array => Err("no list".into()),
            ValueType::List(item) => self.document.children(value).try_for_each(|it| self.value(item, it)),
            ValueType::Leaf(leaf) if self.leaf(leaf, value) => Ok(()),
            ValueType::Leaf(leaf) => Err(format!("no {leaf:?}")),
            ValueType::Object { .. } if kind != Kind::Object => Err("no object".into()),
            ValueType::Object { name, possible, selection } => {
                let only = possible.only().filter(|it| *it == name);
                self.selection(selection, only.map(|it| &**it), value)
            }
        }
    }

    fn leaf(&self, leaf: &Leaf, value: NodeId) -> bool {
        let text = self.document.as_str(value);
        let number = self.document.as_number(value);
        match leaf {
            Leaf::Int => number.is_some_and(|it| it.parse::<i32>().is_ok()),
            // What a client reads as infinite is no number to it.
            Leaf::Float => number.is_some_and(|it| it.parse::<f64>().is_ok_and(f64::is_finite)),
            Leaf::String | Leaf::Id => text.is_some(),
            Leaf::Boolean => self.document.as_bool(value).is_some(),
            Leaf::Enum(names) => text.is_some_and(|it| names.contains(&it)),
            Leaf::Custom => true,
        }
    }
}

fn applies(field: &Field, typename: Option<&str>) -> bool {
    match (&field.types, typename) {
        (Some(types), Some(name)) => types.contains(name),
        _ => true,
    }
}
