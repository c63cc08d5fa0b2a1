//! The commands of the documents that set up a tenant, as they stand there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tokio::process;

use super::double::{Double, TOKEN};

const PAGES: [&str; 4] = [
    "docs/how-to/auth0.md",
    "examples/auth0/README.md",
    "examples/docker-compose/README.md",
    "examples/kubernetes/README.md",
];

#[tokio::test]
async fn every_documented_command_does_what_the_page_goes_on_with() {
    for page in PAGES {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let commands = commands(&text);
        assert!(!commands.is_empty(), "{page} has no command");
        let double = Double::start().await;
        let folder = tempfile::tempdir().unwrap();
        for command in &commands {
            let script = format!("set -e\n{}\n{command}\n", exports(&text));
            let output = process::Command::new("bash")
                .args(["-c", &script])
                .current_dir(&folder)
                .env_clear()
                .env("PATH", format!("{}:/usr/bin:/bin", programs().display()))
                // What the reader has of examples/auth0/.env.example, or exported before.
                .env("AUTH0_DOMAIN", "tenant.eu.auth0.com")
                .env("MCP_AUTH_URL", "https://mcp.example.com")
                .env("MCP_RESOURCES", "https://mcp.example.com/mcp")
                .env("AUTH0_MGMT_URL", &double.url)
                .env("AUTH0_MGMT_TOKEN", TOKEN)
                .output()
                .await
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(0), "{page}: {command}\n{said}");
        }
        // The pages take these lines out of the file, or give the whole of it to `serve`.
        let written = fs::read_to_string(folder.path().join("auth0.env")).unwrap();
        for name in ["DOMAIN", "CLIENT_ID", "CLIENT_SECRET", "AUDIENCE"] {
            let line = format!("AUTH0_{name}=");
            let found = written.lines().filter(|it| it.starts_with(&line) && it.len() > line.len());
            assert_eq!(found.count(), 1, "{page}: {line}\n{written}");
        }
    }
}

/// The calls of `mcp-auth setup auth0`, each in one line.
fn commands(page: &str) -> Vec<String> {
    page.replace("\\\n", " ")
        .lines()
        .map(|line| line.strip_prefix("$ ").unwrap_or(line))
        .filter(|line| line.starts_with("mcp-auth setup auth0"))
        .map(str::to_owned)
        .collect()
}

/// What the page exports besides who may call the Management API, which the test says itself.
fn exports(page: &str) -> String {
    let lines = page.lines().filter(|it| it.starts_with("export ") && !it.contains("AUTH0_MGMT"));
    lines.collect::<Vec<_>>().join("\n")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder that has `mcp-auth`.
fn programs() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_mcp-auth")).parent().unwrap()
}
