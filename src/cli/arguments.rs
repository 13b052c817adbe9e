//! The arguments as they are typed, and their help.

use crate::config::{Override, Overrides};
use clap::{Args, Parser, Subcommand};
use std::{ffi::OsString, path::PathBuf};

const EXAMPLES: &str = "\
Examples:
  juga                                  serve ./juga.yaml (or ./config.yaml)
  juga -s supergraph.graphql            serve a composed supergraph, without a configuration file
  juga -c router.yaml --dev             serve a file, for work on one's own machine
  juga -c base.yaml,production.yaml     several files; what a later one says wins
  LISTEN_ADDR=:4000 juga -c router.yaml every plain key has an environment variable
  juga config validate router.yaml      check a file in CI
  juga compose -c graphs.yaml -o supergraph.graphql
  juga plan -c router.yaml '{ deals { id } }'

Precedence: flag, environment, later file, earlier file, default.
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
    /// Compose subgraphs and event graphs into a supergraph.
    #[command(after_help = COMPOSE_EXAMPLES)]
    Compose(ComposeOptions),
    /// Show how an operation would be carried out: fetches, and for subscriptions feed and group.
    #[command(after_help = PLAN_EXAMPLES)]
    Plan(PlanOptions),
    /// Work with configuration files.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check a configuration and that the files it names are there. Starts and connects nothing.
    Validate {
        /// The file, or several with commas between them; without it, what `juga` would serve.
        #[arg(value_name = "FILE", value_delimiter = ',')]
        files: Vec<PathBuf>,
        /// As with `juga serve`.
        #[arg(short, long, value_name = "FILE")]
        supergraph: Option<String>,
    },
}

const COMPOSE_EXAMPLES: &str = "\
FILE is a configuration of Juga's, or a list of subgraphs as other composers take it:

  subgraphs:
    deals:
      routing_url: http://deals/graphql
      schema: { file: ./deals.graphqls }   # or { subgraph_url: http://deals/graphql }

Graphs without a URL whose fields have @edfs__* directives are event graphs.";

const PLAN_EXAMPLES: &str = "\
Examples:
  juga plan -c router.yaml '{ deals { id owner { name } } }'
  juga plan -c router.yaml --variables '{\"id\":1}' @subscription.graphql";

#[derive(Args, Clone, Debug)]
pub(super) struct ComposeOptions {
    /// What to compose [default: CONFIG_PATH, ./juga.yaml or ./config.yaml].
    #[arg(short, long, value_name = "FILE[,FILE…]", value_delimiter = ',')]
    pub(super) config: Vec<PathBuf>,
    /// Where the supergraph goes; `-` is stdout.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub(super) output: PathBuf,
}

#[derive(Args, Clone, Debug)]
pub(super) struct PlanOptions {
    /// What to plan against [default: CONFIG_PATH, ./juga.yaml or ./config.yaml].
    #[arg(short, long, value_name = "FILE[,FILE…]", value_delimiter = ',')]
    pub(super) config: Vec<PathBuf>,
    /// The operation, where the document has several.
    #[arg(short, long, value_name = "NAME")]
    pub(super) operation: Option<String>,
    /// Variables, a JSON object.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub(super) variables: String,
    /// JSON instead of text.
    #[arg(long)]
    pub(super) json: bool,
    /// Plan against the graph of a feature flag.
    #[arg(long, value_name = "NAME")]
    pub(super) feature_flag: Option<String>,
    /// The document, or `@FILE` to read it from one.
    pub(super) query: String,
}

#[derive(Args, Clone, Debug)]
pub(super) struct ServeOptions {
    /// Configuration files; what a later one says wins [default: CONFIG_PATH, ./juga.yaml or ./config.yaml].
    #[arg(short, long, value_name = "FILE[,FILE…]", value_delimiter = ',')]
    pub(super) config: Vec<PathBuf>,
    /// A composed supergraph (`supergraph.file`); with it, no configuration file is needed.
    #[arg(short, long, value_name = "FILE")]
    supergraph: Option<String>,
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
            ("--supergraph", "supergraph.file", &self.supergraph),
            ("--listen", "listen_addr", &self.listen),
            ("--log", "log_level", &self.log),
            ("--dev", "dev_mode", &dev),
            ("--admin-listen", "admin.listen_addr", &self.admin_listen),
        ];
        overrides(&flags)
    }
}

/// Flags that were given, as values of keys.
pub(super) fn overrides(flags: &[(&'static str, &'static str, &Option<String>)]) -> Overrides {
    let given = flags.iter().filter_map(|(flag, path, value)| {
        value.as_ref().map(|value| Override { flag, path, value: value.clone() })
    });
    Overrides(given.collect())
}

/// Cosmo's router spells its flags `-config` and `-version`; the first would otherwise read as `-c onfig`.
pub(super) fn modernise(argument: OsString) -> OsString {
    match argument.to_str() {
        Some(it @ ("-config" | "-version")) => format!("-{it}").into(),
        Some(it) if it.starts_with("-config=") => format!("-{it}").into(),
        _ => argument,
    }
}
