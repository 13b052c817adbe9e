//! From a document and the values that shape it to an operation that can be carried out: conditions decided, the
//! response's shape projected, questions about the schema answered, the rest planned, or a plan found that another
//! way of writing the same has led to already.

use super::{
    canonical::{Context, planner_document},
    compile::{Compiler, several},
    cut::cut,
    deferred::Entry,
    document::Document,
    effort,
    errors::{LIMIT_EXCEEDED, PLANNING_FAILED},
    introspection::answer,
    planner::{PlannedDocument, Planner, Unplanned},
    projection::{TooLarge, project},
    schema::Schema,
    selection::{Field, inline, keep_fitting, root_fields},
};
use crate::{
    graphql::{Error, Variables},
    language::{ast::Argument, print_value},
    plan::{FeedField, Operation, OperationKind, Plan, Projection, Step},
};
use graphql_tools::static_graphql::query;
use hive_router_query_planner::ast::document::NormalizedDocument;
use quick_cache::sync::Cache;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    fmt::{self, Write},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

/// Plans of one [`Schema`] by what they fetch, so that operations which say the same in other words share one.
pub struct Plans(Cache<String, Arc<Plan>>);

impl Plans {
    /// Keeps so many plans, those that are asked for most.
    pub fn new(size: usize) -> Self {
        Self(Cache::new(size))
    }
}

impl fmt::Debug for Plans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plans").field("kept", &self.0.len()).finish_non_exhaustive()
    }
}

/// Where a plan comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanSource {
    /// The planner made it.
    Planner,
    /// Another operation has led to it before.
    Shared,
}

impl Schema {
    /// Plans an operation for the values of its [specializing](Document::specializing) variables; other
    /// variables are not looked at.
    pub fn plan(&self, document: &Document, variables: &Variables) -> Result<Operation, Vec<Error>> {
        let planning = Planning { schema: self, document, plans: None, work: Cell::new(0) };
        planning.operation(variables).map(|(operation, _)| operation).map_err(|it| vec![it])
    }

    /// As [`Schema::plan`], with a plan from `plans` if it is there.
    pub fn plan_sharing(
        &self,
        document: &Document,
        variables: &Variables,
        plans: &Plans,
    ) -> Result<(Operation, PlanSource), Vec<Error>> {
        let planning = Planning { schema: self, document, plans: Some(plans), work: Cell::new(0) };
        planning.operation(variables).map_err(|it| vec![it])
    }
}

/// The planning of one document.
struct Planning<'a> {
    schema: &'a Schema,
    document: &'a Document,
    plans: Option<&'a Plans>,
    /// What planning has been so far, of all that was planned for the document.
    work: Cell<u64>,
}

/// How often the work of one plan the planning of a document may be: a mutation is planned field by field, what the planner
/// cannot plan as a whole in parts, and where fields are out of reach, several times.
const PLANS_MAX: u64 = 4;

/// What of an operation is planned at a time, and as what.
struct Part<'a> {
    fields: &'a [&'a Field],
    /// The planner may refuse already here.
    normalized: Result<NormalizedDocument, Unplanned>,
}

