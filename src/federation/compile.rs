//! The planner's query plans turned into our own steps.

use super::{
    deferred::{Entry, GRAPH_NAME},
    events::{Action, Binding},
    required::{FetchedCalls, Requirement, asked_of_entities, join},
    schema::Schema,
    selection::Field,
    types::FieldType,
    values::{Defaults, add_defaults, input_value, variables_of},
};
use crate::language::ast::{Argument, Value};
use crate::plan::{
    AskedField, BatchAlias, BatchFetch, BrokerCall, EntityFetch, EventFeedField, FeedField, InputValue,
    OperationKind, PathSegment, RequiresItem, Rewrite, RewriteSegment, RootFetch, Step, SubgraphId,
    SubgraphRequest, TypeNames, UpstreamFeedField,
};
use hive_router_query_planner::{
    ast::{
        selection_item::SelectionItem,
        selection_set::{FieldSelection, SelectionSet},
    },
    planner::plan_nodes::{
        BatchFetchNode, FetchNode, FetchNodePathSegment, FetchRewrite, FlattenNodePathSegment, PlanNode,
    },
};
use std::{
    collections::{BTreeSet, HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::Arc,
};

type Arguments = Vec<(Arc<str>, InputValue)>;

/// Compiles the plans of one operation and gathers what they use.
pub(super) struct Compiler<'a> {
    schema: &'a Schema,
    kind: OperationKind,
    /// The client's root fields by the key under which they are planned.
    roots: HashMap<&'a str, &'a Field>,
    pub(super) variables: BTreeSet<Arc<str>>,
    pub(super) subgraphs: BTreeSet<SubgraphId>,
    pub(super) feed: Option<FeedField>,
    /// Where the root field of the plan at hand lies, if it stands for objects elsewhere.
    pub(super) entry: Option<Entry>,
    fetched: FetchedCalls,
}

