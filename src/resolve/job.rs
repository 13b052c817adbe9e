//! One plan being carried out: walks the steps and brings their results together in one document.
//!
//! All steps of a job run within one task; what runs in parallel takes turns at the document, and holds
//! it only between two waits. Errors come back in the plan's order, however the answers come in.

use super::{
    Brokers, ErrorMode, FetchAnswer, FetchError, SubgraphHeaders,
    answer::{Answer, Place, Scene, Teller, Whereabouts},
    broker,
    counters::{Counters, count},
    errors::Errors,
    fetch::{Call, Dispatcher, EntityList, Errand},
    lacking::Lacking,
    paths,
    represent::{Recipe, Representations},
    rewrite,
};
use crate::{
    graphql::{
        self, Variables,
        json::{Document, Kind, NodeId},
    },
    plan::{
        AskedField, BatchAlias, BatchFetch, BrokerCall, EntityFetch, Operation, PathSegment, Rewrite,
        RootFetch, Step, SubgraphRequest,
    },
};
use futures_util::future::join_all;
use std::{
    collections::{HashMap, HashSet},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub(super) struct Job<'a> {
    pub(super) dispatcher: &'a Arc<Dispatcher>,
    pub(super) brokers: &'a dyn Brokers,
    pub(super) counters: &'a Counters,
    pub(super) operation: &'a Operation,
    pub(super) variables: &'a Variables,
    pub(super) errand: Errand<'a>,
    /// Never contended: one task holds it, never across a wait.
    pub(super) document: Mutex<Document>,
    pub(super) root: NodeId,
    /// Headers of subgraphs' answers, as they came in.
    pub(super) headers: Mutex<Vec<SubgraphHeaders>>,
    /// What could not be asked for.
    pub(super) lacking: Mutex<Lacking>,
}

/// Representations of one variable and the parts of the answer that complete them.
struct Completion<'a> {
    representations: &'a Representations,
    /// The response key of the entities: `_entities`, or a batch's alias.
    key: &'a str,
    paths: Vec<&'a [PathSegment]>,
    output_rewrites: &'a [Rewrite],
}

type StepFuture<'f> = Pin<Box<dyn Future<Output = Errors> + Send + 'f>>;