impl Planning<'_> {
    fn operation(&self, variables: &Variables) -> Result<(Operation, PlanSource), Error> {
        let Self { schema, document, .. } = self;
        let kind = self.kind();
        let mut fields = root_fields(inline(document, variables)?);
        keep_fitting(&schema.consumer_types, schema.root_type(kind), &mut fields);
        if kind == OperationKind::Subscription {
            // There is one at most, so its name will do, however its arguments are spelt.
            fields.iter_mut().for_each(|it| it.key = it.name.clone());
        }
        let mut projection = self.projection(&fields)?;
        let about_schema: Vec<&Field> =
            fields.iter().filter(|it| matches!(&*it.name, "__schema" | "__type")).collect();
        let constants = answer(&schema.consumer, &about_schema, variables)?;
        let (plan, source) = match self.plan(&fields) {
            Err(Unplanned::NoWay(_)) if self.cut(&mut fields) => {
                projection = self.projection(&fields)?;
                self.plan(&fields)
            }
            planned => planned,
        }
        .map_err(|it| planning_error(&it))?;
        let name = document.operation.name.clone();
        let canonical = canonical(&plan.canonical, constants.as_deref());
        Ok((Operation { kind, name, canonical, constants, projection, plan }, source))
    }

    fn kind(&self) -> OperationKind {
        self.document.operation.kind
    }

    fn projection(&self, fields: &[Field]) -> Result<Projection, Error> {
        let (schema, kind) = (self.schema, self.kind());
        let budget = self.document.selections_max.saturating_mul(4);
        project(&schema.consumer_types, kind, schema.root_type(kind), fields, budget).map_err(|TooLarge| {
            Error::new("The operation is too large once its fragments are applied to every type.")
                .with_code(LIMIT_EXCEEDED)
        })
    }

    /// Marks the fields that no plan leads to, where the graph is known to have such.
    fn cut(&self, fields: &mut [Field]) -> bool {
        let (schema, root) = (self.schema, self.schema.root_type(self.kind()));
        !schema.unsatisfiable.is_empty()
            && cut(&schema.consumer_types, root, &schema.unsatisfiable, fields, |fields| {
                self.plan(fields).is_ok()
            })
    }

    /// Plans the fields that are data: those about the schema are answered already.
    fn plan(&self, fields: &[Field]) -> Result<(Arc<Plan>, PlanSource), Unplanned> {
        let fields: Vec<&Field> =
            fields.iter().filter(|it| !it.name.starts_with("__") && !it.unreachable).collect();
        let context = self.context(&fields);
        let parts = self.parts(&context, &fields);
        let key = self.plans.and_then(|plans| Some((plans, plan_key(&parts)?)));
        if let Some((plans, key)) = &key
            && let Some(plan) = plans.0.get(key)
        {
            return Ok((plan, PlanSource::Shared));
        }
        let plan = Arc::new(self.compile(&context, &fields, parts)?);
        if let Some((plans, key)) = key {
            plans.0.insert(key, plan.clone());
        }
        Ok((plan, PlanSource::Planner))
    }

    fn context(&self, fields: &[&Field]) -> Context<'_> {
        let (schema, kind) = (self.schema, self.kind());
        Context {
            types: &schema.consumer_types,
            interface_objects: &schema.interface_objects,
            root_type: schema.root_type(kind),
            is_event: kind == OperationKind::Subscription
                && fields.iter().any(|it| schema.is_event_field(&it.name)),
            arguments: RefCell::default(),
        }
    }

    /// One for each root field of a mutation: it is done, entity fetches and all, before the next.
    fn parts<'f>(&self, context: &Context<'_>, fields: &'f [&'f Field]) -> Vec<Part<'f>> {
        let groups: Vec<&[&Field]> = match self.kind() {
            OperationKind::Mutation => fields.chunks(1).collect(),
            _ if fields.is_empty() => Vec::new(),
            _ => vec![fields],
        };
        let part = |fields| {
            let document = planner_document(context, self.kind(), fields, &self.document.operation.variables);
            Part { fields, normalized: self.normalize(&self.schema.planner, &document) }
        };
        groups.into_iter().map(part).collect()
    }

    /// Prepares a document for the planner, unless planning it would be too much work.
    fn normalize(
        &self,
        planner: &Planner,
        document: &query::Document,
    ) -> Result<NormalizedDocument, Unplanned> {
        let work = planner.work(document).map_err(|effort::TooMuch| Unplanned::TooMuch)?;
        self.work.set(self.work.get() + work);
        if self.work.get() > PLANS_MAX * effort::WORK_MAX {
            return Err(Unplanned::TooMuch);
        }
        planner.normalize(document)
    }

    fn plan_document(
        &self,
        planner: &Planner,
        document: &query::Document,
    ) -> Result<PlannedDocument, Unplanned> {
        let normalized = self.normalize(planner, document)?;
        let plan = planner.plan(&normalized)?;
        Ok((normalized, plan))
    }

    fn compile(
        &self,
        context: &Context<'_>,
        fields: &[&Field],
        parts: Vec<Part<'_>>,
    ) -> Result<Plan, Unplanned> {
        let mut compiler = Compiler::new(self.schema, self.kind(), fields);
        let (mut steps, mut canonical) = (Vec::new(), String::new());
        for part in parts {
            for ((normalized, plan), entry) in self.planned(context, part)? {
                canonical.push_str(&normalized.operation.to_string());
                compiler.entry = entry;
                if let Some(node) = &plan.node {
                    steps.extend(compiler.compile(node).map_err(Unplanned::NoWay)?);
                }
            }
        }
        // Under another schema the same operation may be fetched in another way.
        let _ = write!(canonical, "\n# {:016x}", self.hash_of_fetches(&steps, &mut compiler));
        Ok(Plan {
            canonical: canonical.into(),
            steps: several(steps, Step::Sequence),
            feed: compiler.feed,
            variables_used: compiler.variables.into_iter().collect(),
            subgraphs: compiler.subgraphs.into_iter().collect(),
        })
    }

    fn hash_of_fetches(&self, steps: &[Step], compiler: &mut Compiler<'_>) -> u64 {
        let mut hasher = DefaultHasher::new();
        format!("{steps:?}").hash(&mut hasher);
        match &mut compiler.feed {
            Some(FeedField::Event(feed)) => {
                // Its arguments show in what they render to.
                let arguments = std::mem::take(&mut feed.arguments);
                format!("{feed:?}").hash(&mut hasher);
                feed.arguments = arguments;
            }
            Some(FeedField::Upstream(feed)) => format!("{feed:?}").hash(&mut hasher),
            None => {}
        }
        for id in &compiler.subgraphs {
            self.schema.subgraphs()[usize::from(id.0)].url.hash(&mut hasher);
        }
        hasher.finish()
    }

    fn planned(
        &self,
        context: &Context<'_>,
        part: Part<'_>,
    ) -> Result<Vec<(PlannedDocument, Option<Entry>)>, Unplanned> {
        let planner = &self.schema.planner;
        match part.normalized.and_then(|it| planner.plan(&it).map(|plan| (it, plan))) {
            Ok(planned) => Ok(vec![(planned, None)]),
            Err(Unplanned::NoWay(reason)) => {
                self.in_parts(context, part.fields).ok_or(Unplanned::NoWay(reason))
            }
            Err(beyond) => Err(beyond),
        }
    }

    /// Plans what the planner cannot plan as a whole: see [`super::deferred`].
    fn in_parts(
        &self,
        context: &Context<'_>,
        fields: &[&Field],
    ) -> Option<Vec<(PlannedDocument, Option<Entry>)>> {
        let (schema, kind, variables) = (self.schema, self.kind(), &self.document.operation.variables);
        let key_of = |it: &Field| it.root_key(kind).clone();
        let fields: Vec<Field> = fields.iter().map(|it| (*it).clone()).collect();
        let (types, requirements) = (schema.supergraph_types(), schema.requirements());
        let (rest, deferred) =
            schema.entries.defer(types, requirements, context.root_type, &fields, &key_of)?;
        let rest: Vec<&Field> = rest.iter().collect();
        let whole = planner_document(context, kind, &rest, variables);
        let mut parts = vec![(self.plan_document(&schema.planner, &whole).ok()?, None)];
        let open = || {
            let query = schema.root_type(OperationKind::Query);
            Planner::of(schema.entries.open(&schema.planner.supergraph, query)).ok()
        };
        let planner = schema.entry_planner.get_or_init(open).as_ref()?;
        for it in deferred {
            let root = it.root();
            let document = planner_document(context, OperationKind::Query, &[&root], variables);
            parts.push((self.plan_document(planner, &document).ok()?, Some(it.entry)));
        }
        Some(parts)
    }
}

