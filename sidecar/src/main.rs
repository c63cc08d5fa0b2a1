//! The binary `mcp-auth`: reads the command line, and turns outcomes into exit codes.

use std::{
    alloc::System,
    env,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use anyhow::Context;
use clap::Parser;
use mcp_auth::{
    cli::{Cli, Command, ConfigCommand, ExplainArgs, SetupArgs},
    commands::{
        self,
        explain::Explained,
        filter_check::Checked,
        keys::NotDone,
        secrets::NotMade,
        setup::{Printed, Stopped},
    },
    config::{
        Config, Refused,
        raw::{Flags, RawConfig},
    },
    memory, reference,
    secret::Secret,
    serve,
    telemetry::{self, LogFormat},
};
use tokio::signal::unix::{SignalKind, signal};
use zeroizing_alloc::ZeroAlloc;

/// Wipes whatever is freed: a code or a token lies in buffers of many libraries on its way.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// Wrong usage, and a variable that is missing, bad or contradictory.
const USAGE: u8 = 2;
/// `explain` tells of a request that the filter refuses.
const REFUSED: u8 = 3;

fn main() -> ExitCode {
    if variable(memory::ALLOW_CORE_DUMPS).as_deref() != Some("1")
        && let Err(why) = memory::seclude()
    {
        complain(&format!("core dumps cannot be turned off: {why}"));
        return ExitCode::FAILURE;
    }
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(failure) => {
            complain(&format!("{failure:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(flags) => match configured(*flags) {
            Ok((config, given)) => serve(config, given).map(|()| ExitCode::SUCCESS),
            Err(why) => Ok(refused(&why)),
        },
        Command::Config(ConfigCommand::Check(args)) => match args.filter {
            Some(path) => match commands::filter_check::check(&path) {
                Ok(Checked { report, remarks }) => {
                    remarks.iter().for_each(|remark| complain(remark));
                    print(&report)
                }
                Err(why) => Ok(refused(&why.to_string())),
            },
            None => match configured(args.flags) {
                Ok((config, _)) => print(&commands::config_check::describe(&config)),
                Err(why) => Ok(refused(&why)),
            },
        },
        Command::Health(args) => print(&runtime()?.block_on(commands::health::run(&args))?),
        Command::Config(ConfigCommand::Schema) => print(&reference::filter_schema()),
        Command::Explain(args) => explain(&args),
        Command::Secrets(command) => {
            match runtime()?.block_on(commands::secrets::run(&command, variable)) {
                Err(NotMade::Usage(why)) => Ok(refused(&why)),
                made => print(&made?),
            }
        }
        Command::Keys(args) => match token() {
            Ok(token) => {
                let tell = |told: &str| complain(told);
                let run = commands::keys::run(&args, token.as_ref(), variable, &tell);
                match runtime()?.block_on(run) {
                    Err(NotDone::Usage(why)) => Ok(refused(&why)),
                    done => print(&done?),
                }
            }
            Err(why) => Ok(refused(&why.to_string())),
        },
        Command::Sessions(args) => match token() {
            Ok(token) => {
                print(&runtime()?.block_on(commands::sessions::run(&args, token.as_ref()))?)
            }
            Err(why) => Ok(refused(&why.to_string())),
        },
        Command::Setup(args) => setup(&args),
        Command::Doctor(args) => {
            match runtime()?.block_on(commands::doctor::run(&args, variable)) {
                Ok(diagnosis) => {
                    let printed = print(&diagnosis.text)?;
                    Ok(if diagnosis.any_failed { ExitCode::FAILURE } else { printed })
                }
                Err(why) => Ok(refused(&why.to_string())),
            }
        }
    }
}

fn explain(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let token = match token() {
        Ok(token) => token,
        Err(why) => return Ok(refused(&why.to_string())),
    };
    match commands::explain::run(args, token.as_ref(), runtime()?.handle()) {
        Ok(Explained { report, allowed }) => {
            print(&report)?;
            Ok(if allowed { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
        }
        Err(why) if why.is_usage() => Ok(refused(&why.to_string())),
        Err(why) => Err(why.into()),
    }
}

fn setup(args: &SetupArgs) -> anyhow::Result<ExitCode> {
    let is_terminal = io::stdout().is_terminal();
    match runtime()?.block_on(commands::setup::run(args, variable, is_terminal)) {
        Ok(Printed { report, configuration: None }) => print(&report),
        Ok(Printed { report, configuration: Some(configuration) }) => {
            let _ = io::stderr().write_all(report.as_bytes());
            print(&configuration)
        }
        Err(Stopped { report, why }) => {
            print(&report)?;
            complain(&why.to_string());
            Ok(if why.is_usage() { ExitCode::from(USAGE) } else { ExitCode::FAILURE })
        }
    }
}

fn serve(config: Config, given: RawConfig) -> anyhow::Result<()> {
    let format = env::var("MCP_AUTH_LOG_FORMAT").ok();
    let format = LogFormat::parse(format.as_deref()).unwrap_or(LogFormat::Text);
    telemetry::log(format, env::var("RUST_LOG").ok().as_deref());
    let metrics = telemetry::count().context("metrics")?;
    runtime()?.block_on(async {
        let stop = stop_signal().context("signals")?;
        Ok(serve::serve(config, given, metrics, stop).await?)
    })
}

fn configured(flags: Flags) -> Result<(Config, RawConfig), String> {
    let told = |why: Refused| why.to_string();
    let raw = RawConfig::collect(flags, variable).map_err(told)?;
    let config = Config::build(&raw).map_err(told)?;
    let format = env::var("MCP_AUTH_LOG_FORMAT").ok();
    if LogFormat::parse(format.as_deref()).is_none() {
        return Err("MCP_AUTH_LOG_FORMAT must be text or json".to_owned());
    }
    Ok((config, raw))
}

fn refused(why: &str) -> ExitCode {
    complain(why);
    ExitCode::from(USAGE)
}

/// A reader that has seen enough, like `head`, is no failure.
fn print(text: &str) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(why) if why.kind() != io::ErrorKind::BrokenPipe => Err(why).context("standard output"),
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}

/// The exit code tells the rest, should nobody read this.
fn complain(why: &str) {
    let _ = writeln!(io::stderr(), "mcp-auth: {why}");
}

/// What is no text becomes replacement characters, which no secret and no path is made of.
fn variable(name: &str) -> Option<String> {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// The token that commands send.
fn token() -> Result<Option<Secret>, Refused> {
    let only = |name: &str| name.starts_with("MCP_AUTH_TOKEN").then(|| variable(name)).flatten();
    let tokens = RawConfig::collect(Flags::default(), only)?.tokens()?;
    Ok(tokens.map(|tokens| tokens.first()))
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the async runtime")
}

fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    })
}
