//! The shape of a response, compiled from the client's operation.
//!
//! Field collection and merging follow the GraphQL specification (section 6.3.2), done here once for
//! every object type that a value may have.

use super::{
    selection::{Field, Selection},
    types::{Type, Types},
};
use crate::plan::{self, FieldSource, OperationKind, Projection, SelectionSet, TypeNames, ValueType};
use std::{collections::HashMap, fmt::Write, rc::Rc, sync::Arc};

/// The selections mean more work than the limits allow.
#[derive(Debug)]
pub(super) struct TooLarge;

/// Compiles the projection of an operation. `budget` bounds the number of selections looked at.
pub(super) fn project(
    types: &Types,
    kind: OperationKind,
    root_type: &str,
    fields: &[Field],
    budget: usize,
) -> Result<Projection, TooLarge> {
    let mut compiler = Compiler { types, budget };
    let mut root = SelectionSet { fields: Vec::with_capacity(fields.len()) };
    for field in fields {
        let source = match (&*field.name, kind) {
            ("__typename", _) => FieldSource::Typename,
            (_, OperationKind::Mutation) => compiler.data(root_type, &[field], &field.response_key)?,
            _ => compiler.data(root_type, &[field], &field.key)?,
        };
        root.fields.push(plan::Field { key: field.response_key.clone(), source, types: None });
    }
    let mut shape = String::new();
    write_set(&root, &mut shape);
    Ok(Projection { root_type: root_type.into(), root, shape: shape.into() })
}

struct Compiler<'a> {
    types: &'a Types,
    budget: usize,
}

/// A field of a flattened selection set, and on which of the possible types it applies.
struct Node<'f> {
    field: &'f Field,
    mask: usize,
}

impl Compiler<'_> {
    fn charge(&mut self, selections: usize) -> Result<(), TooLarge> {
        self.budget = self.budget.checked_sub(selections).ok_or(TooLarge)?;
        Ok(())
    }

    /// The value of fields that merge into one.
    fn data(&mut self, owner: &str, fields: &[&Field], source: &Arc<str>) -> Result<FieldSource, TooLarge> {
        let name = fields[0].name.clone();
        if fields.iter().any(|it| it.unreachable) {
            let ty = self.types.field(owner, &name).map(|it| &it.ty);
            return Ok(FieldSource::Unreachable { nullable: !matches!(ty, Some(Type::NonNull(_))) });
        }
        let sets: Vec<&[Selection]> = fields.iter().map(|it| &it.selections[..]).collect();
        let value = match self.types.field(owner, &name) {
            Some(field) => self.value(&field.ty, &sets)?,
            // Validation let it through, so this is no field that a client can name.
            None => ValueType::Leaf(plan::Leaf::Custom),
        };
        Ok(FieldSource::Data { source: source.clone(), name, value })
    }

    fn value(&mut self, ty: &Type, sets: &[&[Selection]]) -> Result<ValueType, TooLarge> {
        Ok(match ty {
            Type::NonNull(inner) => ValueType::NonNull(Box::new(self.value(inner, sets)?)),
            Type::List(inner) => ValueType::List(Box::new(self.value(inner, sets)?)),
            Type::Named(name) => match self.types.composite(name) {
                Some(composite) => ValueType::Object {
                    name: name.clone(),
                    possible: composite.possible.clone(),
                    selection: self.set(&composite.possible, sets)?,
                },
                None => ValueType::Leaf(self.types.leaf(name)),
            },
        })
    }

    fn set(&mut self, possible: &TypeNames, sets: &[&[Selection]]) -> Result<SelectionSet, TooLarge> {
        let possible: Vec<Arc<str>> = possible.iter().cloned().collect();
        let mut flat = Flat { types: self.types, possible: &possible, masks: Vec::new(), nodes: Vec::new() };
        let everything: Rc<[bool]> = vec![true; possible.len()].into();
        for set in sets {
            flat.add(set, &everything);
        }
        let Flat { masks, nodes, .. } = flat;
        self.charge(nodes.len() + masks.len())?;
        let entries = self.entries(&possible, &masks, &nodes)?;
        let mut fields = Vec::with_capacity(entries.len());
        for entry in entries {
            let merged: Vec<&Field> = entry.nodes.iter().map(|it| nodes[*it].field).collect();
            let source = match &*merged[0].name {
                "__typename" => FieldSource::Typename,
                _ => self.data(&possible[entry.types[0]], &merged, &merged[0].key)?,
            };
            let everywhere = entry.types.len() == possible.len();
            let names = entry.types.iter().map(|it| possible[*it].clone());
            let types = (!everywhere).then(|| TypeNames::new(names));
            fields.push(plan::Field { key: merged[0].response_key.clone(), source, types });
        }
        Ok(SelectionSet { fields })
    }

    /// What each type's field collection gives, with equal results of several types put together.
    ///
    /// A response key stands where its first field stands. That place is the same for every type that
    /// has this field first, so sorting by it keeps the order right for each type.
    fn entries(
        &mut self,
        possible: &[Arc<str>],
        masks: &[Rc<[bool]>],
        nodes: &[Node<'_>],
    ) -> Result<Vec<Entry>, TooLarge> {
        let mut classes: HashMap<Vec<bool>, Vec<usize>> = HashMap::new();
        for index in 0..possible.len() {
            let class = masks.iter().map(|it| it[index]).collect();
            classes.entry(class).or_default().push(index);
        }
        let mut entries: HashMap<(Vec<usize>, String), Vec<usize>> = HashMap::new();
        for (class, members) in classes {
            self.charge(nodes.len())?;
            for group in groups(&class, nodes) {
                for member in &members {
                    let field = self.types.field(&possible[*member], &nodes[group[0]].field.name);
                    let ty = field.map(|it| it.ty.to_string()).unwrap_or_default();
                    entries.entry((group.clone(), ty)).or_default().push(*member);
                }
            }
        }
        let mut sorted: Vec<Entry> = entries
            .into_iter()
            .map(|((nodes, _), mut types)| {
                types.sort_unstable();
                Entry { nodes, types }
            })
            .collect();
        sorted.sort_unstable_by(|a, b| (&a.nodes, &a.types).cmp(&(&b.nodes, &b.types)));
        Ok(sorted)
    }
}

