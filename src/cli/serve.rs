//! `juga serve`: from a configuration to a running router, and to its end.

use super::BAD_CONFIGURATION;
use crate::{
    config::{Config, LogLevel},
    server::Server,
};
use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};
use tracing::Level;

/// Runs the router until the process is asked to stop.
pub(super) fn serve(config: &Config) -> ExitCode {
    start_log(config);
    for note in &config.notes {
        tracing::warn!("{note}");
    }
    let options = match config.options() {
        Ok(options) => options,
        Err(error) => return refuse(&error),
    };
    match Server::start(options) {
        Ok(server) => run(server, config),
        Err(error) if error.is_configuration() => refuse(&error),
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

fn refuse(error: &dyn std::error::Error) -> ExitCode {
    tracing::error!("{error}");
    ExitCode::from(BAD_CONFIGURATION)
}

/// Logs go to stdout: readable on a terminal, JSON lines for collectors.
fn start_log(config: &Config) {
    let builder = tracing_subscriber::fmt().with_max_level(level(config.log_level)).with_writer(io::stdout);
    let started = if config.json_log {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_target(false).with_ansi(io::stdout().is_terminal()).try_init()
    };
    // A program that has the router as a library may have started a log of its own.
    drop(started);
}

fn level(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    }
}
