//! Event graphs: SDL whose root fields no server answers, but a broker.
//!
//! [`read`] checks such a graph against its rules, takes out what it says about brokers as
//! [`Binding`]s, and leaves plain federation SDL for the composer.

mod bind;
mod definitions;
mod filter;
mod hidden;
mod rules;
mod strip;
mod vocabulary;

pub(super) use bind::is_event_directive;
pub(super) use filter::DIRECTIVE as FILTER;
pub(super) use hidden::hidden_types;
pub(super) use rules::{PUBLISH_RESULT, selection_of};
pub(super) use strip::lower_link;
pub(super) use vocabulary::{WITHOUT_EFFECT, check_elsewhere, unknown_directives};

use super::{
    directives::applied,
    errors::LoadError,
    graphs::EventGraphSource,
    origins::syntax_error,
    places::Places,
    protection::{of_graph, unenforced},
    sdl::{self, Sdl},
};
use crate::plan::{
    BrokerOperation, LabelTemplates, OperationKind, ProviderId, ProviderKind, RuleTemplate, StreamOptions,
    Template,
};
use federation_composition::graphql_core::Document;
use hidden::Hidden;
use std::{path::PathBuf, sync::Arc};

/// An event graph, taken apart.
pub(super) struct EventGraph {
    pub(super) name: Arc<str>,
    pub(super) file: Option<PathBuf>,
    /// As it was written.
    pub(super) sdl: String,
    /// Plain federation SDL.
    pub(super) document: Document,
    pub(super) bindings: Vec<Binding>,
    /// Where it asks for protection that is not given.
    pub(super) unenforced: Vec<LoadError>,
    /// What was changed on the way, for the log.
    pub(super) notes: Vec<String>,
}

/// What an event graph says about one root field.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) graph: Arc<str>,
    pub(super) root: OperationKind,
    pub(super) field: Arc<str>,
    /// The directive's name, for messages.
    pub(super) directive: &'static str,
    pub(super) kind: ProviderKind,
    pub(super) provider: ProviderId,
    pub(super) action: Action,
    /// Object types of this graph that an event or answer may have.
    pub(super) possible: Vec<Arc<str>>,
    pub(super) is_abstract: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Action {
    Subscribe { destinations: Vec<Template>, stream: Option<StreamOptions>, rule: Option<RuleTemplate> },
    Call { operation: BrokerOperation, destination: Template, labels: LabelTemplates },
}

/// Whether a directive or type belongs to the event directives: Cosmo's, or those that only this router has.
fn is_ours(name: &str) -> bool {
    ["edfs__", "openfed__", "feed__"].iter().any(|it| name.starts_with(it))
}

/// What was found in one graph: errors, with places filled in, and what is no error but worth telling.
struct Findings<'a> {
    graph: &'a EventGraphSource,
    places: Places,
    errors: Vec<LoadError>,
    notes: Vec<String>,
}

impl Findings<'_> {
    fn add(&mut self, rule: &str, coordinate: impl Into<String>, message: impl Into<String>) {
        let coordinate = coordinate.into();
        let place = self.places.find(&coordinate);
        let mut error =
            LoadError::new(rule, message).at(coordinate).in_graph(&self.graph.name, self.graph.file.as_ref());
        (error.line, error.column) = place.unzip();
        self.errors.push(error);
    }

    fn note(&mut self, coordinate: &str, message: impl std::fmt::Display) {
        self.notes.push(format!("graph \"{}\": {coordinate}: {message}", self.graph.name));
    }
}

/// Reads and checks one event graph. `hidden` are types that clients do not see.
pub(super) fn read(source: &EventGraphSource, hidden: &Hidden) -> Result<EventGraph, Vec<LoadError>> {
    let document = sdl::read(&source.sdl)
        .map_err(|message| vec![syntax_error(&source.name, source.file.as_ref(), &source.sdl, &message)])?;
    let places = Places::of(&source.sdl);
    let mut findings = Findings { graph: source, places, errors: Vec::new(), notes: Vec::new() };
    let (sdl, directives) = (Sdl::of(&document), applied(&document, &source.sdl));
    let of_this = |errors| of_graph(errors, &source.name, source.file.as_ref());
    findings.errors.extend(of_this(vocabulary::check(&document, &sdl, &directives)));
    definitions::check(&document, &directives, &mut findings);
    rules::check(&sdl, &mut findings);
    let name: Arc<str> = source.name.as_str().into();
    let bindings = bind::bindings(&name, &sdl, hidden, &mut findings);
    if !findings.errors.is_empty() {
        return Err(findings.errors);
    }
    let unenforced = of_this(unenforced(&document, &directives));
    let (document, mut notes) = strip::strip(&source.name, &document);
    notes.append(&mut findings.notes);
    let (file, sdl) = (source.file.clone(), source.sdl.clone());
    Ok(EventGraph { name, file, sdl, document, bindings, unenforced, notes })
}
