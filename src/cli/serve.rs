//! `juga serve`: from a configuration to a running router, and to its end.

use super::BAD_CONFIGURATION;
use crate::{
    config::{Config, LogLevel},
    server::{self, Server},
    telemetry::logging::{self, Output},
};
use std::{fmt::Display, process::ExitCode};
use tracing::level_filters::LevelFilter;

/// Runs the router until the process is asked to stop.
pub(super) fn serve(config: &Config) -> ExitCode {
    let level = level(config.log_level);
    logging::start(logging::Options { level, json: config.json_log, output: Output::Stdout });
    let outcome = start_and_run(config);
    logging::finish();
    outcome
}

fn start_and_run(config: &Config) -> ExitCode {
    // A graph that is large, or comes from afar, takes a while to load; a terminal that is closed meanwhile ends nothing either.
    if let Err(error) = server::survive_hangups() {
        tracing::error!("signals cannot be watched: {error}");
        return ExitCode::FAILURE;
    }
    for note in &config.notes {
        tracing::warn!("{note}");
    }
    let options = match config.options() {
        Ok(options) => options,
        Err(error) => return refuse([error]),
    };
    let checked = match server::check(&options) {
        Ok(checked) => checked,
        Err(errors) => return refuse(errors),
    };
    match Server::start(checked) {
        Ok(server) => run(server, config),
        Err(error) if error.is_configuration() => refuse([error]),
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(server: Server, config: &Config) -> ExitCode {
    let signals = match server.watch_signals() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!("signals cannot be watched: {error}");
            return ExitCode::FAILURE;
        }
    };
    let addresses = server.addresses();
    let scheme = if config.tls.server.enabled { "https" } else { "http" };
    tracing::info!(
        graphql = format!("{scheme}://{}{}", addresses.public, config.graphql_path),
        admin = format!("http://{}", addresses.admin),
        "listening"
    );
    server.wait_for_signal(signals);
    tracing::info!("stopping");
    server.stop();
    ExitCode::SUCCESS
}

fn refuse<E: Display>(errors: impl IntoIterator<Item = E>) -> ExitCode {
    for error in errors {
        tracing::error!("{error}");
    }
    ExitCode::from(BAD_CONFIGURATION)
}

fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