/// Fields that merge under one response key, for some of the possible types.
struct Entry {
    nodes: Vec<usize>,
    types: Vec<usize>,
}

/// The fields that apply to a class of types, grouped by response key.
fn groups(class: &[bool], nodes: &[Node<'_>]) -> Vec<Vec<usize>> {
    let mut order: Vec<Vec<usize>> = Vec::new();
    let mut by_key: HashMap<&str, usize> = HashMap::new();
    for (index, node) in nodes.iter().enumerate().filter(|(_, it)| class[it.mask]) {
        let at = *by_key.entry(&node.field.response_key).or_insert_with(|| {
            order.push(Vec::new());
            order.len() - 1
        });
        order[at].push(index);
    }
    order
}

/// A selection set with its fragments taken apart.
struct Flat<'a, 'f> {
    types: &'a Types,
    possible: &'a [Arc<str>],
    /// Distinct sets of types that nodes apply to.
    masks: Vec<Rc<[bool]>>,
    nodes: Vec<Node<'f>>,
}

impl<'f> Flat<'_, 'f> {
    fn add(&mut self, selections: &'f [Selection], within: &Rc<[bool]>) {
        for selection in selections {
            match selection {
                Selection::Field(field) => {
                    let mask = self.mask(within);
                    self.nodes.push(Node { field, mask });
                }
                Selection::On { condition, selections } => {
                    let matching = self.types.possible(condition);
                    let narrowed: Vec<bool> = self
                        .possible
                        .iter()
                        .zip(within.iter())
                        .map(|(name, inside)| *inside && matching.contains(name))
                        .collect();
                    if narrowed.contains(&true) {
                        self.add(selections, &narrowed.into());
                    }
                }
            }
        }
    }

    fn mask(&mut self, mask: &Rc<[bool]>) -> usize {
        self.masks.iter().position(|it| it == mask).unwrap_or_else(|| {
            self.masks.push(mask.clone());
            self.masks.len() - 1
        })
    }
}

fn write_set(set: &SelectionSet, out: &mut String) {
    out.push('{');
    for field in &set.fields {
        out.push_str(&field.key);
        if let Some(types) = &field.types {
            out.push('|');
            write_names(types, out);
        }
        match &field.source {
            FieldSource::Typename => out.push('#'),
            FieldSource::Unreachable { nullable } => out.push_str(if *nullable { "-" } else { "-!" }),
            FieldSource::Data { source, value, .. } => {
                let _ = write!(out, ":{source}");
                write_value(value, out);
            }
        }
        out.push(' ');
    }
    out.push('}');
}

fn write_value(value: &ValueType, out: &mut String) {
    match value {
        ValueType::NonNull(inner) => {
            out.push('!');
            write_value(inner, out);
        }
        ValueType::List(inner) => {
            out.push('[');
            write_value(inner, out);
        }
        ValueType::Leaf(plan::Leaf::Enum(names)) => write_names(names, out),
        ValueType::Leaf(leaf) => {
            let _ = write!(out, "={leaf:?}");
        }
        ValueType::Object { name, possible, selection } => {
            let _ = write!(out, "={name}");
            write_names(possible, out);
            write_set(selection, out);
        }
    }
}

fn write_names(names: &TypeNames, out: &mut String) {
    out.push('(');
    for name in names.iter() {
        out.push_str(name);
        out.push(',');
    }
    out.push(')');
}
