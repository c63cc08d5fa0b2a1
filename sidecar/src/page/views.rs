//! The page's HTML. Everything that came from outside is escaped by maud.

use auth_core::{
    session::{KnownSession, Session},
    time::UnixTime,
};
use maud::{DOCTYPE, Markup, html};

use super::{
    forms::{Filter, Target},
    keys::Visitor,
};
use crate::{
    sessions::Listing,
    store::Holder,
    text::{ago, date},
};

pub(super) fn sessions(
    listing: &Listing,
    filter: &Filter,
    visitor: &Visitor,
    now: UnixTime,
) -> Markup {
    let body = html! {
        @if filter.done { p.notice role="status" { "Revoked. It takes effect within a second or so." } }
        form.filter action="/" method="get" role="search" {
            label { "User" input type="search" name="user" value=(filter.user) placeholder="user id"; }
            label { "Client" input type="search" name="client" value=(filter.client) placeholder="client id"; }
            button type="submit" { "Show" }
            @if filter.holder().is_some() { a.button href="/" { "Show all" } }
        }
        @if listing.sessions.is_empty() { p.empty { "No sessions." } }
        @for (user, sessions) in by_user(&listing.sessions) {
            section {
                header {
                    h2 { (user) }
                    a.button.danger href=(link("user", user)) { "Revoke user…" }
                }
                (table(&sessions, now))
            }
        }
        @if let Some(cursor) = &listing.next_cursor {
            nav { a.button href=(next(filter, cursor)) { "Older sessions" } }
        }
    };
    layout("Sessions", Some(visitor), &body)
}

pub(super) fn ask(target: &Target, known: Option<&KnownSession>, visitor: &Visitor) -> Markup {
    let (name, value, what, effect) = match target {
        Target::Session(id) => {
            ("session", id.as_str(), "this session", "Its tokens are refused from then on.")
        }
        Target::Holder(Holder::User(id)) => (
            "user",
            id.as_str(),
            "all sessions of this user",
            "Every token issued to the user so far is refused. A new login works.",
        ),
        Target::Holder(Holder::Client(id)) => (
            "client",
            id.as_str(),
            "all sessions of this client",
            "Every token issued to the client so far is refused, whoever uses it.",
        ),
    };
    let body = html! {
        form.ask action="/revoke" method="post" {
            h2 { "Revoke " (what) "?" }
            p { code { (value) } }
            @if let Some(KnownSession::Recorded(session)) = known { (whose(session)) }
            p { (effect) " This cannot be undone." }
            input type="hidden" name="csrf" value=(visitor.csrf);
            input type="hidden" name=(name) value=(value);
            div.choice {
                button.danger type="submit" { "Revoke" }
                a.button href="/" { "Cancel" }
            }
        }
    };
    layout("Revoke", Some(visitor), &body)
}

pub(super) fn login(refused: bool) -> Markup {
    let body = html! {
        form.ask action="/login" method="post" {
            h2 { "Log in" }
            @if refused { p.notice.bad role="alert" { "That is not the token." } }
            label { "Token (MCP_AUTH_TOKEN)"
                input type="password" name="token" autocomplete="current-password" required autofocus;
            }
            div.choice { button type="submit" { "Log in" } }
        }
    };
    layout("Log in", None, &body)
}

pub(super) fn failure(sentence: &str) -> Markup {
    let body = html! {
        div.ask {
            h2 { "That did not work" }
            p role="alert" { (sentence) }
            div.choice { a.button href="/" { "Back to the sessions" } }
        }
    };
    layout("Error", None, &body)
}

fn whose(session: &Session) -> Markup {
    html! {
        dl {
            dt { "User" } dd { (session.user_id) }
            @if let Some(name) = &session.username { dt { "Name" } dd { (name) } }
            @if let Some(client) = &session.client_id { dt { "Client" } dd { (client) } }
        }
    }
}

fn layout(title: &str, visitor: Option<&Visitor>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · mcp-auth" }
                link rel="stylesheet" href="/style.css";
            }
            body {
                header.top {
                    h1 { a href="/" { "mcp-auth" } }
                    @if visitor.is_some_and(|visitor| visitor.logged_in) {
                        form action="/logout" method="post" { button type="submit" { "Log out" } }
                    }
                }
                main { (body) }
            }
        }
    }
}

fn table(sessions: &[&Session], now: UnixTime) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Last seen" }
                th scope="col" { "Name" }
                th scope="col" { "Client" }
                th scope="col" { "Since" }
                th scope="col" { "Ends" }
                th scope="col" { "Session" }
                th scope="col" { span.hidden { "Action" } }
            } }
            tbody { @for session in sessions { (row(session, now)) } }
        }
    }
}

fn row(session: &Session, now: UnixTime) -> Markup {
    let id = session.session_id.as_str();
    html! {
        tr.revoked[session.revoked_at.is_some()] {
            td data-label="Last seen" title=(date(session.last_seen_at)) { (ago(session.last_seen_at, now)) }
            td data-label="Name" { (session.username.as_deref().unwrap_or("–")) }
            td data-label="Client" {
                @match &session.client_id {
                    Some(client) => a href=(format!("/?{}", query("client", client))) { (client) },
                    None => "–",
                }
            }
            td.date data-label="Since" { (date(session.created_at)) }
            td.date data-label="Ends" { (date(session.expires_at)) }
            td data-label="Session" { code { (id) } }
            td.action {
                @match session.revoked_at {
                    Some(at) => span { "revoked " (ago(at, now)) },
                    None => a.button.danger href=(link("session", id)) aria-label={ "Revoke session " (id) } { "Revoke…" },
                }
            }
        }
    }
}

/// In the order in which users first appear, each with the sessions of this page.
fn by_user(sessions: &[Session]) -> Vec<(&str, Vec<&Session>)> {
    let mut groups: Vec<(&str, Vec<&Session>)> = Vec::new();
    for session in sessions {
        match groups.iter_mut().find(|(user, _)| *user == session.user_id) {
            Some((_, group)) => group.push(session),
            None => groups.push((&session.user_id, vec![session])),
        }
    }
    groups
}

fn link(what: &str, id: &str) -> String {
    format!("/revoke?{}", query(what, id))
}

fn next(filter: &Filter, cursor: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new("/?".to_owned());
    for (name, value) in [("user", &filter.user), ("client", &filter.client)] {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    query.append_pair("cursor", cursor);
    query.finish().replacen("/?&", "/?", 1)
}

fn query(name: &str, value: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
}
