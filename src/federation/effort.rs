//! How much work planning an operation is, worked out before it is planned.
//!
//! Where a graph that knows an interface lacks one of its fields, the planner crate takes the field apart into one for each type,
//! and so on below each of them: an interface that leads to itself turns thirty bytes into gigabytes. Then it compares what
//! is left with each other, fetches above all. Nothing interrupts either. So the operation is walked as the crate
//! would take it apart, no further than up to the bound, and refused beyond: the bound holds for time and for memory.

use graphql_tools::static_graphql::query::{
    Definition, Document, Field, OperationDefinition, Selection, SelectionSet, TypeCondition,
};
use hive_router_query_planner::state::supergraph_state::{
    SupergraphDefinition as Type, SupergraphInterfaceType, SupergraphState,
};
use std::collections::{BTreeSet, HashSet};

/// The most work that planning one document may be, in units of about 5 ns. Half of what made the slowest of the operations
/// in `benches/load/scenarios/planning.rs` take 100 ms on an idle machine; none of them takes 100 MB by then.
pub(super) const WORK_MAX: u64 = 12_000_000;
/// Units for each pair of fields of one selection set: they are merged by comparing them.
const PAIR_OF_NEIGHBOURS: u64 = 3;
/// Units for each pair of hops: so many fetches are compared before they are merged.
const PAIR_OF_HOPS: u64 = 160;
/// Units for each way from a graph to a field by way of another, of as many as there are graphs to come from and to go to.
const WAY: u64 = 330;

/// Planning it would be too much work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMuch;

/// The work that planning a document would be, as the planner is given it. No more of it is looked at than is allowed.
pub(super) fn estimate(supergraph: &SupergraphState, document: &Document) -> Result<u64, TooMuch> {
    let mut walk = Walk { supergraph, fields: 0, hops: 0, searches: 0 };
    for definition in &document.definitions {
        if let Definition::Operation(operation) = definition {
            walk.operation(operation)?;
        }
    }
    Ok(walk.work())
}

/// The graphs that may hold an object at some place of the response, by their ids in the supergraph.
type Graphs = HashSet<String>;

struct Walk<'a> {
    supergraph: &'a SupergraphState,
    /// Fields, each as often as the planner meets it.
    fields: u64,
    /// Fetches from objects to other graphs that give some of their fields.
    hops: u64,
    /// Units of work for the search of ways, and for neighbours.
    searches: u64,
}

/// What the fields of one selection set have in common.
struct Set<'a, 'g> {
    /// The graphs that may hold its objects.
    here: &'g Graphs,
    /// Fields met in it.
    fields: u64,
    /// Which graphs are hopped to, from objects of which type.
    hops: Vec<(&'a str, Graphs)>,
}

impl<'a> Walk<'a> {
    fn operation(&mut self, operation: &OperationDefinition) -> Result<(), TooMuch> {
        let supergraph = self.supergraph;
        let (root, set) = match operation {
            OperationDefinition::SelectionSet(set) => (Some(&supergraph.query_type), set),
            OperationDefinition::Query(it) => (Some(&supergraph.query_type), &it.selection_set),
            OperationDefinition::Mutation(it) => (supergraph.mutation_type.as_ref(), &it.selection_set),
            OperationDefinition::Subscription(it) => {
                (supergraph.subscription_type.as_ref(), &it.selection_set)
            }
        };
        let Some(root) = root.and_then(|it| supergraph.definitions.get(it)) else { return Ok(()) };
        let anywhere = root.join_types().iter().map(|it| it.graph_id.clone()).collect();
        self.selections(root, &anywhere, set)
    }

    fn selections(&mut self, owner: &'a Type, here: &Graphs, set: &SelectionSet) -> Result<(), TooMuch> {
        self.set(owner, &mut Set { here, fields: 0, hops: Vec::new() }, set)
    }

