//! The arguments as they are typed, and their help.

use crate::config::{Override, Overrides};
use clap::{Args, Parser, Subcommand};
use std::{ffi::OsString, path::PathBuf};

const EXAMPLES: &str = "\
Examples:
  juga                                  serve ./juga.yaml (or ./config.yaml)
  juga -c router.yaml --dev             serve a file, for work on one's own machine
  LISTEN_ADDR=:4000 juga -c router.yaml every plain key has an environment variable
  juga config validate router.yaml      check a file in CI

Precedence: flag, environment, file, default.
Exit codes: 0 fine, 1 findings of a check, 2 usage, 78 bad configuration.";

/// A federated GraphQL router whose subscriptions are driven by event streams.
#[derive(Debug, Parser)]
#[command(name = "juga", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) serve: ServeOptions,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the router (also without this word).
    #[command(after_help = EXAMPLES)]
    Serve(ServeOptions),
    /// Work with configuration files.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check a configuration and that the files it names are there. Starts and connects nothing.
    Validate {
        /// The file; without it, the one that `juga` would serve.
        file: Option<PathBuf>,
    },
}

#[derive(Args, Clone, Debug)]
pub(super) struct ServeOptions {
    /// Configuration file [default: CONFIG_PATH, ./juga.yaml or ./config.yaml].
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Where clients connect, such as `0.0.0.0:3002` (`listen_addr`).
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// error, warn, info, debug or trace (`log_level`).
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
    /// Settings for work on one's own machine (`dev_mode`).
    #[arg(long)]
    dev: bool,
    /// Where operators connect, such as `127.0.0.1:8088` (`admin.listen_addr`).
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<String>,
}

impl ServeOptions {
    /// The flags as values of keys.
    pub(super) fn overrides(&self) -> Overrides {
        let dev = self.dev.then(|| "true".to_owned());
        let flags = [
            ("--listen", "listen_addr", &self.listen),
            ("--log", "log_level", &self.log),
            ("--dev", "dev_mode", &dev),
            ("--admin-listen", "admin.listen_addr", &self.admin_listen),
        ];
        let given = flags.into_iter().filter_map(|(flag, path, value)| {
            value.as_ref().map(|value| Override { flag, path, value: value.clone() })
        });
        Overrides(given.collect())
    }
}

/// Cosmo's router spells its flags `-config` and `-version`; the first would otherwise read as `-c onfig`.
pub(super) fn modernise(argument: OsString) -> OsString {
    match argument.to_str() {
        Some(it @ ("-config" | "-version")) => format!("-{it}").into(),
        Some(it) if it.starts_with("-config=") => format!("-{it}").into(),
        _ => argument,
    }
}