/// What a representation has to hold, as seen from one place within it.
#[derive(Clone, Copy)]
struct Seen<'c> {
    requirement: &'c Requirement,
    /// Where the entities lie.
    places: &'c [String],
    /// The fields around this place.
    below: &'c str,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(schema: &'a Schema, kind: OperationKind, fields: &[&'a Field]) -> Self {
        Self {
            schema,
            kind,
            roots: fields.iter().map(|it| (&**it.root_key(kind), *it)).collect(),
            variables: BTreeSet::new(),
            subgraphs: BTreeSet::new(),
            feed: None,
            entry: None,
            fetched: FetchedCalls::default(),
        }
    }

    /// A plan's steps; `None` when nothing has to be fetched. The text is why it cannot be carried out.
    pub(super) fn compile(&mut self, node: &PlanNode) -> Result<Option<Step>, String> {
        match node {
            PlanNode::Subscription(it) => {
                self.feed = Some(self.feed(&it.primary)?);
                Ok(None)
            }
            PlanNode::Fetch(it) => self.fetch(it, &[]),
            PlanNode::Flatten(it) => match &*it.node {
                PlanNode::Fetch(fetch) => self.fetch(fetch, it.path.as_slice()),
                _ => Err("a path leads to something that is no fetch".into()),
            },
            PlanNode::BatchFetch(it) => self.batch(it).map(Some),
            PlanNode::Sequence(it) => Ok(several(self.all(&it.nodes)?, Step::Sequence)),
            PlanNode::Parallel(it) => Ok(several(self.all(&it.nodes)?, Step::Parallel)),
            PlanNode::Condition(it) => {
                let mut clause = |node: &Option<Box<PlanNode>>| match node {
                    Some(node) => self.compile(node).map(|it| it.map(Box::new)),
                    None => Ok(None),
                };
                let (then, otherwise) = (clause(&it.if_clause)?, clause(&it.else_clause)?);
                let variable: Arc<str> = it.condition.as_str().into();
                self.variables.insert(variable.clone());
                Ok(Some(Step::Condition { variable, then, otherwise }))
            }
            PlanNode::Defer(_) => Err("@defer is not supported".into()),
        }
    }

    fn all(&mut self, nodes: &[PlanNode]) -> Result<Vec<Step>, String> {
        let mut steps = Vec::with_capacity(nodes.len());
        for node in nodes {
            steps.extend(self.compile(node)?);
        }
        Ok(steps)
    }

    fn fetch(&mut self, node: &FetchNode, path: &[FlattenNodePathSegment]) -> Result<Option<Step>, String> {
        if self.schema.is_event_graph(&node.service_name) {
            return self.broker_calls(node, path);
        }
        if node.service_name == GRAPH_NAME {
            // The objects are there already.
            return Ok(None);
        }
        let request = self.request(
            &node.service_name,
            node.operation_kind.as_ref().map_or(OperationKind::Query, kind_of),
            &node.operation.document_str,
            node.variable_usages.as_ref(),
        )?;
        let path = self.path(path);
        let place = place(&path);
        let output_rewrites = self.rewrites(node.output_rewrites.as_deref());
        Ok(Some(match &node.requires {
            None => {
                self.fetched.note_roots(self.schema.requirements(), &request.document, &place);
                Step::Fetch(RootFetch { request, path, output_rewrites })
            }
            Some(requires) => Step::Entities(EntityFetch {
                requires: self.entities(
                    (&node.service_name, &request.document),
                    "_entities",
                    &[place],
                    requires,
                )?,
                fields: self.asked(&request.document, "_entities", &output_rewrites),
                request,
                path,
                input_rewrites: self.rewrites(node.input_rewrites.as_deref()),
                output_rewrites,
            }),
        }))
    }

    fn batch(&mut self, node: &BatchFetchNode) -> Result<Step, String> {
        let mut document = node.operation.document_str.clone();
        let mut aliases: Vec<BatchAlias> = Vec::with_capacity(node.entity_batch.aliases.len());
        for it in &node.entity_batch.aliases {
            let paths: Vec<Vec<PathSegment>> =
                it.merge_paths.iter().map(|it| self.path(it.as_slice())).collect();
            let places: Vec<String> = paths.iter().map(|it| place(it)).collect();
            let fetch = (&*node.service_name, &*node.operation.document_str);
            let output_rewrites = self.rewrites(it.output_rewrites.as_deref());
            let mut alias = BatchAlias {
                alias: it.alias.as_str().into(),
                representations_variable: it.representations_variable_name.as_str().into(),
                paths,
                requires: self.entities(fetch, &it.alias, &places, &it.requires)?,
                fields: self.asked(&node.operation.document_str, &it.alias, &output_rewrites),
                input_rewrites: self.rewrites(it.input_rewrites.as_deref()),
                output_rewrites,
            };
            if aliases.iter().any(|it| sends_other_things(it, &alias)) {
                give_own_variable(&mut alias, &mut document)?;
            }
            aliases.push(alias);
        }
        let request = self.request(
            &node.service_name,
            node.operation_kind.as_ref().map_or(OperationKind::Query, kind_of),
            &document,
            node.variable_usages.as_ref(),
        )?;
        Ok(Step::Batch(BatchFetch { request, aliases }))
    }

    /// What representations of entities at these places are made of. `fetch` is a subgraph and the document
    /// that it is sent.
    fn entities(
        &mut self,
        fetch: (&str, &str),
        alias: &str,
        places: &[String],
        requires: &SelectionSet,
    ) -> Result<Vec<RequiresItem>, String> {
        let (all, (subgraph, document)) = (self.schema.requirements(), fetch);
        let requirement = all.of_entities(subgraph, document, alias)?;
        let requires = self.requires(requires, Seen { requirement: &requirement, places, below: "" })?;
        requirement.check(&requires)?;
        for place in places {
            self.fetched.note_entities(all, document, alias, place);
        }
        Ok(requires)
    }

    /// What a fetch brings to entities, under the keys that the data has.
    fn asked(&self, document: &str, alias: &str, rewrites: &[Rewrite]) -> Vec<AskedField> {
        let field = |(on, key): (String, String)| AskedField {
            types: self.types([&on]),
            key: renamed(&key, rewrites).into(),
        };
        asked_of_entities(document, alias).into_iter().map(field).collect()
    }

    fn request(
        &mut self,
        service: &str,
        kind: OperationKind,
        document: &str,
        variables: Option<&BTreeSet<String>>,
    ) -> Result<SubgraphRequest, String> {
        let subgraph =
            self.schema.subgraph_id(service).ok_or_else(|| format!("there is no subgraph \"{service}\""))?;
        self.subgraphs.insert(subgraph);
        let variables: Vec<Arc<str>> = variables.into_iter().flatten().map(|it| it.as_str().into()).collect();
        self.variables.extend(variables.iter().cloned());
        let mut hasher = DefaultHasher::new();
        (subgraph, document).hash(&mut hasher);
        Ok(SubgraphRequest { subgraph, kind, document: document.into(), variables, shape: hasher.finish() })
    }

    fn path(&self, path: &[FlattenNodePathSegment]) -> Vec<PathSegment> {
        let segment = |it: &FlattenNodePathSegment| match it {
            FlattenNodePathSegment::Field(key) => PathSegment::Key(key.as_str().into()),
            FlattenNodePathSegment::List => PathSegment::List,
            FlattenNodePathSegment::TypeCondition(names) => PathSegment::Types(self.types(names)),
        };
        match (&self.entry, path) {
            (Some(entry), [FlattenNodePathSegment::Field(first), rest @ ..]) if *first == entry.field => {
                entry.path.iter().cloned().chain(rest.iter().map(segment)).collect()
            }
            _ => path.iter().map(segment).collect(),
        }
    }

    /// Object types that any of the conditions matches, and the conditions themselves: an interface
    /// object answers with the interface's name.
    fn types<'n>(&self, names: impl IntoIterator<Item = &'n String>) -> TypeNames {
        let mut all: Vec<Arc<str>> = Vec::new();
        for name in names {
            all.push(name.as_str().into());
            all.extend(self.schema.supergraph_types().possible(name).iter().cloned());
        }
        TypeNames::new(all)
    }

    fn requires(&self, set: &SelectionSet, seen: Seen<'_>) -> Result<Vec<RequiresItem>, String> {
        let only = set.items.len() == 1;
        let mut items = Vec::with_capacity(set.items.len());
        for item in &set.items {
            match item {
                // Every representation gets it anyway.
                SelectionItem::Field(it) if it.name == "__typename" && !only => {}
                SelectionItem::Field(it) => items.push(self.required_field(it, seen)?),
                SelectionItem::InlineFragment(it) => items.push(RequiresItem::On {
                    types: self.types([&it.type_condition]),
                    selection: self.requires(&it.selections, seen)?,
                }),
                // The planner inlines fragments before it plans.
                SelectionItem::FragmentSpread(_) => {}
            }
        }
        Ok(items)
    }

    /// Where arguments forced the planner to fetch a field under a name of its own, that name stands as the
    /// field's, and the field's as the alias; or the planner has forgotten to say so.
    fn required_field(&self, field: &FieldSelection, seen: Seen<'_>) -> Result<RequiresItem, String> {
        let name = field.selection_identifier();
        let below = join(seen.below, name);
        let key = seen.requirement.key_of(&below, &self.fetched, seen.places)?.unwrap_or(&field.name);
        Ok(RequiresItem::Field {
            name: name.into(),
            key: key.into(),
            selection: self.requires(&field.selections, Seen { below: &below, ..seen })?,
        })
    }

    fn rewrites(&self, rewrites: Option<&[FetchRewrite]>) -> Vec<Rewrite> {
        let rewrite = |it: &FetchRewrite| match it {
            FetchRewrite::KeyRenamer(it) => {
                Rewrite::RenameKey { path: self.rewrite_path(&it.path), to: it.rename_key_to.as_str().into() }
            }
            FetchRewrite::ValueSetter(it) => Rewrite::SetString {
                path: self.rewrite_path(&it.path),
                value: it.set_value_to.as_str().into(),
            },
        };
        rewrites.unwrap_or_default().iter().map(rewrite).collect()
    }

    fn rewrite_path(&self, path: &[FetchNodePathSegment]) -> Vec<RewriteSegment> {
        let segment = |it: &FetchNodePathSegment| match it {
            FetchNodePathSegment::Key(key) => RewriteSegment::Key(key.as_str().into()),
            FetchNodePathSegment::TypenameEquals(names) => RewriteSegment::Types(self.types(names)),
        };
        path.iter().map(segment).collect()
    }

    /// Root fields of an event graph: a call to a broker for each.
    fn broker_calls(
        &mut self,
        node: &FetchNode,
        path: &[FlattenNodePathSegment],
    ) -> Result<Option<Step>, String> {
        if !path.is_empty() || node.requires.is_some() {
            return Err(format!(
                "fields of event graph \"{}\" can be asked for at the root only",
                node.service_name
            ));
        }
        let mut calls = Vec::new();
        for field in root_selections(node) {
            let Some(binding) = self.schema.binding(&node.service_name, self.kind, &field.name) else {
                // The stand-in for graphs without queries: its value is null.
                continue;
            };
            calls.push(Step::Broker(self.broker_call(binding, field)?));
        }
        Ok(several(calls, Step::Parallel))
    }

    fn broker_call(&mut self, binding: &Binding, field: &FieldSelection) -> Result<BrokerCall, String> {
        let Action::Call { operation, destination, labels } = &binding.action else {
            return Err(format!("field \"{}\" is bound to a feed", field.name));
        };
        let arguments = self.arguments(field, Defaults::LeaveOut)?;
        for (_, value) in &arguments {
            variables_of(value, &mut self.variables);
        }
        Ok(BrokerCall {
            operation: *operation,
            field: binding.field.clone(),
            key: field.selection_identifier().into(),
            graph: binding.graph.clone(),
            kind: binding.kind,
            provider: binding.provider.clone(),
            destination: destination.clone(),
            labels: labels.clone(),
            arguments,
            possible: TypeNames::new(binding.possible.iter().cloned()),
        })
    }

    /// What a subscription listens to. For an event, rewrites of the primary fetch undo aliases that the planner
    /// puts into requests; no request goes out for an event, so there is nothing to undo.
    fn feed(&mut self, primary: &FetchNode) -> Result<FeedField, String> {
        let field = root_selections(primary).next().ok_or("the subscription has no root field")?;
        let service = &primary.service_name;
        let Some(binding) = self.schema.binding(service, self.kind, &field.name) else {
            return self.upstream(primary, &field.name).map(FeedField::Upstream);
        };
        let Action::Subscribe { destinations, stream, rule } = &binding.action else {
            return Err(format!("field \"{}\" is bound to no feed", field.name));
        };
        // Variables in them are not noted as used: what they come to is in the rendered feed and rule.
        let arguments = self.arguments(field, Defaults::PutIn)?;
        Ok(FeedField::Event(EventFeedField {
            field: binding.field.clone(),
            key: field.selection_identifier().into(),
            graph: binding.graph.clone(),
            kind: binding.kind,
            provider: binding.provider.clone(),
            destinations: destinations.clone(),
            stream: stream.clone(),
            arguments,
            rule: rule.clone(),
            possible: TypeNames::new(binding.possible.iter().cloned()),
            is_abstract: binding.is_abstract,
        }))
    }

    /// A subscription that a subgraph serves.
    fn upstream(&mut self, primary: &FetchNode, field: &str) -> Result<UpstreamFeedField, String> {
        let request = self.request(
            &primary.service_name,
            OperationKind::Subscription,
            &primary.operation.document_str,
            primary.variable_usages.as_ref(),
        )?;
        let output_rewrites = self.rewrites(primary.output_rewrites.as_deref());
        Ok(UpstreamFeedField { field: field.into(), request, output_rewrites })
    }

    /// A root field's arguments as the client wrote them: the planner has sorted its own.
    fn arguments(&self, field: &FieldSelection, defaults: Defaults) -> Result<Arguments, String> {
        let key = field.selection_identifier();
        let source =
            self.roots.get(key).ok_or_else(|| format!("root field \"{key}\" is not the client's"))?;
        let root = self.schema.root_type(self.kind);
        let Some(FieldType { arguments: declared, .. }) =
            self.schema.supergraph_types().field(root, &source.name)
        else {
            return Err(format!("{root} has no field \"{}\"", source.name));
        };
        let mut arguments = Arguments::with_capacity(source.arguments.len());
        for Argument { name, value } in &source.arguments {
            let Some(argument) = declared.iter().find(|it| it.name == name.text) else { continue };
            // A variable that turns out to be absent leaves the default in place. Of names that repeat
            // the last one counts, so a value that is there takes over.
            if let (Defaults::PutIn, Value::Variable(_), Some(default)) = (defaults, value, &argument.default)
            {
                arguments.push((argument.name.clone(), InputValue::Json(default.clone())));
            }
            let value = input_value(value, &argument.ty, self.schema.input_types(), defaults);
            arguments.push((argument.name.clone(), value));
        }
        if defaults == Defaults::PutIn {
            add_defaults(declared, &mut arguments);
        }
        Ok(arguments)
    }
}

