//! The API of Kubernetes by `kubectl`, with the operator's own rights. Secrets go through pipes, never
//! on a command line.

use std::process::Stdio;

use serde_json::Value;
use tokio::{io::AsyncWriteExt, process::Command};

use super::{NotKept, kubernetes::Written};
use crate::text::plain;

/// The program and whom it talks to.
#[derive(Debug)]
pub(super) struct Kubectl {
    namespace: Option<String>,
    context: Option<String>,
}

impl Kubectl {
    pub(super) fn new(namespace: Option<String>, context: Option<String>) -> Self {
        Self { namespace, context }
    }

    pub(super) async fn get(&self, secret: &'static str) -> Result<Option<Value>, NotKept> {
        let args = ["get", "secret", secret, "--output=json", "--ignore-not-found"];
        match self.run(&args, None).await? {
            Ok(answer) if answer.iter().all(u8::is_ascii_whitespace) => Ok(None),
            Ok(answer) => match serde_json::from_slice(&answer) {
                Ok(object) => Ok(Some(object)),
                Err(_) => refused(secret, "kubectl printed no JSON"),
            },
            Err(why) => refused(secret, &why),
        }
    }

    pub(super) async fn replace(
        &self,
        secret: &'static str,
        object: &Value,
    ) -> Result<Written, NotKept> {
        self.write(secret, "replace", object, "(Conflict)").await
    }

    pub(super) async fn create(
        &self,
        secret: &'static str,
        object: &Value,
    ) -> Result<Written, NotKept> {
        self.write(secret, "create", object, "(AlreadyExists)").await
    }

    async fn write(
        &self,
        secret: &'static str,
        verb: &str,
        object: &Value,
        overtaken: &str,
    ) -> Result<Written, NotKept> {
        // The object is the API's own, or made here; reading its schema would need further rights.
        let args = [verb, "--filename=-", "--validate=false", "--output=name"];
        match self.run(&args, Some(&object.to_string())).await? {
            Ok(_) => Ok(Written::Done),
            Err(why) if why.contains(overtaken) => Ok(Written::Overtaken),
            Err(why) => refused(secret, &why),
        }
    }

    /// What it printed, or what it complained of.
    async fn run(
        &self,
        args: &[&str],
        input: Option<&str>,
    ) -> Result<Result<Vec<u8>, String>, NotKept> {
        let mut command = Command::new("kubectl");
        for (flag, value) in [("--namespace", &self.namespace), ("--context", &self.context)] {
            if let Some(value) = value {
                command.arg(format!("{flag}={value}"));
            }
        }
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        let child = command.args(args).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.kill_on_drop(true).spawn().map_err(NotKept::NoKubectl)?;
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            // A kubectl that does not read says why on its standard error.
            drop(stdin.write_all(input.as_bytes()).await);
        }
        let output = child.wait_with_output().await.map_err(NotKept::NoKubectl)?;
        let complaint = || plain(String::from_utf8_lossy(&output.stderr).trim());
        Ok(if output.status.success() { Ok(output.stdout) } else { Err(complaint()) })
    }
}

fn refused<T>(secret: &'static str, why: &str) -> Result<T, NotKept> {
    Err(NotKept::Kubernetes { secret, why: why.to_owned() })
}
