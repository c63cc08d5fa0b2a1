//! What a request is for: a metadata document, a public path or a protected resource.

use crate::{
    config::{Config, Resource, ResourceIndex, Route},
    denial::Denial,
    metadata,
    path::CanonicalPath,
    request_head::RequestHead,
};

/// What a request is for.
pub(crate) enum Target {
    /// The RFC 9728 document of a resource.
    Document(ResourceIndex),
    /// Something that needs no token.
    Public,
    /// An MCP server.
    Resource(ResourceIndex),
}

impl Target {
    /// Finds it by path and host. The longest path wins; among rules of one path, those for the
    /// request's host go before those for any.
    pub(crate) fn of(config: &Config, head: &RequestHead, path: &str) -> Result<Self, Denial> {
        let path = CanonicalPath::parse(path).map_err(|_| Denial::MalformedRequest)?;
        let authority = head.text(":authority").unwrap_or_default();
        if let Some(resource) = metadata::resource_at(config, path.as_str(), authority) {
            return Ok(Self::Document(resource));
        }
        let found = config.routes.find(path, |routes| {
            routes
                .iter()
                .find(|route| names_host(route, authority))
                .or_else(|| routes.iter().find(|route| is_for_any_host(route)))
        });
        match found {
            Some(Route::Public) => Ok(Self::Public),
            Some(Route::Resource(index, _)) => Ok(Self::Resource(*index)),
            None => Err(Denial::UnmatchedPath),
        }
    }
}

fn names_host(route: &Route, authority: &str) -> bool {
    match route {
        Route::Public => false,
        Route::Resource(_, hosts) => hosts.iter().any(|host| host.matches(authority)),
    }
}

fn is_for_any_host(route: &Route) -> bool {
    match route {
        Route::Public => true,
        Route::Resource(_, hosts) => hosts.is_empty(),
    }
}

/// An absent Origin is accepted; one that is there has to be in the list, if there is a list.
pub(crate) fn accepts_origin(resource: &Resource, head: &RequestHead) -> bool {
    let accepted =
        |origin: &[u8]| resource.origins.iter().any(|accepted| accepted.as_bytes() == origin);
    resource.origins.is_empty() || head.values("origin").all(accepted)
}
