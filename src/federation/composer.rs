//! Calls the composer, and puts what it says and what the checks find into the order of the reference.

use super::{
    authorization::Authorization,
    checks::{self, All, Fault, REPLACED_RULES},
    declared::Graph,
    errors::LoadError,
    origins::Origins,
    rewrites,
};
use federation_composition::{
    __internal::{compose::compose_services, subgraph::validation::validate_subgraph::InternalOptions},
    CompositionResult, ServiceDefinition,
    graphql_core::{Document, parse},
    validate_subgraph,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

/// The composer's name for its check that every field can be reached.
const SATISFIABILITY_RULE: &str = "SatisfiabilityRule";

/// A supergraph, and what is out of reach in it.
pub(super) struct Supergraph {
    pub(super) sdl: String,
    /// Empty unless composed leniently.
    pub(super) out_of_reach: Vec<Failure>,
}

/// Composes graphs that the composer understands.
pub(super) fn compose(
    services: &[ServiceDefinition],
    authorization: &Authorization,
    lenient: bool,
    origins: &Origins<'_>,
) -> Result<Supergraph, Vec<LoadError>> {
    let graphs: Vec<Graph<'_>> = services.iter().map(|it| Graph::of(&it.name, &it.type_defs)).collect();
    let mut findings = Findings { origins, found: Vec::new() };
    for (service, graph) in services.iter().zip(&graphs) {
        findings.look_at(service, graph);
    }
    findings.end_stage()?;
    let all = All::of(&graphs);
    findings.faults(checks::of_all(&all, authorization));
    let circles = checks::circles(&all);
    if !circles.is_empty() {
        findings.faults(circles);
        findings.end_stage()?;
    }
    let (services, unanswered) =
        one_graph_per_mutation(&all, with(services, rewrites::beside_each_other(&all)));
    let (composed, out_of_reach) = match run(&services, &[]) {
        Err(failures) if failures.iter().all(Failure::is_satisfiability) => {
            (run(&services, &[SATISFIABILITY_RULE]), failures)
        }
        other => (other, Vec::new()),
    };
    let sdl = match composed {
        Ok(sdl) => {
            let document = parse(&sdl).unwrap_or_default();
            findings.faults(checks::of_supergraph(&document, &graphs));
            sdl
        }
        Err(failures) => {
            findings.failures(failures.into_iter().filter(|it| !is_about_hidden(&all, it)).collect());
            String::new()
        }
    };
    findings.end_stage()?;
    findings.faults(checks::disjoint_types(&all));
    if !lenient {
        findings.faults(unanswered);
        findings.failures(out_of_reach.clone());
    }
    findings.end_stage()?;
    Ok(Supergraph { sdl, out_of_reach })
}

/// A required input field that clients do not see is that fault, whichever graphs have it.
fn is_about_hidden(all: &All<'_, '_>, failure: &Failure) -> bool {
    let mut quoted = failure.message.split('"').skip(1).step_by(2).filter_map(|it| it.split_once('.'));
    failure.code.as_deref() == Some("REQUIRED_INPUT_FIELD_MISSING_IN_SOME_SUBGRAPH")
        && quoted.any(|(owner, field)| all.is_input_hidden(owner, field))
}

/// Lets one graph resolve each mutation that several could, since it must not be carried out twice: the first that
/// leads to all of its result. Where none does, that is a fault.
fn one_graph_per_mutation(
    all: &All<'_, '_>,
    services: Vec<ServiceDefinition>,
) -> (Vec<ServiceDefinition>, Vec<Fault>) {
    let shared = all.shared_mutations();
    if shared.is_empty() {
        return (services, Vec::new());
    }
    let mut chosen: BTreeMap<&str, usize> =
        shared.iter().filter_map(|(name, graphs)| Some((name.as_str(), *graphs.first()?))).collect();
    let restricted = restrict(all, &services, &shared, &chosen);
    if !is_out_of_reach(&restricted) {
        return (restricted, Vec::new());
    }
    let mut faults = Vec::new();
    for (name, graphs) in &shared {
        let alone = BTreeMap::from([(name.clone(), graphs.clone())]);
        let answers = |graph: &usize| {
            !is_out_of_reach(&restrict(all, &services, &alone, &BTreeMap::from([(name.as_str(), *graph)])))
        };
        match graphs.iter().copied().find(answers) {
            Some(graph) => drop(chosen.insert(name, graph)),
            None => faults.push(checks::mutation_of_several(all, name, graphs)),
        }
    }
    (restrict(all, &services, &shared, &chosen), faults)
}

fn is_out_of_reach(services: &[ServiceDefinition]) -> bool {
    run(services, &[]).is_err_and(|failures| {
        failures.iter().any(|it| it.is_satisfiability() && it.message.contains("mutation {"))
    })
}

/// Takes shared mutations out of all graphs but the chosen one.
fn restrict(
    all: &All<'_, '_>,
    services: &[ServiceDefinition],
    shared: &BTreeMap<String, BTreeSet<usize>>,
    chosen: &BTreeMap<&str, usize>,
) -> Vec<ServiceDefinition> {
    let documents = services.iter().zip(all.graphs()).enumerate().map(|(index, (service, graph))| {
        let names = shared.iter().filter(|(name, graphs)| {
            graphs.contains(&index) && chosen.get(name.as_str()).is_some_and(|it| *it != index)
        });
        let mut document = service.type_defs.clone();
        rewrites::without_mutations(graph, &mut document, &names.map(|(name, _)| name.as_str()).collect());
        document
    });
    with(services, documents.collect())
}

/// The same services with other documents.
fn with(services: &[ServiceDefinition], documents: Vec<Document>) -> Vec<ServiceDefinition> {
    let with = |(service, document): (&ServiceDefinition, Document)| {
        let url = service.url.clone().unwrap_or_default();
        ServiceDefinition::new(&*service.name, document).with_url(url)
    };
    services.iter().zip(documents).map(with).collect()
}

/// What is wrong, by the stage of composing in which it shows.
struct Findings<'o, 'a> {
    origins: &'o Origins<'a>,
    /// With the stage, and whether a check of ours found it.
    found: Vec<(u8, bool, LoadError)>,
}

impl Findings<'_, '_> {
    fn faults(&mut self, faults: Vec<Fault>) {
        let origins = self.origins;
        self.found.extend(faults.iter().map(|it| (stage(it.code()), true, it.located(origins))));
    }

    fn failures(&mut self, failures: Vec<Failure>) {
        let origins = self.origins;
        self.found.extend(failures.iter().map(|it| (it.stage(), false, it.located(origins))));
    }

    /// A graph by itself. What is no schema of GraphQL is not judged further.
    fn look_at(&mut self, service: &ServiceDefinition, graph: &Graph<'_>) {
        let mut failures = alone(service);
        // The checks judge the first better; whether a label matters depends on the other graphs.
        const LATER: [&str; 2] = ["EXTERNAL_UNUSED", "OVERRIDE_LABEL_INVALID"];
        failures.retain(|it| !it.code.as_deref().is_some_and(|it| LATER.contains(&it)));
        let is_invalid = |it: &Failure| it.code.as_deref() == Some(checks::INVALID_GRAPHQL);
        let invalid = match failures.iter().any(is_invalid) {
            true => Vec::new(),
            false => checks::invalid_types(graph),
        };
        let mut faults = checks::of_each(graph);
        if failures.iter().any(is_invalid) {
            failures.retain(is_invalid);
            faults.clear();
        } else if !invalid.is_empty() {
            (failures, faults) = (Vec::new(), invalid);
        }
        checks::prefer(&faults, &mut failures);
        self.faults(faults);
        self.failures(failures);
        self.found.iter_mut().for_each(|(stage, ..)| *stage = 0);
    }

    /// Later stages may stumble over what an earlier one found: the first that found something is told.
    fn end_stage(&mut self) -> Result<(), Vec<LoadError>> {
        let Some(first) = self.found.iter().map(|(stage, ..)| *stage).min() else { return Ok(()) };
        self.found.retain(|(stage, ..)| *stage == first);
        let found = std::mem::take(&mut self.found);
        let same = |one: &LoadError, other: &LoadError| {
            one.coordinate.is_some() && one.coordinate == other.coordinate && one.rule == other.rule
        };
        // Of what both found, the check's finding is told; and what differs in kind differs in everything.
        let is_told = |error: &LoadError, is_own: bool| {
            !found.iter().any(|(_, other_is_own, other)| {
                let is_kind = other.rule == "TYPE_KIND_MISMATCH" && error.rule != other.rule;
                (*other_is_own && !is_own && same(other, error))
                    || (is_kind && other.coordinate == error.coordinate)
            })
        };
        let told = found.iter().filter(|(_, is_own, error)| is_told(error, *is_own));
        Err(told.map(|(.., error)| error.clone()).collect())
    }
}

/// When the reference looks at what a code stands for: at graphs beside each other, at the merged fields, at the
/// merged types, at what clients see of them, and at what plans can reach.
fn stage(code: &str) -> u8 {
    match code {
        "INTERFACE_FIELD_NO_IMPLEM" | "REQUIRES_INVALID_FIELDS" | "MISSING_TRANSITIVE_AUTH_REQUIREMENTS" => 2,
        checks::INVALID_GRAPHQL => 3,
        "SATISFIABILITY_ERROR" | "SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES" => 5,
        it if it.contains("INACCESSIBLE") => 4,
        _ => 1,
    }
}

/// An error of the composer.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) code: Option<String>,
    pub(super) message: String,
}

