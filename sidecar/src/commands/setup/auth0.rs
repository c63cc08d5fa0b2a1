//! `mcp-auth setup auth0`: makes a tenant what `mcp-auth` needs, and says what it changed.
//!
//! `wanted` is how things should be; here it is read how they are, and what differs is written. Only
//! what differs, so that doing it again changes nothing.

mod report;
mod wanted;

use std::io::{self, Write};

use serde_json::{Map, Value};
use url::Url;

use self::{
    report::{Report, State},
    wanted::Plan,
};
use super::{
    NotSetUp, Printed, Stopped,
    deployment::Deployment,
    filter::{self, ProviderTokens},
    output,
};
use crate::{
    auth0::{
        Credentials, Failure, Management,
        application::Application,
        client_grant::ClientGrant,
        connection::Connection,
        fields::{Objects, changes, patch, whole},
        resource_server::{ResourceServer, UserAccess},
        tenant::Tenant,
    },
    cli::SetupAuth0Args,
    clock::Clock,
    config::{self, Refused, raw::RawConfig, values::GivenUrl},
    secret::Secret,
    text::plain,
};

/// Does it.
///
/// # Errors
/// [`Stopped`] with what was done until then.
pub(super) async fn run(
    args: &SetupAuth0Args,
    variable: impl Fn(&str) -> Option<String>,
    is_terminal: bool,
) -> Result<Printed, Stopped> {
    output::check(&args.output, is_terminal)?;
    let deployment = Deployment::read(&args.deployment, &variable)?;
    let domain = domain(args, &deployment)?;
    let credentials = Credentials::collect(&variable)?;
    let plan = Plan::new(args, &deployment)?;
    let provider = ProviderTokens {
        issuer: domain.as_str().to_owned(),
        audiences: vec![plan.audience.clone()],
        jwks_uri: format!("{domain}.well-known/jwks.json"),
    };
    let provider = args.deployment.accept_provider_tokens.then_some(&provider);
    let filter = filter::configuration(&deployment, provider)
        .map_err(|why| NotSetUp::Impossible(why.to_string()))?;
    let auth0 = Management::connect(
        &management_url(args, &deployment, &domain)?,
        &credentials,
        Clock::system(),
        // Progress that nobody reads is no failure.
        Box::new(|line| drop(writeln!(io::stderr(), "mcp-auth: {line}"))),
    )
    .await?;

    let mut work = Work { auth0, plan, dry_run: args.dry_run, report: Report::default() };
    let outcome = work.all(args.keep_tenant).await;
    let report = work.report.text(args.dry_run);
    let application = match outcome {
        Ok(application) => application,
        Err(why) => return Err(Stopped { report, why }),
    };
    let mut printed = Printed { report, configuration: None };
    let Some((client_id, client_secret)) = application else { return Ok(printed) };
    let settings = settings(&deployment, args, (client_id, client_secret), &work.plan, filter);
    if args.dry_run {
        return Ok(printed);
    }
    match output::deliver(&args.output, &settings, &mut printed) {
        Ok(()) => Ok(printed),
        Err(why) => Err(Stopped { report: printed.report, why }),
    }
}

fn settings(
    deployment: &Deployment,
    args: &SetupAuth0Args,
    (client_id, client_secret): (String, Option<Secret>),
    plan: &Plan,
    filter: Value,
) -> output::Settings {
    let mut variables = vec![
        ("AUTH0_DOMAIN".to_owned(), args.auth0_domain.clone().unwrap_or_default()),
        ("AUTH0_CLIENT_ID".to_owned(), client_id),
        ("AUTH0_AUDIENCE".to_owned(), plan.audience.clone()),
    ];
    variables
        .extend(deployment.variables().map(|(name, value)| (name.to_owned(), value.to_owned())));
    output::Settings {
        variables,
        secret: ("AUTH0_CLIENT_SECRET", client_secret),
        kubernetes: (
            "mcp-auth0-credentials",
            [
                ("server-client-id", "AUTH0_CLIENT_ID"),
                ("server-client-secret", "AUTH0_CLIENT_SECRET"),
                ("auth0-domain", "AUTH0_DOMAIN"),
            ],
        ),
        filter,
        filter_is_secret: deployment.token.is_some(),
    }
}

fn domain(args: &SetupAuth0Args, deployment: &Deployment) -> Result<GivenUrl, Refused> {
    let raw = RawConfig::partial([("AUTH0_DOMAIN", args.auth0_domain.clone())], &[], |_| None)?;
    let domain = config::issuer(&raw, &deployment.http_hosts)?;
    domain.ok_or_else(|| Refused::new("AUTH0_DOMAIN", "is required, like tenant.eu.auth0.com"))
}