impl Job<'_> {
    pub(super) fn into_parts(self) -> (Document, Vec<SubgraphHeaders>, Lacking) {
        let document = self.document.into_inner().unwrap_or_else(PoisonError::into_inner);
        let headers = self.headers.into_inner().unwrap_or_else(PoisonError::into_inner);
        (document, headers, self.lacking.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn run<'f>(&'f self, step: &'f Step) -> StepFuture<'f> {
        match step {
            Step::Sequence(steps) => Box::pin(async move {
                let mut errors = Errors::default();
                for step in steps {
                    errors.append(self.run(step).await);
                }
                errors
            }),
            Step::Parallel(steps) => Box::pin(async move {
                let mut errors = Errors::default();
                let done = join_all(steps.iter().map(|it| self.run(it))).await;
                done.into_iter().for_each(|it| errors.append(it));
                errors
            }),
            Step::Condition { variable, then, otherwise } => {
                let chosen = if self.variables.is_true(variable) { then } else { otherwise };
                match chosen {
                    Some(step) => self.run(step),
                    None => Box::pin(std::future::ready(Errors::default())),
                }
            }
            Step::Fetch(fetch) => Box::pin(self.fetch_roots(fetch)),
            Step::Entities(fetch) => Box::pin(self.fetch_entities(fetch)),
            Step::Batch(fetch) => Box::pin(self.fetch_batch(fetch)),
            Step::Broker(call) => Box::pin(self.call_broker(call)),
        }
    }

    async fn fetch_roots(&self, fetch: &RootFetch) -> Errors {
        let mut targets = Vec::new();
        paths::targets(&self.document(), self.root, &fetch.path, &mut targets);
        if targets.is_empty() {
            return Errors::default();
        }
        let answer = self.send(&fetch.request, &[]).await;
        let mut document = self.document();
        let read = answer.and_then(|it| Answer::read(&mut document, it));
        if let Ok(Answer { data: Some(data), .. }) = read {
            rewrite::apply(&mut document, data, &fetch.output_rewrites);
            merge_into_all(&mut document, &targets, data);
        }
        self.errors_of(&document, &fetch.request, read, || {
            let places = locate(&document, self.root, [&fetch.path[..]], &targets);
            let paths = targets.iter().filter_map(|it| places.get(it).cloned());
            let mut whereabouts = Whereabouts::of_roots(paths);
            whereabouts.renamed_by(&fetch.output_rewrites);
            whereabouts
        })
    }

    async fn fetch_entities(&self, fetch: &EntityFetch) -> Errors {
        let recipe = Recipe { requires: &fetch.requires, input_rewrites: &fetch.input_rewrites };
        let path = [&fetch.path[..]];
        let representations = Representations::gather(&mut self.document(), self.root, path, recipe);
        self.note_lacking(&fetch.request, &representations, &fetch.fields);
        if representations.is_empty() {
            return Errors::default();
        }
        let completion = Completion {
            representations: &representations,
            key: "_entities",
            paths: path.to_vec(),
            output_rewrites: &fetch.output_rewrites,
        };
        let list = entity_list("representations", &representations);
        self.complete(&fetch.request, &[list], &[completion]).await
    }

    async fn fetch_batch(&self, fetch: &BatchFetch) -> Errors {
        let lists = self.gather_batch(&fetch.aliases);
        let of = |alias: &BatchAlias| {
            let found = lists.iter().find(|(name, _)| **name == *alias.representations_variable);
            found.map(|(_, it)| it).expect("gathered for every alias")
        };
        fetch.aliases.iter().for_each(|it| self.note_lacking(&fetch.request, of(it), &it.fields));
        if lists.iter().all(|(_, it)| it.is_empty()) {
            return Errors::default();
        }
        let completions = fetch.aliases.iter().map(|alias| Completion {
            representations: of(alias),
            key: &alias.alias,
            paths: alias.paths.iter().map(|it| &it[..]).collect(),
            output_rewrites: &alias.output_rewrites,
        });
        let completions: Vec<_> = completions.collect();
        let lists: Vec<_> = lists.iter().map(|(name, it)| entity_list(name, it)).collect();
        self.complete(&fetch.request, &lists, &completions).await
    }

    /// Representations by variable, each gathered once.
    fn gather_batch<'f>(&self, aliases: &'f [BatchAlias]) -> Vec<(&'f str, Representations)> {
        let mut document = self.document();
        let mut lists: Vec<(&str, Representations)> = Vec::with_capacity(aliases.len());
        for alias in aliases {
            let variable = &*alias.representations_variable;
            if lists.iter().any(|(name, _)| *name == variable) {
                continue;
            }
            let recipe = Recipe { requires: &alias.requires, input_rewrites: &alias.input_rewrites };
            let paths = alias.paths.iter().map(|it| &it[..]);
            lists.push((variable, Representations::gather(&mut document, self.root, paths, recipe)));
        }
        lists
    }

    /// Keeps in mind which fields cannot be asked for.
    fn note_lacking(
        &self,
        request: &SubgraphRequest,
        representations: &Representations,
        fields: &[AskedField],
    ) {
        if representations.missing.is_empty() {
            return;
        }
        let is_hidden = self.dispatcher.errors().mode == ErrorMode::Hidden;
        let subgraph = self.counters.name(request.subgraph);
        let mut lacking = self.lacking.lock().unwrap_or_else(PoisonError::into_inner);
        lacking.note(&self.document(), representations, fields, (!is_hidden).then_some(subgraph));
    }

    /// Sends representations and merges the entities that come back.
    async fn complete(
        &self,
        request: &SubgraphRequest,
        lists: &[EntityList<'_>],
        completions: &[Completion<'_>],
    ) -> Errors {
        let answer = self.send(request, lists).await;
        let mut document = self.document();
        let read = answer.and_then(|it| {
            let answer = Answer::read(&mut document, it)?;
            if let Some(data) = answer.data {
                for it in completions {
                    it.merge(&mut document, data, answer.has_errors())?;
                }
            }
            Ok(answer)
        });
        self.errors_of(&document, request, read, || whereabouts(&document, self.root, completions))
    }

    /// Sends one request and notes the headers of the answer.
    async fn send(
        &self,
        request: &SubgraphRequest,
        lists: &[EntityList<'_>],
    ) -> Result<FetchAnswer, FetchError> {
        self.look_at_files()?;
        let call = Call { request, variables: self.variables, lists, errand: self.errand };
        let answer = self.dispatcher.send(call).await?;
        let headers = SubgraphHeaders { subgraph: request.subgraph, headers: answer.headers.clone() };
        self.headers.lock().unwrap_or_else(PoisonError::into_inner).push(headers);
        Ok(answer)
    }

    /// Nothing more is sent for an operation whose files are broken: it is refused, and as far as it can still be, it
    /// has no effect.
    fn look_at_files(&self) -> Result<(), FetchError> {
        let files = self.errand.forwarded.files.as_ref();
        match files.is_some_and(|it| it.are_broken()) {
            true => Err(FetchError::Files("one of them did not arrive in full")),
            false => Ok(()),
        }
    }

    /// What a fetch has to complain about; `whereabouts` is asked only when there is something.
    fn errors_of(
        &self,
        document: &Document,
        request: &SubgraphRequest,
        read: Result<Answer, FetchError>,
        whereabouts: impl FnOnce() -> Whereabouts,
    ) -> Errors {
        let service = self.counters.subgraphs.get(usize::from(request.subgraph.0));
        let service = service.map_or("", |it| &it.name);
        let projection = &self.operation.projection;
        let teller = Teller { service, policy: self.dispatcher.errors(), document };
        let scene = Scene { teller, projection, root: self.root };
        let mut errors = Errors::default();
        match read {
            Ok(answer) if answer.has_errors() => scene.convert(&answer, &whereabouts(), &mut errors),
            Ok(_) => {}
            Err(error) => {
                count(&self.counters.fetch_errors, 1);
                scene.fail(&error, &whereabouts(), &mut errors);
            }
        }
        errors
    }

    async fn call_broker(&self, call: &BrokerCall) -> Errors {
        let policy = self.dispatcher.errors();
        let reply = match self.look_at_files() {
            Ok(()) => broker::call(self.brokers, call, self.variables, self.counters, policy).await,
            Err(error) => Err(graphql::Error::new(error.to_string())),
        };
        let mut document = self.document();
        match reply.and_then(|reply| broker::value(&mut document, call, reply)) {
            Ok(value) => {
                document.insert(self.root, &call.key, value);
                Errors::default()
            }
            Err(error) => {
                let place = [graphql::PathSegment::Key(call.key.clone())];
                let projection = &self.operation.projection;
                let mut errors = Errors::default();
                for path in paths::client_paths(projection, &document, self.root, &place, errors.room()) {
                    errors.push(error.clone().with_path(path));
                }
                errors
            }
        }
    }

    fn document(&self) -> MutexGuard<'_, Document> {
        self.document.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Completion<'_> {
    /// Merges each entity into every object that it completes.
    fn merge(&self, document: &mut Document, data: NodeId, explained: bool) -> Result<(), FetchError> {
        if self.representations.is_empty() {
            return Ok(());
        }
        let list = match document.get(data, self.key) {
            Some(list) if document.kind(list) == Kind::Array => list,
            _ if explained => return Ok(()),
            _ => return Err(FetchError::Malformed("no entities in response".to_owned())),
        };
        let entities: Vec<NodeId> = document.children(list).collect();
        if entities.len() != self.representations.len() {
            return Err(FetchError::Malformed("not as many entities as asked for".to_owned()));
        }
        let mut by_entity: Vec<Vec<NodeId>> = vec![Vec::new(); entities.len()];
        for (object, number) in &self.representations.targets {
            by_entity[*number as usize].push(*object);
        }
        for (entity, objects) in entities.into_iter().zip(by_entity) {
            if document.kind(entity) == Kind::Object {
                rewrite::apply(document, entity, self.output_rewrites);
                merge_into_all(document, &objects, entity);
            }
        }
        Ok(())
    }
}

/// Merges one value into several objects. Merging gives up its source, so all but the last get a copy.
fn merge_into_all(document: &mut Document, objects: &[NodeId], value: NodeId) {
    let Some((last, others)) = objects.split_last() else { return };
    for object in others {
        let copy = document.copy(value);
        document.merge(*object, copy);
    }
    document.merge(*last, value);
}

fn entity_list<'a>(variable: &'a str, representations: &'a Representations) -> EntityList<'a> {
    EntityList { variable, json: representations.json(), len: representations.len() }
}

fn locate<'p>(
    document: &Document,
    root: NodeId,
    paths: impl IntoIterator<Item = &'p [PathSegment]>,
    objects: &[NodeId],
) -> HashMap<NodeId, paths::Path> {
    let wanted: HashSet<NodeId> = objects.iter().copied().collect();
    let mut found = HashMap::with_capacity(wanted.len());
    for path in paths {
        paths::locate(document, root, path, &wanted, &mut found);
    }
    found
}

fn whereabouts(document: &Document, root: NodeId, completions: &[Completion<'_>]) -> Whereabouts {
    let mut all = Whereabouts::of_roots([]);
    for completion in completions {
        let targets = &completion.representations.targets;
        let objects: Vec<NodeId> = targets.iter().map(|(object, _)| *object).collect();
        let located = locate(document, root, completion.paths.iter().copied(), &objects);
        let key: Arc<str> = completion.key.into();
        for (object, number) in targets {
            if let Some(path) = located.get(object) {
                all.places.push(Place { entity: Some((key.clone(), *number)), path: path.clone() });
            }
        }
        all.renamed_by(completion.output_rewrites);
    }
    all
}
