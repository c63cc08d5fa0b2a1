//! `mcp-auth sessions`: the internal API for people.

use auth_core::{
    session::{KnownSession, Session},
    session_id::SessionId,
    time::UnixTime,
};
use comfy_table::{Table, presets::NOTHING};
use reqwest::Method;
use serde::Deserialize;

use super::api::{Api, NotDone};
use crate::{
    cli::{HolderArgs, RevokeArgs, SessionsArgs, SessionsCommand},
    clock::Clock,
    secret::Secret,
    text::{ago, date, plain, pretty},
};

/// Does what the command line says, and tells what to print.
///
/// # Errors
/// [`NotDone`], in a sentence for the operator.
pub async fn run(args: &SessionsArgs, token: Option<&Secret>) -> Result<String, NotDone> {
    let api = Api::new(&args.internal_url, token)?;
    match &args.command {
        SessionsCommand::List { holder, json } => list(&api, holder, *json).await,
        SessionsCommand::Show { session, json } => show(&api, session, *json).await,
        SessionsCommand::Revoke(args) => revoke(&api, args).await,
    }
}

async fn list(api: &Api<'_>, holder: &HolderArgs, json: bool) -> Result<String, NotDone> {
    #[derive(Deserialize)]
    struct Page {
        sessions: Vec<Session>,
        next_cursor: Option<String>,
    }
    let mut query = holder_query(holder.user.as_ref(), holder.client.as_ref());
    query.push(("limit", "1000"));
    let (mut sessions, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut query = query.clone();
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page: Page = api.json(Method::GET, &["v1", "sessions"], &query).await?;
        sessions.extend(page.sessions);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(match json {
        true => pretty(&sessions),
        false => format!("{}\n", table(&sessions, Clock::system().now())),
    })
}

async fn show(api: &Api<'_>, id: &SessionId, json: bool) -> Result<String, NotDone> {
    let known: KnownSession = api.json(Method::GET, &["v1", "sessions", id.as_str()], &[]).await?;
    Ok(match &known {
        _ if json => pretty(&known),
        KnownSession::Recorded(session) => lines(&rows(session)),
        KnownSession::RevokedUnseen { session_id, revoked_at } => lines(&[
            ("session", session_id.to_string()),
            ("revoked", format!("{}, before it was seen", date(*revoked_at))),
        ]),
    })
}

async fn revoke(api: &Api<'_>, args: &RevokeArgs) -> Result<String, NotDone> {
    #[derive(Deserialize)]
    struct Revoked {
        revoked: u64,
    }
    if let Some(id) = &args.session {
        api.send(Method::DELETE, &["v1", "sessions", id.as_str()], &[]).await?;
        return Ok(format!("revoked session {id}\n"));
    }
    let query = holder_query(args.user.as_ref(), args.client.as_ref());
    let Revoked { revoked } = api.json(Method::DELETE, &["v1", "sessions"], &query).await?;
    let whose = query.iter().map(|(_, id)| plain(id)).collect::<String>();
    Ok(format!("revoked {revoked} sessions of {whose}, and every token issued so far\n"))
}

fn holder_query<'a>(
    user: Option<&'a String>,
    client: Option<&'a String>,
) -> Vec<(&'static str, &'a str)> {
    let user = user.map(|id| ("user_id", id.as_str()));
    user.into_iter().chain(client.map(|id| ("client_id", id.as_str()))).collect()
}

fn table(sessions: &[Session], now: UnixTime) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["SESSION", "USER", "CLIENT", "LAST SEEN", "ENDS", "STATE"]);
    for session in sessions {
        table.add_row([
            session.session_id.to_string(),
            plain(&session.user_id),
            session.client_id.as_deref().map_or("–".to_owned(), plain),
            ago(session.last_seen_at, now),
            date(session.expires_at),
            session
                .revoked_at
                .map_or("active".to_owned(), |at| format!("revoked {}", ago(at, now))),
        ]);
    }
    table
}

fn rows(session: &Session) -> Vec<(&'static str, String)> {
    let optional = |text: &Option<String>| text.as_deref().map_or("–".to_owned(), plain);
    vec![
        ("session", session.session_id.to_string()),
        ("user", plain(&session.user_id)),
        ("name", optional(&session.username)),
        ("issuer", plain(&session.issuer)),
        ("token issuer", optional(&session.token_issuer)),
        ("subject", optional(&session.subject)),
        ("client", optional(&session.client_id)),
        ("scopes", plain(&session.scopes.join(" "))),
        ("since", date(session.created_at)),
        ("last seen", date(session.last_seen_at)),
        ("ends", date(session.expires_at)),
        ("revoked", session.revoked_at.map_or("no".to_owned(), date)),
    ]
}

fn lines(rows: &[(&str, String)]) -> String {
    rows.iter().map(|(name, value)| format!("{name:<13} {value}\n")).collect()
}
