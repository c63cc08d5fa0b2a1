//! Stories to begin with: one for each thing that can become of a request. They are checked in for the
//! fuzzer, which would hardly find by chance what takes four right steps.

use crate::{
    step::{Answer, Fails, Keys, Known, McpSession, Request, Says, Step, Twist as T},
    tally::Tally,
};

/// A story and what it has to reach.
pub struct Seed {
    /// What it is about; the name of its file.
    pub name: &'static str,
    /// What happens.
    pub steps: Vec<Step>,
    /// What has to become of some request of it.
    pub reaches: Reached,
}

/// What can become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// This many went on with an identity.
    Forwarded(u32),
    /// One went on without.
    WithoutIdentity,
    /// A metadata document.
    Document,
    /// It was held, and left.
    Left,
    /// It was denied for this reason.
    Denied(&'static str),
}

/// The reasons that no story reaches, and why.
pub const OUT_OF_REACH: [(&str, &str); 2] = [
    ("too_many_bodies", "64 MiB or ten thousand requests are more than a story has"),
    ("not_configured", "there is no gate then"),
];

impl Seed {
    /// The bytes of its file.
    pub fn bytes(&self) -> Vec<u8> {
        self.steps.iter().flat_map(|step| step.write()).collect()
    }

    /// Whether it came to what it is about.
    pub fn is_reached_by(&self, tally: &Tally) -> bool {
        match self.reaches {
            Reached::Forwarded(times) => tally.forwarded == times,
            Reached::WithoutIdentity => tally.without_identity > 0,
            Reached::Document => tally.documents > 0,
            Reached::Left => tally.held > 0 && tally.left > 0,
            Reached::Denied(reason) => tally.denied.contains_key(reason),
        }
    }
}

/// All of them.
pub fn all() -> Vec<Seed> {
    [going_on(), denied_at_once(), denied_by_token(), denied_by_what_is_told(), outages()]
        .into_iter()
        .flatten()
        .collect()
}

const GOOD: Request =
    Request { twists: 0, says: Says::Add, session: 0, mcp_session: McpSession::None, short: 0 };
const DELETES: Request = Request { says: Says::Delete, ..GOOD };
const FETCH: Step = Step::Fetch(WELL);
const WELL: Answer = Answer {
    fails: Fails::No,
    keys: Keys::First,
    session: Known::Live,
    revokes: false,
    binds: McpSession::None,
};
const BODY: Step = Step::Body { of: 0, bytes: 255 };

/// A request that comes, waits for keys, session and MCP session, and sends its body.
fn whole(request: Request) -> [Step; 5] {
    [Step::Come(request), FETCH, FETCH, FETCH, BODY]
}

fn seed(name: &'static str, reaches: Reached, steps: &[Step]) -> Seed {
    Seed { name, steps: steps.to_vec(), reaches }
}

fn going_on() -> Vec<Seed> {
    use Reached::{Document, Forwarded, Left, WithoutIdentity};
    let get = GOOD.with(T::Get);
    let known = [Step::Come(get), FETCH, FETCH];
    let again = |request| [&known[..], &[Step::Come(request), BODY]].concat();
    let in_pieces = [[Step::Body { of: 0, bytes: 20 }; 4].as_slice(), &[BODY]].concat();
    let one = Request { mcp_session: McpSession::One, ..get };
    let initialized = Step::Respond { of: 0, well: true, names: McpSession::One };
    let rotated = Step::Fetch(Answer { keys: Keys::Both, ..WELL });
    vec![
        seed("forward", Forwarded(1), &whole(GOOD)),
        seed("forward-get", Forwarded(1), &known),
        seed("forward-cached", Forwarded(2), &again(GOOD)),
        seed("forward-delete", Forwarded(2), &again(DELETES)),
        seed("forward-pay", Forwarded(2), &again(Request { says: Says::Pay, ..GOOD })),
        seed("forward-batch", Forwarded(2), &again(Request { says: Says::AddAndDelete, ..GOOD })),
        seed("forward-mirrored", Forwarded(2), &again(DELETES.with(T::Mirrors))),
        seed("forward-forged-header", Forwarded(2), &again(GOOD.with(T::ForgesUser))),
        seed("forward-observed", Forwarded(1), &[Step::Come(get.with(T::OfObservedIssuer)), FETCH]),
        seed("forward-in-pieces", Forwarded(1), &[&whole(GOOD)[..4], &in_pieces].concat()),
        seed("forward-body-before-keys", Forwarded(1), &[Step::Come(GOOD), BODY, FETCH, FETCH]),
        seed(
            "forward-three-at-once",
            Forwarded(3),
            &[Step::Come(get), Step::Come(one), Step::Come(get), FETCH, FETCH, FETCH],
        ),
        seed(
            "forward-mcp-session",
            Forwarded(2),
            &[&whole(GOOD)[..], &[initialized, Step::Come(one), FETCH]].concat(),
        ),
        seed(
            "forward-second-key",
            Forwarded(2),
            &[&known[..], &[Step::Come(get.with(T::SecondKey)), rotated]].concat(),
        ),
        seed(
            "forward-answers-out-of-order",
            Forwarded(1),
            &[
                Step::Come(get),
                Step::Ask,
                Step::Answer { of: 1, answer: WELL },
                Step::Answer { of: 0, answer: WELL },
                FETCH,
            ],
        ),
        seed("public", WithoutIdentity, &[Step::Come(GOOD.with(T::OpenPath))]),
        seed("preflight", WithoutIdentity, &[Step::Come(get.with(T::Preflight))]),
        seed("document", Document, &[Step::Come(get.with(T::MetadataPath))]),
        seed("held-and-left", Left, &[Step::Come(GOOD), FETCH, Step::Leave { of: 0 }]),
    ]
}

