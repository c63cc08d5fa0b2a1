//! The inquiry into what a request calls: from its headers where they may be believed, else from its
//! body, or both, and then they have to agree (MCP 2026-07-28, "Server Validation").

use super::{call::Call, message::MessageReader, mirrored::Mirrored, policy::CallPolicy};
use crate::{
    denial::Denial, mcp::protocol_version::ProtocolVersion, needs::Needs, request_head::RequestHead,
};

/// How far the inquiry has come.
pub(crate) enum Inquiry {
    /// There is nothing to learn: no rules, or a request that cannot carry a call.
    Idle,
    /// The calls are known.
    Done(Learned),
    /// They cannot be learned.
    Failed(Denial),
    /// The body has to tell.
    Reading(Box<Reading>),
}

/// What was learned.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Learned {
    /// The rules that some call falls under, each once.
    rules: Vec<usize>,
    /// The first call that falls under a rule, else the first.
    pub(crate) call: Option<Call>,
    calls: usize,
}

/// A body that is being read.
pub(crate) struct Reading {
    reader: MessageReader,
    /// What the headers say, where they say anything.
    mirrored: Option<Mirrored>,
    /// How many bytes may still come.
    left: usize,
    learned: Learned,
    /// Whether a call was there that no rule can judge, or that the headers did not announce.
    spoiled: bool,
}

impl Inquiry {
    /// Begins it. `body_limit` is there where bodies can be read.
    pub(crate) fn begin(
        policy: &CallPolicy,
        body_limit: Option<usize>,
        head: &RequestHead,
        body_follows: bool,
    ) -> Self {
        let is_bare = || {
            !body_follows
                && matches!(head.text(":method"), Some("GET" | "HEAD" | "DELETE" | "OPTIONS"))
        };
        if !policy.applies() || is_bare() {
            return Self::Idle;
        }
        match Self::of_calls(policy, body_limit, head, body_follows) {
            Ok(inquiry) => inquiry,
            Err(denial) => Self::Failed(denial),
        }
    }

    fn of_calls(
        policy: &CallPolicy,
        body_limit: Option<usize>,
        head: &RequestHead,
        body_follows: bool,
    ) -> Result<Self, Denial> {
        let mirrored = mirrored(head)?;
        if let (Some(mirrored), true) = (&mirrored, policy.trusts_headers) {
            let mut learned = Learned::default();
            learned.add(policy, mirrored.to_call())?;
            return Ok(Self::Done(learned));
        }
        let limit = body_limit.filter(|_| body_follows).ok_or(Denial::MalformedRequest)?;
        check_coding(head)?;
        if content_length(head).is_some_and(|length| length > limit as u64) {
            return Err(Denial::BodyTooLarge);
        }
        Ok(Self::Reading(Box::new(Reading {
            reader: MessageReader::new(),
            mirrored,
            left: limit,
            learned: Learned::default(),
            spoiled: false,
        })))
    }

    /// Whether the body has to be waited for.
    pub(crate) fn is_reading(&self) -> bool {
        matches!(self, Self::Reading(_))
    }

    /// How many bytes are kept of the body, but for what is kept of each.
    pub(crate) fn kept(&self) -> usize {
        match self {
            Self::Reading(reading) => reading.reader.kept(),
            Self::Idle | Self::Done(_) | Self::Failed(_) => 0,
        }
    }

    /// Takes the next bytes of the body.
    pub(crate) fn feed(&mut self, policy: &CallPolicy, chunk: &[u8], last: bool) {
        let Self::Reading(reading) = self else { return };
        match reading.feed(policy, chunk, last) {
            Ok(None) => {}
            Ok(Some(learned)) => *self = Self::Done(learned),
            Err(denial) => *self = Self::Failed(denial),
        }
    }

    /// The call to tell an operator about.
    pub(crate) fn call(&self) -> Option<&Call> {
        match self {
            Self::Done(learned) => learned.call.as_ref(),
            Self::Idle | Self::Failed(_) | Self::Reading(_) => None,
        }
    }
}

