//! rmcp's own client as a program for the black-box tests: it finds the authorization server,
//! registers, opens the program in `BROWSER`, and prints what the tool `whoami` says, twice.
//!
//! Arguments: the MCP server, and how many seconds to wait between the calls. What is done with
//! tokens is rmcp's own doing.

use std::{env, time::Duration};

use anyhow::{Context as _, ensure};
use rmcp::{
    ServiceExt as _,
    model::CallToolRequestParams,
    transport::{
        StreamableHttpClientTransport,
        auth::{AuthClient, AuthorizationRequest, OAuthState},
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    process::Command,
    time::sleep,
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = env::args().skip(1);
    let server = arguments.next().context("name the MCP server")?;
    let pause = arguments.next().map_or(Ok(0), |text| text.parse())?;

    let client = log_in(&server).await?;
    let config = StreamableHttpClientTransportConfig::with_uri(server);
    let transport = StreamableHttpClientTransport::with_client(client, config);
    let service = ().serve(transport).await?;
    for wait in [0, pause] {
        sleep(Duration::from_secs(wait)).await;
        let answer = service.call_tool(CallToolRequestParams::new("whoami")).await?;
        println!("{}", answer.structured_content.context("whoami says nothing")?);
    }
    service.cancel().await?;
    Ok(())
}

async fn log_in(server: &str) -> anyhow::Result<AuthClient<reqwest::Client>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let redirect_uri = format!("http://{}/callback", listener.local_addr()?);
    let mut state = OAuthState::new(server, None).await?;
    let request = AuthorizationRequest::new(&redirect_uri).with_client_name("rmcp");
    state.start_authorization(request).await?;

    let browser = env::var("BROWSER").context("BROWSER names no program")?;
    let mut browser = Command::new(browser).arg(state.get_authorization_url().await?).spawn()?;
    let callback = one_request(&listener).await?;
    state.handle_callback_url(&format!("{redirect_uri}{callback}")).await?;
    ensure!(browser.wait().await?.success(), "the browser was stranded");

    let manager = state.into_authorization_manager().context("the login did not come about")?;
    Ok(AuthClient::new(reqwest::Client::new(), manager))
}

/// What follows the redirect URI in the address with which the browser comes back.
async fn one_request(listener: &TcpListener) -> anyhow::Result<String> {
    let (mut stream, _) = listener.accept().await?;
    let mut line = String::new();
    BufReader::new(&mut stream).read_line(&mut line).await?;
    let page = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nDone.";
    stream.write_all(page.as_bytes()).await?;
    let target = line.split(' ').nth(1).context("the browser sent no request")?;
    Ok(target.strip_prefix("/callback").context("the browser went elsewhere")?.to_owned())
}