fn denied_at_once() -> Vec<Seed> {
    let twist = |twist| Step::Come(GOOD.with(twist));
    let at_once = [
        ("malformed_request", "encoded-path", T::EncodedPath),
        ("malformed_request", "two-tokens", T::TwoTokens),
        ("malformed_request", "token-in-query", T::TokenInQuery),
        ("unmatched_path", "unmatched-path", T::UnknownPath),
        ("origin_not_allowed", "origin", T::OtherOrigin),
        ("missing_token", "no-token", T::NoToken),
        ("method_not_allowed", "post-to-metadata", T::MetadataPath),
    ];
    let with_body = Step::Come(GOOD.with(T::Preflight).with(T::NoToken));
    let mut seeds: Vec<Seed> =
        at_once.map(|(reason, name, it)| seed(name, Reached::Denied(reason), &[twist(it)])).into();
    seeds.push(seed("preflight-with-a-call", Reached::Denied("missing_token"), &[with_body]));
    seeds
}

fn denied_by_token() -> Vec<Seed> {
    let by_token = [
        ("malformed_token", "garbled", T::Garbled),
        ("algorithm_not_allowed", "algorithm", T::OtherAlgorithm),
        ("wrong_type", "type", T::OtherType),
        ("unknown_issuer", "issuer", T::OfUnknownIssuer),
        ("unknown_key", "key", T::UnknownKey),
        ("bad_signature", "unsigned", T::Unsigned),
        ("not_yet_valid", "not-yet", T::NotYetValid),
        ("wrong_audience", "audience", T::ForAnotherServer),
        ("lifetime_too_long", "lifetime", T::LongLife),
        ("client_not_allowed", "client", T::OtherClient),
        ("claim_not_allowed", "claim", T::OtherTenant),
        ("insufficient_scope", "read", T::MayNotRead),
        ("malformed_request", "two-mcp-sessions", T::TwoMcpSessions),
        ("body_too_large", "fat-body", T::FatBody),
    ];
    let mut seeds: Vec<_> = by_token
        .map(|(reason, name, it)| seed(name, Reached::Denied(reason), &whole(GOOD.with(it))))
        .into();
    let denied = Reached::Denied;
    let says = |says| Request { says, ..GOOD };
    let slowly = [Step::Pass { secs: 20 }, FETCH, Step::Pass { secs: 20 }, FETCH];
    let expiring = Step::Come(Request { short: 255, ..GOOD.with(T::Get) });
    seeds.extend([
        seed(
            "expires-in-the-cache",
            denied("expired"),
            &[expiring, FETCH, FETCH, Step::Pass { secs: 60 }, expiring],
        ),
        seed(
            "delete-without-scope",
            denied("insufficient_scope"),
            &whole(DELETES.with(T::MayNotWrite)),
        ),
        seed(
            "pay-after-weak-login",
            denied("insufficient_user_authentication"),
            &whole(says(Says::Pay).with(T::WeakLogin)),
        ),
        seed("garbage-body", denied("malformed_request"), &whole(says(Says::Garbage))),
        seed("empty-body", denied("malformed_request"), &whole(says(Says::Nothing))),
        seed(
            "headers-say-another-tool",
            denied("malformed_request"),
            &whole(DELETES.with(T::Mirrors).with(T::MirrorsFalsely)),
        ),
        seed(
            "body-takes-too-long",
            denied("body_timeout"),
            &[&whole(GOOD)[..4], &slowly, &[Step::Pass { secs: 22 }, FETCH]].concat(),
        ),
        // What was known of its session is not believed any more when the body has come.
        seed(
            "slow-body",
            Reached::Forwarded(1),
            &[&whole(GOOD)[..4], &slowly, &[BODY, FETCH]].concat(),
        ),
    ]);
    seeds
}