fn management_url(
    args: &SetupAuth0Args,
    deployment: &Deployment,
    domain: &GivenUrl,
) -> Result<Url, Refused> {
    let Some(text) = &args.mgmt_url else { return Ok(domain.url().clone()) };
    match GivenUrl::parse(text, &deployment.http_hosts) {
        Ok(url) if url.url().path() == "/" => Ok(url.url().clone()),
        Ok(_) => Err(Refused::new("AUTH0_MGMT_URL", "has a path; it must be https://HOST alone")),
        Err(why) => Err(Refused::new("AUTH0_MGMT_URL", &why)),
    }
}

/// What is being done.
struct Work {
    auth0: Management,
    plan: Plan,
    dry_run: bool,
    report: Report,
}

/// Client id and secret; nothing if the application would only be made now.
type Found = Option<(String, Option<Secret>)>;

impl Work {
    async fn all(&mut self, keep_tenant: bool) -> Result<Found, NotSetUp> {
        if keep_tenant {
            let kept = State::NotNeeded("left alone: --keep-tenant");
            self.report.add("tenant settings".to_owned(), kept);
        } else {
            self.tenant().await?;
        }
        let access = self.api().await?;
        let application = self.application().await?;
        let client_id = application.as_ref().map(|(id, _)| id.as_str());
        self.connections(client_id).await?;
        self.grant(client_id, access).await?;
        Ok(application)
    }

    async fn tenant(&mut self) -> Result<(), NotSetUp> {
        let tenant = Tenant::get(&self.auth0).await?;
        let wanted = wanted::tenant();
        let changes = changes(&wanted, &tenant.fields);
        if !changes.is_empty() && !self.dry_run {
            let patch = patch(&wanted, &tenant.fields, Objects::AreMerged);
            Tenant::update(&self.auth0, &patch).await?;
        }
        self.report.add("tenant settings".to_owned(), State::changed(changes));
        Ok(())
    }

    async fn api(&mut self) -> Result<UserAccess, NotSetUp> {
        let title = format!("API {}", self.plan.audience);
        let found = ResourceServer::find(&self.auth0, &self.plan.audience).await?;
        let api = match found {
            Some(api) => api,
            None if self.dry_run => {
                self.report.add(title, State::Made(changes(&self.plan.api, &Map::new())));
                return Ok(UserAccess::Anybody);
            }
            None => match self.create_api().await {
                Ok(api) => {
                    self.report.add(title, State::Made(changes(&self.plan.api, &Map::new())));
                    return Ok(api.user_access());
                }
                // Somebody else was faster, so it is there now.
                Err(Failure::Conflict(call, why)) => {
                    let found = ResourceServer::find(&self.auth0, &self.plan.audience).await?;
                    found.ok_or(Failure::Conflict(call, why))?
                }
                Err(other) => return Err(other.into()),
            },
        };
        if api.fields.get("is_system") == Some(&Value::Bool(true)) {
            let why = format!("{} is an API of Auth0's own: choose another audience", api.id);
            return Err(NotSetUp::Impossible(why));
        }
        let changes = changes(&self.plan.api, &api.fields);
        if !changes.is_empty() && !self.dry_run {
            let patch = patch(&self.plan.api, &api.fields, Objects::AreReplaced);
            api.update(&self.auth0, &patch).await?;
        }
        self.report.add(title, State::changed(changes));
        Ok(api.user_access())
    }

    async fn create_api(&self) -> Result<ResourceServer, Failure> {
        let mut fields = whole(&self.plan.api);
        fields.insert("name".to_owned(), self.plan.api_name.clone().into());
        ResourceServer::create(&self.auth0, &self.plan.audience, fields).await
    }

    async fn application(&mut self) -> Result<Found, NotSetUp> {
        let Some(found) = self.find_application().await? else {
            let title = format!("application {:?}", self.plan.name);
            let made = changes(&self.plan.application, &Map::new());
            let mut fields = whole(&self.plan.application);
            fields.insert("name".to_owned(), self.plan.name.clone().into());
            if self.dry_run {
                self.report.add(title, State::Made(made));
                return Ok(None);
            }
            let application = Application::create(&self.auth0, fields).await?;
            self.report.add(format!("{title}, {}", application.client_id), State::Made(made));
            return Ok(Some((application.client_id, application.client_secret)));
        };
        let name = found.fields.get("name").and_then(Value::as_str).unwrap_or_default();
        let title = format!("application {:?}, {}", plain(name), found.client_id);
        let changes = changes(&self.plan.application, &found.fields);
        if !changes.is_empty() && !self.dry_run {
            let patch = patch(&self.plan.application, &found.fields, Objects::AreReplaced);
            found.update(&self.auth0, &patch).await?;
        }
        self.report.add(title, State::changed(changes));
        Ok(Some((found.client_id, found.client_secret)))
    }

