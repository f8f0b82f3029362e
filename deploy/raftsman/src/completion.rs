//! `raftsman completion`: a completion script on standard output.

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Flags of `raftsman completion`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The shell to write for
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    clap_complete::generate(arguments.shell, &mut crate::Arguments::command(), "raftsman", &mut std::io::stdout());
    Ok(())
}
