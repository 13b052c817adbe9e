//! Which types clients do not see, whichever graph says so: what an event graph says of its own types is not
//! all that there is to know about them.

use super::super::{
    graphs::Graphs,
    links::Names,
    sdl::{self, Sdl},
};
use std::collections::BTreeSet;

/// Names of object types.
pub(in crate::federation) type Hidden = BTreeSet<String>;

/// The object types that some graph makes `@inaccessible`. Graphs that cannot be read are others' to report.
pub(in crate::federation) fn hidden_types(graphs: &Graphs) -> Hidden {
    let subgraphs = graphs.subgraphs.iter().map(|it| &it.sdl);
    let events = graphs.event_graphs.iter().map(|it| &it.sdl);
    let all = subgraphs.chain(events).chain(graphs.supergraph.as_ref().map(|it| &it.sdl));
    // Most graphs hide nothing, and need not be read once more.
    all.filter(|it| it.contains("inaccessible")).flat_map(|it| hidden_by(it)).collect()
}

fn hidden_by(sdl: &str) -> Vec<String> {
    let Ok(document) = sdl::read(sdl) else { return Vec::new() };
    let names = Names::of(&document).of_directive("inaccessible");
    let objects = Sdl::of(&document).objects;
    let hidden = objects.iter().filter(|it| names.iter().any(|name| it.has_directive(name)));
    hidden.map(|it| it.name.to_owned()).collect()
}