impl Learned {
    /// Adds what the rules want of the calls to what every request needs.
    pub(crate) fn needs(&self, base: &Needs, policy: &CallPolicy) -> Needs {
        let mut needs = base.clone();
        self.rules.iter().for_each(|nth| needs.and(&policy.rules[*nth].needs));
        needs
    }

    /// The rules that some call falls under.
    #[cfg(feature = "operator")]
    pub(crate) fn rules<'p>(
        &self,
        policy: &'p CallPolicy,
    ) -> impl Iterator<Item = &'p super::policy::CallRule> {
        self.rules.iter().map(|nth| &policy.rules[*nth])
    }

    fn add(&mut self, policy: &CallPolicy, call: Call) -> Result<(), Denial> {
        let rules = policy.rules_for(&call).map_err(|_| Denial::MalformedRequest)?;
        self.calls += 1;
        if self.call.is_none() || (self.rules.is_empty() && !rules.is_empty()) {
            self.call = Some(call);
        }
        for rule in rules {
            if !self.rules.contains(&rule) {
                self.rules.push(rule);
            }
        }
        Ok(())
    }
}

impl Reading {
    /// What was learned, once the last bytes are there.
    fn feed(
        &mut self,
        policy: &CallPolicy,
        chunk: &[u8],
        last: bool,
    ) -> Result<Option<Learned>, Denial> {
        self.left = self.left.checked_sub(chunk.len()).ok_or(Denial::BodyTooLarge)?;
        let Self { reader, mirrored, learned, spoiled, .. } = self;
        let mut on_call = |call: Call| {
            let announced = mirrored.as_ref().is_none_or(|mirrored| mirrored.announces(&call));
            *spoiled |= !announced || learned.add(policy, call).is_err();
        };
        reader.feed(chunk, &mut on_call).map_err(|_| Denial::MalformedRequest)?;
        if !last {
            return if self.spoiled { Err(Denial::MalformedRequest) } else { Ok(None) };
        }
        reader.finish(&mut on_call).map_err(|_| Denial::MalformedRequest)?;
        let is_one_call = !self.reader.is_batch() && self.learned.calls == 1;
        if self.spoiled || (self.mirrored.is_some() && !is_one_call) {
            return Err(Denial::MalformedRequest);
        }
        Ok(Some(std::mem::take(&mut self.learned)))
    }
}

/// What the headers of a request say that nobody compared with its body: for logs only.
pub(crate) fn announced(head: &RequestHead) -> Option<Call> {
    mirrored(head).ok().flatten().map(|mirrored| mirrored.to_call())
}

/// What the headers say, where the version of the protocol has them say anything.
fn mirrored(head: &RequestHead) -> Result<Option<Mirrored>, Denial> {
    let malformed = Denial::MalformedRequest;
    let Some(version) = head.only("mcp-protocol-version").map_err(|_| malformed)? else {
        return Ok(None);
    };
    if ProtocolVersion::parse(version).ok_or(malformed)? < ProtocolVersion::MIRRORED {
        return Ok(None);
    }
    let mirrored = Mirrored::read(head).map_err(|_| malformed)?;
    if mirrored.name.is_none() && Call::must_mirror_name(&mirrored.method) {
        return Err(malformed);
    }
    Ok(Some(mirrored))
}

/// Only plain UTF-8 JSON is read as the server will read it.
fn check_coding(head: &RequestHead) -> Result<(), Denial> {
    let malformed = Denial::MalformedRequest;
    let content_type = head.only("content-type").map_err(|_| malformed)?.ok_or(malformed)?;
    let content_type = std::str::from_utf8(content_type).map_err(|_| malformed)?;
    let mut parts = content_type.split(';').map(str::trim);
    let is_json =
        parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let is_utf8 = parts.all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let names_charset = name.trim().to_ascii_lowercase().starts_with("charset");
        !names_charset || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    let encoding = head.only("content-encoding").map_err(|_| malformed)?;
    let is_identity = encoding.is_none_or(|encoding| encoding.eq_ignore_ascii_case(b"identity"));
    if is_json && is_utf8 && is_identity { Ok(()) } else { Err(malformed) }
}

fn content_length(head: &RequestHead) -> Option<u64> {
    head.text("content-length")?.parse().ok()
}
