//! The command line: arguments in, exit code out.
//!
//! Finds and reads the configuration, says what is wrong with it, and hands it over. What serving means
//! is `server`'s; what keys mean is `config`'s.

mod arguments;
mod graphs;
mod serve;

use crate::{
    config::{Config, Environment, Overrides, Report},
    server::{self, StartError},
};
use arguments::{Arguments, Command, ConfigCommand, ServeOptions};
use clap::Parser;
use std::{
    ffi::OsString,
    fmt::Display,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Exit code when a check found something.
pub const FINDINGS: u8 = 1;
/// Exit code for arguments that make no sense.
pub const USAGE: u8 = 2;
/// Exit code when `serve` cannot use its configuration (`EX_CONFIG`).
pub const BAD_CONFIGURATION: u8 = 78;

/// Looked for, in this order, when no configuration is named.
const DEFAULT_FILES: [&str; 2] = ["juga.yaml", "config.yaml"];

/// Carries out one command line, the program's name included.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments.map(arguments::modernise)) {
        Ok(arguments) => arguments,
        Err(error) => return answer(&error),
    };
    let environment = Environment::of_process();
    match arguments.command {
        None => run_serve(&arguments.serve, &environment),
        Some(Command::Serve(options)) => run_serve(&options, &environment),
        Some(Command::Compose(options)) => graphs::compose(&options, &environment),
        Some(Command::Plan(options)) => graphs::plan(&options, &environment),
        Some(Command::Config(ConfigCommand::Validate { files, supergraph })) => {
            validate(&files, &supergraph, &environment)
        }
    }
}

/// Help and version go to stdout with 0, complaints to stderr with [`USAGE`].
fn answer(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell when the output is closed.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { USAGE } else { 0 })
}

fn run_serve(options: &ServeOptions, environment: &Environment) -> ExitCode {
    match load(&options.config, environment, &options.overrides()) {
        Some((config, _)) => serve::serve(&config),
        None => ExitCode::from(BAD_CONFIGURATION),
    }
}

fn validate(files: &[PathBuf], supergraph: &Option<String>, environment: &Environment) -> ExitCode {
    let overrides = arguments::overrides(&[("--supergraph", "supergraph.file", supergraph)]);
    match load(files, environment, &overrides) {
        Some((config, files)) => validate_start(&config, &files),
        None => ExitCode::from(FINDINGS),
    }
}

/// The configuration and its files; `None` once the reasons are told.
fn load(
    named: &[PathBuf],
    environment: &Environment,
    overrides: &Overrides,
) -> Option<(Config, Vec<PathBuf>)> {
    let files = find_files(named, environment);
    if files.is_empty() && !Config::is_graph_named(environment, overrides) {
        complain(NO_FILE);
        return None;
    }
    let loaded = Config::load_files(&files, environment, overrides);
    loaded.map_err(|it| complain_about(&it)).ok().map(|it| (it, files))
}

/// The rest of what `serve` would refuse: graphs that do not compose, event graphs against the rules, files of TLS
/// that hold something else, providers that are missing.
fn validate_start(config: &Config, files: &[PathBuf]) -> ExitCode {
    let checked = config.options().map_err(|it| vec![it.to_string()]);
    let words = |errors: Vec<StartError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    let checked = checked.and_then(|it| server::check(&it).map_err(words));
    let checked = match checked {
        Ok(checked) => checked,
        Err(errors) => {
            complain(format_args!("{}\n\njuga: the router would not start", errors.join("\n")));
            return ExitCode::from(FINDINGS);
        }
    };
    for note in config.notes.iter().chain(checked.notes()) {
        complain(format_args!("note: {note}"));
    }
    let names: Vec<_> = files.iter().map(|it| it.display().to_string()).collect();
    let subject = if names.is_empty() { "the environment".to_owned() } else { names.join(", ") };
    let _ = writeln!(std::io::stdout(), "{subject}: valid");
    ExitCode::SUCCESS
}

const NO_FILE: &str = "\
no configuration: there is neither `juga.yaml` nor `config.yaml` in this folder
  help: name one with `juga -c FILE` or CONFIG_PATH, or a composed supergraph with `juga -s FILE`; the smallest file
  has two lines:

    supergraph:
      file: supergraph.graphql";

/// The files that were named, or CONFIG_PATH's, or the first default that is there.
fn find_files(named: &[PathBuf], environment: &Environment) -> Vec<PathBuf> {
    let given = |it: &&str| !it.is_empty();
    let by_variable = environment.variable("CONFIG_PATH").unwrap_or_default();
    let by_variable: Vec<PathBuf> =
        by_variable.split(',').map(str::trim).filter(given).map(PathBuf::from).collect();
    let is_there = |it: &&Path| environment.current_folder.join(it).is_file();
    let by_default = || DEFAULT_FILES.iter().map(Path::new).find(is_there).map(Path::to_path_buf);
    match (named, &by_variable[..]) {
        ([], []) => by_default().into_iter().collect(),
        ([], _) => by_variable,
        _ => named.to_vec(),
    }
}

fn complain_about(report: &Report) {
    complain(report.to_string().trim_end());
    let count = report.findings.len();
    let problems = if count == 1 { "problem" } else { "problems" };
    complain(format_args!("\njuga: {count} {problems} in the configuration"));
}

fn complain(message: impl Display) {
    let _ = writeln!(std::io::stderr(), "{message}");
}
