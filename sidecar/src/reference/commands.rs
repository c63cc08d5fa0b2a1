//! The commands as a page, from the command line's own help.

use clap::CommandFactory as _;

use crate::cli::Cli;

/// Every command with its help.
pub fn commands() -> String {
    let mut page = String::from(
        "# Commands of mcp-auth\n\n<!-- Made by `make docs` from the command line's own help. -->\n",
    );
    // What the help says must not depend on the terminal that it is made in.
    let mut root = Cli::command().term_width(100).disable_help_subcommand(true);
    root.build();
    write(&mut page, &mut root);
    page
}

fn write(page: &mut String, command: &mut clap::Command) {
    let name = command.get_bin_name().unwrap_or("mcp-auth").to_owned();
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    page.push_str(&format!("\n## {name}\n\n```text\n{}\n```\n", help.join("\n").trim_end()));
    for inner in command.get_subcommands_mut().filter(|inner| !inner.is_hide_set()) {
        write(page, inner);
    }
}