/// The key that a member of an entity has in the data.
fn renamed<'k>(key: &'k str, rewrites: &'k [Rewrite]) -> &'k str {
    let to = rewrites.iter().find_map(|it| match it {
        Rewrite::RenameKey { path, to } => {
            let mut keys = path.iter().filter_map(|it| match it {
                RewriteSegment::Key(key) => Some(&**key),
                RewriteSegment::Types(_) => None,
            });
            (keys.next() == Some(key) && keys.next().is_none()).then_some(&**to)
        }
        Rewrite::SetString { .. } => None,
    });
    to.unwrap_or(key)
}

/// Whether two aliases share a variable and should not: to the planner, which does not look at arguments,
/// what they require is the same.
fn sends_other_things(one: &BatchAlias, other: &BatchAlias) -> bool {
    one.representations_variable == other.representations_variable && one.requires != other.requires
}

/// Gives an alias of a batch a variable of its own.
fn give_own_variable(alias: &mut BatchAlias, document: &mut String) -> Result<(), String> {
    let (shared, own) =
        (&alias.representations_variable, format!("{}{}", alias.representations_variable, alias.alias));
    let usage = |variable: &str| format!("{}: _entities(representations: ${variable})", alias.alias);
    let definition = format!("${shared}:[_Any!]!");
    if !document.contains(&definition) || !document.contains(&usage(shared)) {
        return Err(format!("\"{}\" cannot have representations of its own", alias.alias));
    }
    *document = document.replacen(&definition, &format!("{definition}, ${own}:[_Any!]!"), 1).replacen(
        &usage(shared),
        &usage(&own),
        1,
    );
    alias.representations_variable = own.into();
    Ok(())
}

/// A path as the keys on it.
fn place(path: &[PathSegment]) -> String {
    let keys = path.iter().filter_map(|it| match it {
        PathSegment::Key(key) => Some(&**key),
        PathSegment::List | PathSegment::Types(_) => None,
    });
    keys.collect::<Vec<_>>().join(".")
}

fn root_selections(node: &FetchNode) -> impl Iterator<Item = &FieldSelection> {
    node.operation.document.operation.selection_set.items.iter().filter_map(|it| match it {
        SelectionItem::Field(field) if field.name != "__typename" => Some(field),
        _ => None,
    })
}

/// No step, the step, or several of them.
pub(super) fn several(mut steps: Vec<Step>, together: fn(Vec<Step>) -> Step) -> Option<Step> {
    if steps.len() > 1 { Some(together(steps)) } else { steps.pop() }
}

fn kind_of(kind: &hive_router_query_planner::state::supergraph_state::OperationKind) -> OperationKind {
    use hive_router_query_planner::state::supergraph_state::OperationKind as Theirs;
    match kind {
        Theirs::Query => OperationKind::Query,
        Theirs::Mutation => OperationKind::Mutation,
        Theirs::Subscription => OperationKind::Subscription,
    }
}
