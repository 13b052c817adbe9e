//! The `juga` binary: arguments in, exit code out.

use std::{
    io::{Write, stderr},
    process::ExitCode,
};

fn main() -> ExitCode {
    juga::cli::run(std::env::args_os(), |config| {
        let _ = writeln!(stderr(), "{}: valid, but this build cannot serve yet", config.file.display());
        ExitCode::FAILURE
    })
}
