//! A request in full: head, token and body, as [`Request`] describes them.

use auth_core::request_head::RequestHead;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    step::{McpSession, Request, Says, Twist as T},
    world::{BODY_LIMIT, ISSUER, OBSERVED_ISSUER, START},
};

impl Request {
    pub(crate) fn head(self) -> RequestHead {
        let path = match () {
            () if self.has(T::OpenPath) => "/open",
            () if self.has(T::UnknownPath) => "/mcpx",
            () if self.has(T::EncodedPath) => "/open/%2e%2e/mcp",
            () if self.has(T::MetadataPath) => "/.well-known/oauth-protected-resource/mcp",
            () if self.has(T::TokenInQuery) => "/mcp/x?access_token=y",
            () => "/mcp",
        };
        let authorization = format!("Bearer {}", self.token());
        let mut fields = vec![
            (":method", self.method()),
            (":path", path),
            (":authority", "mcp.example.com"),
            ("content-type", "application/json"),
        ];
        if !self.has(T::NoToken) {
            fields.push(("authorization", &authorization));
        }
        if self.has(T::TwoTokens) {
            fields.push(("authorization", &authorization));
        }
        if self.has(T::ForgesUser) {
            fields.push(("x_user-id", "root"));
        }
        if self.has(T::OtherOrigin) {
            fields.push(("origin", "https://evil.example"));
        } else if self.has(T::Preflight) {
            fields.push(("origin", "https://app.example"));
        }
        if self.has(T::Preflight) {
            fields.push(("access-control-request-method", "POST"));
        }
        if self.has(T::Mirrors) {
            let name = if self.has(T::MirrorsFalsely) { "subtract" } else { self.says.first() };
            fields.push(("mcp-protocol-version", "2026-07-28"));
            fields.push(("mcp-method", "tools/call"));
            fields.push(("mcp-name", name));
        }
        let session = self.mcp_session.id();
        fields.extend(session.map(|id| ("mcp-session-id", id)));
        if self.has(T::TwoMcpSessions) {
            fields.push(("mcp_session_id", "another"));
        }
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.as_bytes().to_vec());
        RequestHead::new(fields.into_iter().map(owned).collect())
    }

    pub(crate) fn method(self) -> &'static str {
        match () {
            () if self.has(T::Preflight) => "OPTIONS",
            () if self.has(T::Get) => "GET",
            () => "POST",
        }
    }

    /// A preflight has one too, unless it is told otherwise: then it is none.
    pub(crate) fn has_body(self) -> bool {
        !self.has(T::Get)
    }

    pub(crate) fn body(self) -> Vec<u8> {
        let call = |name: &str| json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name}});
        let mut body = match self.says {
            Says::Nothing => Vec::new(),
            Says::Garbage => b"{".to_vec(),
            Says::AddAndDelete => json!([call("add"), call("delete_note")]).to_string().into(),
            Says::Add | Says::Delete | Says::Pay => call(self.says.first()).to_string().into(),
        };
        if self.has(T::FatBody) {
            body.resize(BODY_LIMIT + 1, b' ');
        }
        body
    }

    pub(crate) fn username(self) -> &'static str {
        if self.has(T::OtherUser) { "bob" } else { "alice" }
    }

    pub(crate) fn issuer(self) -> &'static str {
        if self.has(T::OfObservedIssuer) { OBSERVED_ISSUER } else { ISSUER }
    }

    pub(crate) fn expires_at(self) -> u64 {
        START + 60 * (4 * 60_u64).saturating_sub(self.short.into())
    }

    pub(crate) fn kid(self) -> &'static str {
        match () {
            () if self.has(T::UnknownKey) => "unknown",
            () if self.has(T::OfObservedIssuer) => "fixed",
            () if self.has(T::SecondKey) => "second",
            () => "first",
        }
    }

    pub(crate) fn sid(self) -> String {
        self.session.to_string()
    }

    fn token(self) -> String {
        let pick = |twist, twisted, plain| if self.has(twist) { twisted } else { plain };
        let header = json!({
            "alg": pick(T::OtherAlgorithm, "EdDSA", "ES256"),
            "typ": pick(T::OtherType, "dpop+jwt", "at+jwt"),
            "kid": self.kid(),
        });
        let scopes = [(T::MayNotRead, "read"), (T::MayNotWrite, "write")];
        let scopes: Vec<_> = scopes.iter().filter(|it| !self.has(it.0)).map(|it| it.1).collect();
        let mut claims = json!({
            "iss": pick(T::OfUnknownIssuer, "https://else.example/", self.issuer()),
            "aud": pick(T::ForAnotherServer, "https://else.example", "https://mcp.example.com/mcp"),
            "client_id": pick(T::OtherClient, "stranger", "app"),
            "tenant": pick(T::OtherTenant, "theirs", "ours"),
            "acr": pick(T::WeakLogin, "weak", "strong"),
            "sub": self.username(),
            "sid": self.sid(),
            "iat": if self.has(T::LongLife) { START - 100_000 } else { START },
            "exp": self.expires_at(),
            "scope": scopes.join(" "),
        });
        if self.has(T::NotYetValid) {
            claims["nbf"] = (START + 600).into();
        }
        if self.has(T::Garbled) {
            claims["sub"] = 7.into();
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signature = [u8::from(!self.has(T::Unsigned)); 64];
        format!("{}.{}.{}", part(&header), part(&claims), URL_SAFE_NO_PAD.encode(signature))
    }
}

impl Says {
    /// The tool that is called first.
    pub(crate) fn first(self) -> &'static str {
        match self {
            Self::Add | Self::AddAndDelete | Self::Nothing | Self::Garbage => "add",
            Self::Delete => "delete_note",
            Self::Pay => "pay",
        }
    }
}

impl McpSession {
    pub(crate) fn id(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::One => Some("mcp-session-one"),
            Self::Two => Some("mcp-session-two"),
        }
    }
}
