//! One step of a story, in eight bytes: whatever bytes a fuzzer makes up are steps, and a step that a
//! person wrote becomes bytes again. All zeros is a good request.

/// How many bytes a step takes.
pub const SIZE: usize = 8;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A request comes.
    Come(Request),
    /// More of the body of one that came, counted from the last.
    Body {
        /// Whose.
        of: u8,
        /// How much more; 255 is all that is left.
        bytes: u8,
    },
    /// One goes away.
    Leave {
        /// Which.
        of: u8,
    },
    /// What is due is asked for, and not answered yet.
    Ask,
    /// A call that is under way is answered.
    Answer {
        /// Which.
        of: u8,
        /// What is answered.
        answer: Answer,
    },
    /// What is due is asked for, and all that is under way answered.
    Fetch(Answer),
    /// The MCP server answers a request that went on.
    Respond {
        /// Which.
        of: u8,
        /// Whether with success.
        well: bool,
        /// Whether it names a session.
        names: McpSession,
    },
    /// Time passes.
    Pass {
        /// How much.
        secs: u16,
    },
}

/// A request, as what sets it apart from a good one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// One bit for each [`Twist`].
    pub twists: u32,
    /// What its body says.
    pub says: Says,
    /// One of four sessions that its token may belong to.
    pub session: u8,
    /// The MCP session that it names.
    pub mcp_session: McpSession,
    /// Minutes that its token lives less than four hours.
    pub short: u8,
}

/// A way in which a request is not the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Twist {
    Unsigned,
    ForAnotherServer,
    OfUnknownIssuer,
    OfObservedIssuer,
    SecondKey,
    UnknownKey,
    MayNotRead,
    MayNotWrite,
    OtherAlgorithm,
    OtherType,
    NotYetValid,
    Garbled,
    OtherClient,
    OtherTenant,
    WeakLogin,
    LongLife,
    NoToken,
    TwoTokens,
    TokenInQuery,
    ForgesUser,
    OpenPath,
    UnknownPath,
    EncodedPath,
    MetadataPath,
    Preflight,
    Get,
    OtherOrigin,
    /// Speaks 2026-07-28: its headers say what it calls.
    Mirrors,
    MirrorsFalsely,
    OtherUser,
    TwoMcpSessions,
    FatBody,
}

/// What a body says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Says {
    #[default]
    Add,
    Delete,
    Pay,
    AddAndDelete,
    Nothing,
    Garbage,
}

/// An MCP session, by its id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum McpSession {
    #[default]
    None,
    One,
    Two,
}

/// What provider and sidecar answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Whether anything comes.
    pub fails: Fails,
    /// The keys that are published.
    pub keys: Keys,
    /// What is known of the session.
    pub session: Known,
    /// The feed names the session that was asked for last.
    pub revokes: bool,
    /// Another worker has bound this MCP session for the other user meanwhile.
    pub binds: McpSession,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Fails {
    #[default]
    No,
    Silence,
    ServerError,
    Garbage,
}

/// Which keys are published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Keys {
    #[default]
    First,
    Second,
    Both,
}

/// What the sidecar says of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Known {
    #[default]
    Live,
    /// For ten more seconds.
    Ending,
    OfTheOther,
    Revoked,
    Unknown,
}

impl Request {
    /// The same with a twist.
    #[must_use]
    pub const fn with(self, twist: Twist) -> Self {
        Self { twists: self.twists | 1 << twist as u32, ..self }
    }

    /// Whether it has this twist.
    pub const fn has(self, twist: Twist) -> bool {
        self.twists & 1 << twist as u32 != 0
    }
}

impl Step {
    /// The step that these bytes are.
    pub fn read(bytes: [u8; SIZE]) -> Self {
        let [kind, a, b, c, d, e, f, _] = bytes;
        match kind % 8 {
            0 => Self::Come(Request {
                twists: u32::from_le_bytes([a, b, c, d]),
                says: one(&Says::ALL, e & 7),
                session: (e >> 3) & 3,
                mcp_session: one(&McpSession::ALL, e >> 5),
                short: f,
            }),
            1 => Self::Fetch(Answer::read([b, c, d, e, f])),
            2 => Self::Answer { of: a, answer: Answer::read([b, c, d, e, f]) },
            3 => Self::Ask,
            4 => Self::Body { of: a, bytes: 255 - b },
            5 => Self::Respond { of: a, well: b % 2 == 0, names: one(&McpSession::ALL, c) },
            6 => Self::Pass { secs: u16::from_le_bytes([a, b]) },
            _ => Self::Leave { of: a },
        }
    }

    /// Bytes that are this step.
    pub fn write(self) -> [u8; SIZE] {
        match self {
            Self::Come(it) => {
                let [a, b, c, d] = it.twists.to_le_bytes();
                let e = it.says as u8 | it.session << 3 | (it.mcp_session as u8) << 5;
                [0, a, b, c, d, e, it.short, 0]
            }
            Self::Fetch(answer) => answered(1, 0, answer),
            Self::Answer { of, answer } => answered(2, of, answer),
            Self::Ask => [3, 0, 0, 0, 0, 0, 0, 0],
            Self::Body { of, bytes } => [4, of, 255 - bytes, 0, 0, 0, 0, 0],
            Self::Respond { of, well, names } => [5, of, u8::from(!well), names as u8, 0, 0, 0, 0],
            Self::Pass { secs } => {
                let [a, b] = secs.to_le_bytes();
                [6, a, b, 0, 0, 0, 0, 0]
            }
            Self::Leave { of } => [7, of, 0, 0, 0, 0, 0, 0],
        }
    }
}

impl Answer {
    fn read([b, c, d, e, f]: [u8; 5]) -> Self {
        Self {
            // Most answers come, or a story of random bytes would be one long outage.
            fails: one(&Fails::ALL, b.saturating_sub(252)),
            keys: one(&Keys::ALL, c),
            session: one(&Known::ALL, d),
            revokes: e >= 128,
            binds: one(&McpSession::ALL, f.saturating_sub(253)),
        }
    }
}

fn answered(kind: u8, of: u8, answer: Answer) -> [u8; SIZE] {
    let Answer { fails, keys, session, revokes, binds } = answer;
    let rare = |value: u8, most: u8| if value == 0 { 0 } else { most + value };
    [
        kind,
        of,
        rare(fails as u8, 252),
        keys as u8,
        session as u8,
        if revokes { 128 } else { 0 },
        rare(binds as u8, 253),
        0,
    ]
}

fn one<T: Copy>(all: &[T], nth: u8) -> T {
    all[usize::from(nth) % all.len()]
}

impl Says {
    const ALL: [Self; 6] =
        [Self::Add, Self::Delete, Self::Pay, Self::AddAndDelete, Self::Nothing, Self::Garbage];
}

impl McpSession {
    const ALL: [Self; 3] = [Self::None, Self::One, Self::Two];
}

impl Fails {
    const ALL: [Self; 4] = [Self::No, Self::Silence, Self::ServerError, Self::Garbage];
}

impl Keys {
    const ALL: [Self; 3] = [Self::First, Self::Second, Self::Both];
}

impl Known {
    const ALL: [Self; 5] =
        [Self::Live, Self::Ending, Self::OfTheOther, Self::Revoked, Self::Unknown];
}
