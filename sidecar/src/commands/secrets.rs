//! `mcp-auth secrets generate`: makes what `serve` needs, and puts it where it cannot be seen.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal},
    path::Path,
};

use serde_json::{Map, json};

use crate::{
    cli::{Format, GenerateArgs, SecretsCommand},
    clock::Clock,
    input,
    places::{Held, Named, NotKept, Place, manifest},
    private_file::{self, NotWritten},
    rotation::{Kind, Notes},
    secret::Secret,
};

/// What is made here; all else is given.
const MADE: [(Named, Kind); 3] = [
    (Named::SigningKey, Kind::Signing),
    (Named::StorageKey, Kind::Storage),
    (Named::Token, Kind::Token),
];
/// No secret is longer.
const LONGEST: u64 = 64 * 1024;

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum NotMade {
    /// Whoever asked did not mean it.
    #[error("{0}")]
    Usage(String),
    /// The place.
    #[error(transparent)]
    Place(#[from] NotKept),
    /// Something else is there.
    #[error("{0} is there already and is another one: --force replaces it")]
    Another(&'static str),
    /// A file is not written.
    #[error(transparent)]
    NotWritten(#[from] NotWritten),
    /// A file cannot be read.
    #[error("{0}: {1}")]
    File(String, io::Error),
}

/// A value, and whether it was made here.
struct Value {
    named: Named,
    text: Secret,
    is_given: bool,
}

/// Does what the command line says, and tells what to print.
///
/// # Errors
/// [`NotMade`]
pub async fn run(
    command: &SecretsCommand,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<String, NotMade> {
    let SecretsCommand::Generate(args) = command;
    let usage = |why: &str| Err(NotMade::Usage(why.to_owned()));
    let format = match args.format {
        Some(format) if args.apply && format != Format::K8s => {
            return usage("--apply is for Kubernetes: leave --format out, or say --format k8s");
        }
        Some(format) => format,
        None if args.apply => Format::K8s,
        None => Format::Files,
    };
    let values = values(args)?;
    match (format, &args.out) {
        (Format::K8s, None) if args.apply => {
            let kubectl =
                Place::kubernetes(args.namespace.clone(), args.context.clone(), variable)?;
            keep(&kubectl, &values, args.force).await
        }
        (Format::Files, Some(folder)) => {
            keep(&Place::folder(folder.clone()), &values, args.force).await
        }
        (Format::Files, None) => usage("--format files needs --out"),
        (_, Some(file)) => {
            private_file::write(
                file,
                &rendered(format, args.namespace.as_deref(), &values),
                args.force,
            )?;
            Ok(format!("{}: made, for its owner only\n", file.display()))
        }
        (_, None) if io::stdout().is_terminal() && !args.show => usage(
            "standard output is a terminal, where secrets would stay to be read: use --out, a pipe, \
             or --show",
        ),
        (_, None) => Ok(rendered(format, args.namespace.as_deref(), &values)),
    }
}

fn values(args: &GenerateArgs) -> Result<Vec<Value>, NotMade> {
    let given = [
        (Named::ClientId, "--client-id-file", &args.client_id_file),
        (Named::ClientSecret, "--client-secret-file", &args.client_secret_file),
    ];
    if given.iter().all(|(_, _, path)| path.as_deref() == Some(Path::new("-"))) {
        let why = "standard input is either --client-id-file or --client-secret-file";
        return Err(NotMade::Usage(why.to_owned()));
    }
    let made = MADE.map(|(named, kind)| Value { named, text: kind.generate(), is_given: false });
    let mut values: Vec<Value> = made.into();
    for (named, flag, path) in given {
        if let Some(path) = path {
            values.push(Value { named, text: read(flag, path)?, is_given: true });
        }
    }
    if let Some(domain) = &args.auth0_domain {
        let text = Secret::new(domain.as_str());
        values.push(Value { named: Named::Domain, text, is_given: true });
    }
    Ok(values)
}

async fn keep(place: &Place, values: &[Value], force: bool) -> Result<String, NotMade> {
    let now = Clock::system().now().secs();
    // What cannot be is found out before anything is changed.
    for value in values.iter().filter(|value| value.is_given && !force) {
        let there = place.read(value.named).await?;
        if there.is_some_and(|there| !is_same(&there, value)) {
            return Err(NotMade::Another(value.named.key()));
        }
    }
    let mut told = String::new();
    for value in values {
        let mut outcome = "kept";
        let decide = |there: Option<Held>| match there {
            Some(_) if !force && !value.is_given => Ok(None),
            Some(there) if is_same(&there, value) => Ok(None),
            Some(_) if !force => Err(NotMade::Another(value.named.key())),
            there => {
                outcome = if there.is_some() { "replaced" } else { "made" };
                Ok(Some(Held { value: value.text.clone(), notes: noted(value, now) }))
            }
        };
        place.change(value.named, decide).await?;
        writeln!(told, "{:<24} {outcome}", value.named.key()).expect("a String takes all text");
    }
    Ok(told)
}

/// Since when a key is in use, for its rotation.
fn noted(value: &Value, now: u64) -> Option<String> {
    let (_, kind) = MADE.into_iter().find(|(named, _)| *named == value.named)?;
    let mut notes = Notes::default();
    notes.reconcile(&[kind.id(value.text.expose()).ok()?], now);
    serde_json::to_string(&notes).ok()
}

fn is_same(there: &Held, value: &Value) -> bool {
    there.value.matches(value.text.expose().as_bytes())
}

fn rendered(format: Format, namespace: Option<&str>, values: &[Value]) -> String {
    match format {
        Format::Files | Format::Env => values
            .iter()
            .filter_map(|value| {
                Some(format!("{}={}\n", value.named.variable()?, value.text.expose()))
            })
            .collect(),
        Format::Json => {
            let member = |value: &Value| {
                Some((value.named.variable()?.to_owned(), json!(value.text.expose())))
            };
            let object: Map<_, _> = values.iter().filter_map(member).collect();
            format!("{:#}\n", serde_json::Value::Object(object))
        }
        Format::K8s => {
            let mut secrets: Vec<&str> = values.iter().map(|it| it.named.secret()).collect();
            secrets.dedup();
            let manifest = |secret: &&str| {
                let inside = values.iter().filter(|value| value.named.secret() == *secret);
                let inside: Vec<_> = inside.map(|it| (it.named, it.text.clone())).collect();
                manifest(secret, namespace, &inside)
            };
            secrets.iter().map(manifest).collect::<Vec<_>>().join("---\n")
        }
    }
}

fn read(flag: &str, path: &Path) -> Result<Secret, NotMade> {
    let unreadable = |why| NotMade::File(format!("{flag} {}", path.display()), why);
    let text = input::read(path, LONGEST).map_err(unreadable)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err(NotMade::Usage(format!("{flag}: the file must hold one word")));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    async fn generate(line: &str) -> Result<String, NotMade> {
        let line = ["mcp-auth", "secrets", "generate"].into_iter().chain(line.split(' '));
        let Command::Secrets(command) = Cli::try_parse_from(line).unwrap().command else {
            unreachable!("it is that command")
        };
        run(&command, |_| None).await
    }

    #[tokio::test]
    async fn files_are_made_once_for_their_owner_and_replaced_by_force_only() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("secrets");
        let line = format!("--out {}", out.display());
        let told = generate(&line).await.unwrap();
        assert_eq!(told.matches("made").count(), 3, "{told}");
        let key = || fs::read_to_string(out.join("jwt-signing-key")).unwrap();
        let first = key();
        assert!(Kind::Signing.id(&first).is_ok() && !told.contains(&first));
        for name in ["jwt-signing-key", "storage-encryption-key", "mcp-auth-token"] {
            let mode = fs::metadata(out.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        fs::remove_file(out.join("mcp-auth-token")).unwrap();
        let told = generate(&line).await.unwrap();
        assert_eq!((told.matches("kept").count(), told.matches("made").count()), (2, 1), "{told}");
        assert_eq!(key(), first);
        generate(&format!("{line} --force")).await.unwrap();
        assert_ne!(key(), first);
    }

    #[tokio::test]
    async fn what_is_given_is_taken_and_never_overwrites_another() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("from-auth0");
        fs::write(&secret, "hunter2\n").unwrap();
        let out = folder.path().join("secrets");
        let line = format!("--out {} --client-secret-file {}", out.display(), secret.display());
        generate(&format!("{line} --auth0-domain tenant.auth0.com")).await.unwrap();
        generate(&line).await.unwrap();
        assert_eq!(fs::read_to_string(out.join("server-client-secret")).unwrap(), "hunter2");
        assert_eq!(fs::read_to_string(out.join("auth0-domain")).unwrap(), "tenant.auth0.com");
        fs::write(&secret, "hunter3").unwrap();
        fs::remove_file(out.join("mcp-auth-token")).unwrap();
        assert!(matches!(generate(&line).await, Err(NotMade::Another("server-client-secret"))));
        assert!(!out.join("mcp-auth-token").exists(), "nothing was changed");
        generate(&format!("{line} --force")).await.unwrap();
        assert_eq!(fs::read_to_string(out.join("server-client-secret")).unwrap(), "hunter3");
    }

    #[tokio::test]
    async fn every_form_holds_what_serve_takes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out");
        let line = |format: &str| format!("--format {format} --out {} --force", file.display());
        generate(&line("env")).await.unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let key = text.lines().next().unwrap().strip_prefix("JWT_SIGNING_KEY=").unwrap();
        assert!(Kind::Signing.id(key).is_ok());
        generate(&line("json")).await.unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(Kind::Storage.id(object["STORAGE_ENCRYPTION_KEY"].as_str().unwrap()).is_ok());
        generate(&format!("{} --namespace mcp", line("k8s"))).await.unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text.matches("kind: Secret\n").count(), 2);
        assert!(text.contains("  name: mcp-jwt-signing-key\n  namespace: \"mcp\"\n"), "{text}");
        assert!(text.contains("\n  jwt-signing-key: \""), "{text}");
        let again = format!("--format env --out {}", file.display());
        assert!(matches!(
            generate(&again).await,
            Err(NotMade::NotWritten(NotWritten::InTheWay(_)))
        ));
    }
}