fn denied_by_what_is_told() -> Vec<Seed> {
    let denied = Reached::Denied;
    let get = GOOD.with(T::Get);
    let known = |session| {
        let told = Step::Fetch(Answer { session, ..WELL });
        [Step::Come(get), FETCH, told]
    };
    let later = |answer| {
        [&known(Known::Live)[..], &[Step::Pass { secs: 2 }, Step::Fetch(answer), Step::Come(get)]]
            .concat()
    };
    let one = Request { mcp_session: McpSession::One, ..GOOD };
    let of_bob = one.with(T::OtherUser).with(T::Get);
    let bound = Step::Fetch(Answer { binds: McpSession::One, ..WELL });
    let initialized = Step::Respond { of: 0, well: true, names: McpSession::One };
    let bobs = Step::Fetch(Answer { session: Known::OfTheOther, ..WELL });
    let bob_knows_it = Request { session: 1, ..of_bob };
    vec![
        seed("session-unknown", denied("session_not_found"), &known(Known::Unknown)),
        seed("session-of-another", denied("session_not_found"), &known(Known::OfTheOther)),
        seed("session-revoked", denied("session_revoked"), &known(Known::Revoked)),
        seed(
            "revoked-by-the-feed",
            denied("session_revoked"),
            &later(Answer { revokes: true, ..WELL }),
        ),
        seed(
            "key-withdrawn",
            denied("unknown_key"),
            &[
                &known(Known::Live)[..],
                &[Step::Pass { secs: 601 }, Step::Fetch(Answer { keys: Keys::Second, ..WELL })],
                &[Step::Come(get), Step::Pass { secs: 9 }],
            ]
            .concat(),
        ),
        seed(
            "mcp-session-bound-elsewhere",
            denied("session_of_another_user"),
            &[Step::Come(Request { twists: get.twists, ..one }), FETCH, bound, bound],
        ),
        seed(
            "mcp-session-of-another",
            denied("session_of_another_user"),
            &[&whole(GOOD)[..], &[initialized, Step::Come(bob_knows_it), bobs, bobs]].concat(),
        ),
        // The sidecar says of a session that it is nobody's, and meanwhile it has become somebody's.
        seed(
            "mcp-session-bound-during-the-look",
            denied("session_of_another_user"),
            &[
                &whole(GOOD)[..],
                &[Step::Come(bob_knows_it), bobs, Step::Ask],
                &[Step::Respond { of: 1, well: true, names: McpSession::One }],
                &[Step::Answer { of: 0, answer: WELL }, Step::Answer { of: 0, answer: WELL }],
            ]
            .concat(),
        ),
    ]
}

fn outages() -> Vec<Seed> {
    let denied = Reached::Denied;
    let get = GOOD.with(T::Get);
    let fails = |fails| Step::Fetch(Answer { fails, ..WELL });
    let no_keys =
        |name, how| seed(name, denied("jwks_unavailable"), &[Step::Come(get), fails(how)]);
    let no_session = |name, how| {
        seed(name, denied("sessions_unavailable"), &[Step::Come(get), FETCH, fails(how)])
    };
    vec![
        no_keys("no-keys-silence", Fails::Silence),
        no_keys("no-keys-error", Fails::ServerError),
        no_keys("no-keys-garbage", Fails::Garbage),
        seed("keys-never-asked-for", denied("jwks_unavailable"), &[Step::Come(get)]),
        no_session("no-session-silence", Fails::Silence),
        no_session("no-session-error", Fails::ServerError),
        no_session("no-session-garbage", Fails::Garbage),
        seed(
            "feed-lost",
            denied("sessions_unavailable"),
            &[
                &[Step::Come(get), FETCH, FETCH, Step::Pass { secs: 10 }],
                &[fails(Fails::Silence), Step::Pass { secs: 60 }, Step::Come(get)][..],
            ]
            .concat(),
        ),
        seed(
            "recovers",
            Reached::Forwarded(1),
            &[
                &[Step::Come(get), fails(Fails::Silence), Step::Pass { secs: 11 }],
                &[Step::Come(get), FETCH, FETCH][..],
            ]
            .concat(),
        ),
    ]
}