impl Failure {
    fn is_satisfiability(&self) -> bool {
        self.code.as_deref() == Some("SATISFIABILITY_ERROR")
    }

    fn stage(&self) -> u8 {
        stage(self.code.as_deref().unwrap_or_default())
    }

    fn located(&self, origins: &Origins<'_>) -> LoadError {
        let mut error = origins.composer_error(self.code.as_deref(), &self.message);
        if self.is_satisfiability() {
            if let Some(at) = self.coordinates().find(|it| is_of_root(it)) {
                error.message.push_str(&format!(
                    " ({at} is asked for below a field that leads back to a root type, which is not supported yet \
                     where several graphs have fields of it)"
                ));
            }
            error.message.push_str(" (`supergraph.lenient: true` serves the graph all the same)");
        }
        error
    }

    /// What can be reached by no plan: the fields that the reasons name.
    pub(super) fn coordinates(&self) -> impl Iterator<Item = String> {
        let reasons = self.message.split_once("because:").map_or("", |(_, reasons)| reasons);
        let quoted = reasons.split('"').skip(1).step_by(2).filter(|it| it.contains('.'));
        quoted.filter(|it| it.split('.').all(is_name)).map(str::to_owned)
    }

    /// The query and the first reason; the others say the same of other graphs.
    pub(super) fn as_note(&self) -> String {
        let between = |from: &str, to: &str| {
            let (_, rest) = self.message.split_once(from)?;
            let part = rest.split(to).next()?;
            Some(part.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        let query = between("query:", "cannot be satisfied").unwrap_or_default();
        let reason = between("because:", ".\n").unwrap_or_default();
        let reason = reason.trim_matches(['-', ' ', '.']);
        format!("{query} is out of reach ({reason}): what cannot be fetched answers null with an error")
    }
}

/// Whether a field is one of a root type, as the composer calls those. At the root itself each is in reach.
fn is_of_root(coordinate: &str) -> bool {
    ["Query.", "Mutation.", "Subscription."].iter().any(|it| coordinate.starts_with(it))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
}

fn failure(code: Option<&str>, message: impl Into<String>) -> Failure {
    Failure { code: code.map(str::to_owned), message: message.into() }
}

fn panicked(graph: &str) -> Vec<Failure> {
    vec![failure(Some("COMPOSER_PANIC"), format!("[{graph}] the composer could not cope with this graph"))]
}

/// Blames the graph without which the composer copes with the others.
fn panicked_over(services: &[ServiceDefinition], options: &InternalOptions) -> Vec<Failure> {
    let is_to_blame = |index: &usize| {
        let mut others = services.to_vec();
        others.remove(*index);
        catch_unwind(AssertUnwindSafe(|| compose_services(&others, Some(options)))).is_ok()
    };
    match (0..services.len()).find(is_to_blame) {
        Some(index) => panicked(&services[index].name),
        None => vec![failure(Some("COMPOSER_PANIC"), "the composer could not cope with these graphs")],
    }
}

/// What the composer says of one graph.
fn alone(service: &ServiceDefinition) -> Vec<Failure> {
    match catch_unwind(AssertUnwindSafe(|| validate_subgraph(service))) {
        Err(_) => panicked(&service.name),
        Ok(Err(error)) => vec![failure(None, format!("[{}] {}", service.name, error.message()))],
        Ok(Ok(errors)) => errors.iter().map(|it| failure(it.code(), &*it.message)).collect(),
    }
}

/// Runs the composer without the rules that the checks replace, and some more. (Which rules there are is no part
/// of its public API.)
fn run(services: &[ServiceDefinition], without: &[&str]) -> Result<String, Vec<Failure>> {
    let off = REPLACED_RULES.iter().chain(without).map(|it| (*it).to_owned());
    let options = InternalOptions { disable_validation_rules: Some(off.collect()) };
    match catch_unwind(AssertUnwindSafe(|| compose_services(services, Some(&options)))) {
        Err(_) => Err(panicked_over(services, &options)),
        Ok(Ok(CompositionResult::Success(it))) => Ok(it.supergraph_sdl().to_owned()),
        Ok(Ok(CompositionResult::Failure(it))) => {
            let failures: Vec<Failure> =
                it.errors().iter().map(|it| failure(it.code(), &*it.message)).collect();
            Err(failures)
        }
        Ok(Err(error)) => Err(vec![failure(None, error.message())]),
    }
}

/// Coordinates of fields that some operation asks for in vain.
pub(super) fn coordinates(failures: &[Failure]) -> BTreeSet<String> {
    failures.iter().flat_map(Failure::coordinates).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_composer_names_the_graph() {
        let mut origins = Origins::default();
        origins.add("a", None, "type Query { a: Int }");
        let told: Vec<String> = panicked("a").iter().map(|it| it.located(&origins).to_string()).collect();
        assert_eq!(told, ["COMPOSER_PANIC: graph \"a\": the composer could not cope with this graph"]);
    }
}
