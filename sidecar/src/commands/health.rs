//! `mcp-auth health`: what `/readyz` says, for images that hold no other HTTP client.

use reqwest::Method;

use super::api::{Api, NotDone};
use crate::cli::HealthArgs;

/// # Errors
/// [`NotDone`], if the service cannot be reached or says that it is not ready.
pub async fn run(args: &HealthArgs) -> Result<String, NotDone> {
    Api::new(&args.internal_url, None)?.send(Method::GET, &["readyz"], &[]).await?;
    Ok("ready\n".to_owned())
}