    fn set(&mut self, owner: &'a Type, of: &mut Set<'a, '_>, set: &SelectionSet) -> Result<(), TooMuch> {
        let supergraph = self.supergraph;
        set.items.iter().try_for_each(|it| match it {
            Selection::Field(it) => self.field(owner, of, it),
            Selection::InlineFragment(it) => match &it.type_condition {
                Some(TypeCondition::On(name)) if name != owner.name() => {
                    let Some(condition) = supergraph.definitions.get(name) else { return Ok(()) };
                    let narrowed = objects(supergraph, condition);
                    let both = objects(supergraph, owner).into_iter().filter(|it| narrowed.contains(it));
                    both.filter_map(|it| supergraph.definitions.get(it))
                        .try_for_each(|object| self.set(object, of, &it.selection_set))
                }
                _ => self.set(owner, of, &it.selection_set),
            },
            // Fragments are inlined before.
            Selection::FragmentSpread(_) => Ok(()),
        })
    }

    fn field(&mut self, owner: &'a Type, of: &mut Set<'a, '_>, field: &Field) -> Result<(), TooMuch> {
        let supergraph = self.supergraph;
        match owner {
            Type::Interface(it) if self.is_taken_apart(it, &field.name) => objects(supergraph, owner)
                .into_iter()
                .filter_map(|it| supergraph.definitions.get(it))
                .try_for_each(|object| self.planned(object, of, field)),
            _ => self.planned(owner, of, field),
        }
    }

    /// A field as it is planned: of one type.
    fn planned(&mut self, owner: &'a Type, of: &mut Set<'a, '_>, field: &Field) -> Result<(), TooMuch> {
        self.fields += 1;
        self.searches += PAIR_OF_NEIGHBOURS * of.fields;
        of.fields += 1;
        let Some(definition) = owner.fields().get(&field.name) else { return self.judge() };
        let mut there = definition.resolvable_in_graphs(owner);
        if there.is_disjoint(of.here) {
            self.hop(owner, of, &there);
        } else {
            there.retain(|it| of.here.contains(it));
        }
        // A field that requires others is fetched once they are there.
        if definition.join_field.iter().any(|it| it.requires.is_some()) {
            self.hops += 1;
        }
        let from = there.len() as u64;
        self.searches += WAY * from * from * owner.join_types().len() as u64;
        self.judge()?;
        match self.supergraph.definitions.get(definition.field_type.inner_type()) {
            Some(it) if it.is_composite_type() => self.selections(it, &there, &field.selection_set),
            _ => Ok(()),
        }
    }

    /// Fields that the same graphs give to the same objects come in one fetch.
    fn hop(&mut self, owner: &'a Type, of: &mut Set<'a, '_>, there: &Graphs) {
        if !of.hops.iter().any(|(name, graphs)| *name == owner.name() && graphs == there) {
            of.hops.push((owner.name(), there.clone()));
            self.hops += 1;
        }
    }

    fn work(&self) -> u64 {
        self.searches + self.fields * self.fields + PAIR_OF_HOPS * self.hops * self.hops
    }

    fn judge(&self) -> Result<(), TooMuch> {
        if self.work() > WORK_MAX { Err(TooMuch) } else { Ok(()) }
    }

    /// Whether the planner makes one field for each type of an interface's field: where one of the types does not give it in
    /// all its graphs, or one of the graphs that know the interface does not give the interface's.
    fn is_taken_apart(&self, interface: &SupergraphInterfaceType, field: &str) -> bool {
        let Some(definition) = interface.fields.get(field) else { return false };
        let implements = self.supergraph.interface_to_object_types.get(&interface.name);
        let mut implements =
            implements.into_iter().flatten().filter_map(|it| self.supergraph.definitions.get(it));
        let lacks = |it: &Type| {
            it.fields().get(field).is_none_or(|it| {
                it.join_field
                    .iter()
                    .any(|it| it.external || it.used_overridden || it.override_value.is_some())
            })
        };
        if implements.any(lacks) {
            return true;
        }
        let knows = interface.join_type.iter().filter(|it| !it.is_interface_object).count();
        let gives = definition.join_field.iter().filter(|it| !it.external && it.graph_id.is_some()).count();
        knows > 1 && !definition.join_field.is_empty() && gives < knows
    }
}

/// The object types that a value of a type may be of.
fn objects<'a>(supergraph: &'a SupergraphState, of: &'a Type) -> BTreeSet<&'a str> {
    match of {
        Type::Interface(it) => {
            let objects = supergraph.interface_to_object_types.get(&it.name);
            objects.into_iter().flatten().map(String::as_str).collect()
        }
        Type::Union(it) => it.types.iter().map(String::as_str).collect(),
        other => BTreeSet::from([other.name()]),
    }
}