    async fn find_application(&self) -> Result<Option<Application>, NotSetUp> {
        let impossible = |why: String| NotSetUp::Impossible(why);
        if let Some(id) = &self.plan.client_id {
            let found = Application::find(&self.auth0, id).await?;
            let why = || impossible(format!("AUTH0_CLIENT_ID: the tenant has no application {id}"));
            return found.map(Some).ok_or_else(why);
        }
        let mut listed = Application::list(&self.auth0).await?;
        listed.retain(|it| it.name == self.plan.name);
        match &listed[..] {
            [] => Ok(None),
            [one] => Ok(Application::find(&self.auth0, &one.client_id).await?),
            several => Err(impossible(format!(
                "{} applications are named {:?}; say which by AUTH0_CLIENT_ID: {}",
                several.len(),
                self.plan.name,
                several.iter().map(|it| it.client_id.as_str()).collect::<Vec<_>>().join(", "),
            ))),
        }
    }

    /// Enables what was asked for. Without any connection nobody could log in.
    async fn connections(&mut self, client_id: Option<&str>) -> Result<(), NotSetUp> {
        let title = || "connections".to_owned();
        let enabled = match client_id {
            None => Vec::new(),
            Some(id) => Connection::of(&self.auth0, id).await?,
        };
        let names = |list: &[Connection]| {
            let names = list.iter().map(|it| plain(&it.name));
            names.collect::<Vec<_>>().join(", ")
        };
        if self.plan.connections.is_empty() {
            if client_id.is_none() {
                let new = "those that the tenant enables for new applications";
                self.report.add(title(), State::NotNeeded(new));
            } else if enabled.is_empty() {
                let all = names(&Connection::list(&self.auth0).await?);
                return Err(NotSetUp::Impossible(format!(
                    "no connection is enabled for the application, so nobody can log in; name \
                     some by --connections, of: {all}"
                )));
            } else {
                self.report.add(title(), State::Known(names(&enabled)));
            }
            return Ok(());
        }
        let all = Connection::list(&self.auth0).await?;
        let mut missing = Vec::new();
        for name in &self.plan.connections {
            let Some(found) = all.iter().find(|it| it.name == *name) else {
                let why = format!("--connections: there is no {name:?}, but: {}", names(&all));
                return Err(NotSetUp::Impossible(why));
            };
            if !enabled.contains(found) {
                missing.push(found.clone());
            }
        }
        if let Some(client_id) = client_id.filter(|_| !self.dry_run) {
            for connection in &missing {
                connection.enable(&self.auth0, client_id).await?;
            }
        }
        let state = match missing.is_empty() {
            true => State::Known(names(&enabled)),
            false => State::Done(format!("enabled: {}", names(&missing))),
        };
        self.report.add(title(), state);
        Ok(())
    }

    /// Needed only where the API asks for one.
    async fn grant(&mut self, client_id: Option<&str>, access: UserAccess) -> Result<(), NotSetUp> {
        let title = "grant of the API to the application".to_owned();
        match access {
            UserAccess::Anybody => {
                let why = "not needed: all applications may have tokens of the API for users";
                self.report.add(title, State::NotNeeded(why));
                return Ok(());
            }
            UserAccess::Nobody => {
                return Err(NotSetUp::Impossible(format!(
                    "the API {} forbids access on behalf of users \
                     (subject_type_authorization.user.policy is deny_all); allow it there, or \
                     choose another audience",
                    self.plan.audience
                )));
            }
            UserAccess::ByGrant => {}
        }
        let scopes = self.plan.scopes.clone();
        let made = |scopes: &[String]| State::Done(format!("granted: {}", scopes.join(", ")));
        let Some(client_id) = client_id else {
            self.report.add(title, made(&scopes));
            return Ok(());
        };
        let audience = self.plan.audience.clone();
        let mut found = ClientGrant::find(&self.auth0, client_id, &audience).await?;
        if found.is_none() && !self.dry_run {
            match ClientGrant::create(&self.auth0, client_id, &audience, &scopes).await {
                Ok(_) => {
                    self.report.add(title, made(&scopes));
                    return Ok(());
                }
                Err(Failure::Conflict(..)) => {
                    found = ClientGrant::find(&self.auth0, client_id, &audience).await?;
                }
                Err(other) => return Err(other.into()),
            }
        }
        let lacks = found.as_ref().map_or_else(|| scopes.clone(), |grant| grant.lacks(&scopes));
        if let Some(grant) = found.filter(|_| !lacks.is_empty() && !self.dry_run) {
            grant.extend(&self.auth0, &lacks).await?;
        }
        let known = State::Known(scopes.join(", "));
        self.report.add(title, if lacks.is_empty() { known } else { made(&lacks) });
        Ok(())
    }
}
