//! `juga compose` and `juga plan`: what the graphs come to, without serving them.

use super::{
    FINDINGS, NO_FILE, USAGE,
    arguments::{ComposeOptions, PlanOptions},
    complain, complain_about, find_files,
};
use crate::{
    config::{Config, Environment, GraphFile, Overrides},
    federation::{Graphs, Schema},
};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Composes and writes the supergraph.
pub(super) fn compose(options: &ComposeOptions, environment: &Environment) -> ExitCode {
    let Some(Loaded { graphs, schema, .. }) = load(&options.config, None, environment) else {
        return ExitCode::from(FINDINGS);
    };
    for it in lacks(&graphs) {
        complain(format_args!("note: not in what was written: {it}"));
    }
    match write(&options.output, schema.supergraph_sdl()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("{}: cannot be written: {error}", options.output.display()));
            ExitCode::from(FINDINGS)
        }
    }
}

/// What a supergraph has no words for, and where to say it instead.
fn lacks(graphs: &Graphs) -> Vec<String> {
    let mut lacks = Vec::new();
    let names = |names: Vec<&str>| names.join("`, `");
    if !graphs.event_graphs.is_empty() {
        let them = names(graphs.event_graphs.iter().map(|it| it.name.as_str()).collect());
        lacks.push(format!(
            "where the fields of the event graphs `{them}` get their events from. Serve it with their files in \
             `supergraph.event_graphs`, and their brokers under `events.providers`"
        ));
    }
    let told: Vec<_> = graphs.subgraphs.iter().filter(|it| it.subscription.is_some()).collect();
    if !told.is_empty() {
        let them = names(told.iter().map(|it| it.name.as_str()).collect());
        lacks.push(format!("how `{them}` serve subscriptions. Say it under `overrides.subgraphs`"));
    }
    if !graphs.feature_flags.is_empty() {
        let them = names(graphs.feature_flags.keys().map(String::as_str).collect());
        lacks.push(format!("the graphs behind the feature flags `{them}`"));
    }
    lacks
}

/// Plans an operation and prints the plan.
pub(super) fn plan(options: &PlanOptions, environment: &Environment) -> ExitCode {
    let query = match options.query.strip_prefix('@') {
        None => options.query.clone(),
        Some(file) => match fs::read_to_string(environment.current_folder.join(file)) {
            Ok(query) => query,
            Err(error) => {
                complain(format_args!("{file}: cannot be read: {error}"));
                return ExitCode::from(USAGE);
            }
        },
    };
    let flag = options.feature_flag.as_deref();
    let Some(Loaded { file, schema, .. }) = load(&options.config, flag, environment) else {
        return ExitCode::from(FINDINGS);
    };
    let operation = options.operation.as_deref();
    match schema.explain(&query, operation, &options.variables, &file.limits()) {
        Ok(description) if options.json => print(&format!("{:#}\n", description.to_json())),
        Ok(description) => print(&description.to_text()),
        Err(errors) => {
            for error in errors {
                let place = error.locations.first().map(|it| format!("{}:{}: ", it.line, it.column));
                let code = error.code.map(|it| format!("{it}: "));
                let (place, code) = (place.unwrap_or_default(), code.unwrap_or_default());
                complain(format_args!("{place}{code}{}", error.message));
            }
            return ExitCode::from(FINDINGS);
        }
    }
    ExitCode::SUCCESS
}

/// A file, what it names, and what that comes to.
struct Loaded {
    file: GraphFile,
    graphs: Graphs,
    schema: Schema,
}

/// The file and its composed graph; `None` once the reasons are told.
fn load(named: &[PathBuf], flag: Option<&str>, environment: &Environment) -> Option<Loaded> {
    let files = find_files(named, environment);
    if files.is_empty() && !Config::is_graph_named(environment, &Overrides::default()) {
        complain(NO_FILE);
        return None;
    }
    let file = match GraphFile::load(&files, environment) {
        Ok(file) => file,
        Err(report) => {
            complain_about(&report);
            return None;
        }
    };
    let graphs = file.graphs().map_err(|it| it.to_string()).and_then(|it| of_flag(it, flag));
    let schema = |graphs: Graphs| match Schema::load(&graphs) {
        Ok(schema) => Ok((graphs, schema)),
        Err(errors) => Err(errors.to_string()),
    };
    match graphs.and_then(schema) {
        Ok((graphs, schema)) => {
            for note in file.notes().iter().chain(schema.notes()) {
                complain(format_args!("note: {note}"));
            }
            Some(Loaded { file, graphs, schema })
        }
        Err(findings) => {
            complain(format_args!("{findings}\n\njuga: the graph cannot be loaded"));
            None
        }
    }
}

fn of_flag(mut graphs: Graphs, flag: Option<&str>) -> Result<Graphs, String> {
    let Some(flag) = flag else { return Ok(graphs) };
    graphs.feature_flags.remove(flag).ok_or_else(|| format!("there is no feature flag \"{flag}\""))
}

fn write(output: &Path, text: &str) -> io::Result<()> {
    if output == Path::new("-") {
        return io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().write_all(b"\n"));
    }
    fs::write(output, format!("{text}\n"))
}

fn print(text: &str) {
    // Nobody is left to tell when the output is closed.
    let _ = io::stdout().write_all(text.as_bytes());
}
