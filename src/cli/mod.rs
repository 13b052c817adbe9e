//! The command line: arguments in, exit code out.
//!
//! Finds and reads the configuration, says what is wrong with it, and hands it over. What serving means
//! is `server`'s; what keys mean is `config`'s.

mod arguments;
mod graphs;
mod serve;

use crate::{
    config::{Config, Environment, Report},
    federation::Schemas,
    server::TlsOptions,
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
        Some(Command::Config(ConfigCommand::Validate { file })) => validate(file, &environment),
    }
}

/// Help and version go to stdout with 0, complaints to stderr with [`USAGE`].
fn answer(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell when the output is closed.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { USAGE } else { 0 })
}

fn run_serve(options: &ServeOptions, environment: &Environment) -> ExitCode {
    let Some(file) = find_file(options.config.clone(), environment) else {
        complain(NO_FILE);
        return ExitCode::from(BAD_CONFIGURATION);
    };
    match Config::load_file(&file, environment, &options.overrides()) {
        Ok(config) => serve::serve(&config),
        Err(report) => {
            complain_about(&report);
            ExitCode::from(BAD_CONFIGURATION)
        }
    }
}

fn validate(file: Option<PathBuf>, environment: &Environment) -> ExitCode {
    let Some(file) = find_file(file, environment) else {
        complain(NO_FILE);
        return ExitCode::from(FINDINGS);
    };
    match Config::load_file(&file, environment, &Default::default()) {
        Ok(config) => validate_graph(&config, &file),
        Err(report) => {
            complain_about(&report);
            ExitCode::from(FINDINGS)
        }
    }
}

/// The rest of what `serve` would refuse: graphs that do not compose, event graphs against the rules, certificates
/// that are none.
fn validate_graph(config: &Config, file: &Path) -> ExitCode {
    let loaded = config.options().map_err(|it| it.to_string());
    let tls = loaded.as_ref().ok().and_then(|it| it.tls.as_ref());
    if let Some(Err(finding)) = tls.map(TlsOptions::check) {
        complain(format_args!("tls.server: {finding}"));
        return ExitCode::from(FINDINGS);
    }
    let loaded = loaded.and_then(|it| Schemas::load(&it.graphs).map_err(|it| it.to_string()));
    let schemas = match loaded {
        Ok(schemas) => schemas,
        Err(findings) => {
            complain(format_args!("{findings}\n\njuga: the graph cannot be loaded"));
            return ExitCode::from(FINDINGS);
        }
    };
    for note in config.notes.iter().cloned().chain(schemas.notes()) {
        complain(format_args!("note: {note}"));
    }
    let _ = writeln!(std::io::stdout(), "{}: valid", file.display());
    ExitCode::SUCCESS
}

const NO_FILE: &str = "\
no configuration: there is neither `juga.yaml` nor `config.yaml` in this folder
  help: name one with `juga -c FILE` or CONFIG_PATH; the smallest has two lines:

    supergraph:
      file: supergraph.graphql";

/// The file that was named, or CONFIG_PATH's, or the first default that is there.
fn find_file(named: Option<PathBuf>, environment: &Environment) -> Option<PathBuf> {
    let by_variable = || environment.variable("CONFIG_PATH").map(PathBuf::from);
    let is_there = |it: &&Path| environment.current_folder.join(it).is_file();
    let by_default = || DEFAULT_FILES.iter().map(Path::new).find(is_there).map(Path::to_path_buf);
    named.or_else(by_variable).or_else(by_default)
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