/// Everything that a plan depends on: what the planner sees, and the arguments of root fields, which the planner
/// does not see where they choose a feed, and whose order decides what a broker is sent.
fn plan_key(parts: &[Part<'_>]) -> Option<String> {
    let mut key = String::new();
    for part in parts {
        key.push_str(&part.normalized.as_ref().ok()?.operation.to_string());
        key.extend(part.fields.iter().map(|it| root_text(it)).collect::<BTreeSet<_>>());
    }
    Some(key)
}

/// A root field's key and arguments as the client wrote them, wherever that was.
fn root_text(field: &Field) -> String {
    let mut text = format!("\n{}", field.key);
    for Argument { name, value } in &field.arguments {
        let _ = write!(text, " {name}: {}", print_value(value));
    }
    text
}

/// Operations whose constants differ are not the same.
fn canonical(text: &Arc<str>, constants: Option<&[u8]>) -> Arc<str> {
    let Some(constants) = constants else { return text.clone() };
    let mut hasher = DefaultHasher::new();
    constants.hash(&mut hasher);
    format!("{text}\n# constants {:016x}", hasher.finish()).into()
}

fn planning_error(reason: &Unplanned) -> Error {
    match reason {
        Unplanned::TooMuch => {
            Error::new("The operation is too much work to plan: fields of interfaces that several subgraphs give are planned for each type they may be of, level by level.")
                .with_code(LIMIT_EXCEEDED)
        }
        Unplanned::TimedOut => {
            Error::new("No plan was found for this operation in time.").with_code(PLANNING_FAILED)
        }
        Unplanned::NoWay(reason) => {
            Error::new(format!("No plan was found for this operation: {reason}.")).with_code(PLANNING_FAILED)
        }
    }
}
