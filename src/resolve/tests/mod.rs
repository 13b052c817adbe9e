//! Stories about plans being carried out, told against scripted subgraphs.

mod events;
mod support;
