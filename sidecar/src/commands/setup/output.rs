//! How configuration is written: for shells and compose, for Kubernetes, as JSON.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::{NotSetUp, Printed};
use crate::{
    cli::{OutputArgs, OutputForm},
    private_file::{self, Written},
    secret::Secret,
};

/// What the sidecar and the filter need.
#[derive(Debug)]
pub(super) struct Settings {
    /// The sidecar's variables.
    pub(super) variables: Vec<(String, String)>,
    /// The one that is a secret, and what it holds, if that is known.
    pub(super) secret: (&'static str, Option<Secret>),
    /// Name of the Kubernetes Secret, and its keys with the variables that they hold.
    pub(super) kubernetes: (&'static str, [(&'static str, &'static str); 3]),
    /// The filter's configuration.
    pub(super) filter: Value,
    /// Whether that holds a secret too.
    pub(super) filter_is_secret: bool,
}

const NEXT: &str = "still needed: JWT_SIGNING_KEY, MCP_AUTH_TOKEN, and STORAGE_ENCRYPTION_KEY with \
                    Redis; `mcp-auth secrets generate` makes them";

/// Refuses what would show secrets on a terminal.
///
/// # Errors
/// [`NotSetUp::Terminal`]
pub(super) fn check(args: &OutputArgs, is_terminal: bool) -> Result<(), NotSetUp> {
    if args.show_secrets && is_terminal { Err(NotSetUp::Terminal) } else { Ok(()) }
}

/// Writes files, and adds to what is printed.
///
/// # Errors
/// [`NotSetUp`] if a file cannot be written, or the secret is not known.
pub(super) fn deliver(
    args: &OutputArgs,
    settings: &Settings,
    printed: &mut Printed,
) -> Result<(), NotSetUp> {
    let mut say = |line: String| writeln!(printed.report, "{line}").expect("a String takes all");
    if let Some(path) = &args.filter_file {
        let text = format!("{:#}\n", settings.filter);
        say(told(private_file::write(path, &text, args.force)?, path));
    }
    let Some(form) = args.output else { return Ok(()) };
    let with_secrets = args.output_file.is_some() || args.show_secrets;
    let (name, secret) = &settings.secret;
    if with_secrets && secret.is_none() {
        return Err(NotSetUp::Impossible(format!(
            "{name} is not known: give it, or a management token that may read it \
             (read:client_keys)"
        )));
    }
    let text = match form {
        OutputForm::Env => env(settings, with_secrets),
        OutputForm::K8s => kubernetes(settings, with_secrets),
        OutputForm::Json => format!("{:#}\n", document(settings, with_secrets)),
    };
    match &args.output_file {
        Some(path) => say(told(private_file::write(path, &text, args.force)?, path)),
        None => printed.configuration = Some(text),
    }
    say(NEXT.to_owned());
    Ok(())
}

fn told(written: Written, path: &std::path::Path) -> String {
    let what = match written {
        Written::New => "written, mode 0600",
        Written::Same => "says so already",
        Written::Replaced => "replaced, mode 0600",
    };
    format!("{}: {what}", path.display())
}

fn env(settings: &Settings, with_secrets: bool) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("a String takes all");
    for (name, value) in &settings.variables {
        line(format!("{name}={}", quoted(value)));
    }
    match &settings.secret {
        (name, Some(secret)) if with_secrets => line(format!("{name}={}", quoted(secret.expose()))),
        (name, _) => line(format!("# {name} is not shown: --output-file or --show-secrets")),
    }
    line(format!("# {NEXT}"));
    text
}

/// As it is where that is safe, since not every reader of such files knows quotes.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./:,@%+=-~".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    if !value.contains('\'') {
        return format!("'{value}'");
    }
    let mut text = String::from("\"");
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            text.push('\\');
        }
        text.push(c);
    }
    text + "\""
}

/// A string in JSON is one in YAML.
fn kubernetes(settings: &Settings, with_secrets: bool) -> String {
    let (name, keys) = &settings.kubernetes;
    let value = |variable: &str| {
        let (secret_name, secret) = &settings.secret;
        if variable == *secret_name {
            let shown = secret.as_ref().filter(|_| with_secrets);
            return shown.map(|secret| secret.expose().to_owned());
        }
        let found = settings.variables.iter().find(|(name, _)| name == variable);
        found.map(|(_, value)| value.clone())
    };
    let secret = keys.iter().map(|(key, variable)| match value(variable) {
        Some(value) => format!("  {key}: {}\n", Value::from(value)),
        None => format!("  # {key} is not shown: --output-file or --show-secrets\n"),
    });
    let secret: String = secret.collect();
    let in_secret = |variable: &str| keys.iter().any(|(_, it)| *it == variable);
    let plain = settings.variables.iter().filter(|(variable, _)| !in_secret(variable));
    let plain: String =
        plain.map(|(name, value)| format!("  {name}: {}\n", Value::from(value.as_str()))).collect();
    let (kind, data) = match settings.filter_is_secret {
        true => ("Secret", "stringData"),
        false => ("ConfigMap", "data"),
    };
    let filter = match settings.filter_is_secret && !with_secrets {
        true => "  # filter.json is not shown: --output-file or --show-secrets\n".to_owned(),
        false => {
            let lines: String =
                format!("{:#}", settings.filter).lines().map(|it| format!("    {it}\n")).collect();
            format!("  filter.json: |\n{lines}")
        }
    };
    format!(
        "# {NEXT}\n\
         apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\ntype: Opaque\nstringData:\n{secret}\
         ---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: mcp-auth\ndata:\n{plain}\
         ---\n\
         apiVersion: v1\nkind: {kind}\nmetadata:\n  name: mcp-auth-filter\n{data}:\n{filter}"
    )
}

fn document(settings: &Settings, with_secrets: bool) -> Value {
    let variables = settings.variables.iter();
    let mut sidecar: Map<_, _> =
        variables.map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    if let (name, Some(secret)) = &settings.secret
        && with_secrets
    {
        sidecar.insert((*name).to_owned(), secret.expose().into());
    }
    let mut filter = settings.filter.clone();
    if !with_secrets && let Some(sessions) = filter["sessions"].as_object_mut() {
        sessions.remove("token");
    }
    json!({"sidecar": sidecar, "filter": filter})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_where_a_shell_would_read_something_else() {
        for (value, shown) in [
            ("https://a.example/,mcp:read", "https://a.example/,mcp:read"),
            ("openid profile", "'openid profile'"),
            ("", "''"),
            ("$HOME", "'$HOME'"),
            ("it's $5", "\"it's \\$5\""),
        ] {
            assert_eq!(quoted(value), shown);
        }
    }
}
