//! Fields that take one word of a closed list.

use serde_json::{Value as Json, json};

use crate::node::Node;
use crate::reader::Reader;
use crate::value::{REFERENCE, Value, anchored, read_choice};

/// Declares a closed list of words: the enum, the words as written, and a name for messages.
macro_rules! choice {
    (
        $(#[doc = $about:literal])+
        pub enum $name:ident {
            $( $(#[doc = $doc:literal])+ $variant:ident = $word:literal, )*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[doc = $doc])+ $variant, )*
        }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// The word in the configuration.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => $word, )*
                }
            }

            /// Reads the word; `None` when it is not in the list.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word {
                    $( $word => Some(Self::$variant), )*
                    _ => None,
                }
            }

            const WORDS: &'static [&'static str] = &[ $( $word, )* ];
        }

        impl $crate::value::Value for $name {
            type Limits = ();
            const ANY: () = ();

            fn read(
                node: &$crate::node::Node,
                _limits: &(),
                reader: &mut $crate::reader::Reader<'_>,
            ) -> Option<Self> {
                $crate::value::read_choice(node, Self::WORDS, Self::ALL, reader)
            }

            fn schema(_limits: &()) -> serde_json::Value {
                serde_json::json!({
                    "type": "string",
                    "anyOf": [
                        {"enum": Self::WORDS},
                        {"pattern": $crate::value::anchored($crate::value::REFERENCE)},
                    ],
                })
            }

            fn show(&self) -> serde_json::Value {
                self.as_str().into()
            }
        }
    };
}

pub(crate) use choice;

choice! {
    /// Whether the data listener serves `/metrics`.
    pub enum Exposure {
        /// While the listener is loopback.
        Auto = "auto",
        /// Always.
        Always = "always",
        /// Never.
        Never = "never",
    }
}

choice! {
    /// Who may use the admin listener.
    pub enum AdminAuth {
        /// Whoever reaches it, as an admin: it takes no address but loopback ones then, or asks for certificates.
        Local = "local",
        /// Holders of a key with a role, from anywhere.
        Keys = "keys",
    }
}

choice! {
    /// How the children of a stdio server are shared among client sessions.
    pub enum Isolation {
        /// One child per legacy session, one pool for stateless servers.
        Auto = "auto",
        /// One child per client session.
        Session = "session",
        /// Sessions share children, but for those of clients that the server could ask something.
        Shared = "shared",
        /// The same without that exception.
        SharedByAll = "shared_by_all",
    }
}

impl Isolation {
    /// Whether sessions share children.
    #[must_use]
    pub fn shares_sessions(self) -> bool {
        matches!(self, Self::Shared | Self::SharedByAll)
    }
}

choice! {
    /// Levels of log lines, from the most to the least talkative.
    pub enum LogLevel {
        /// Every step.
        Trace = "trace",
        /// What a developer asks for.
        Debug = "debug",
        /// Every call.
        Info = "info",
        /// What an operator should look at.
        Warn = "warn",
        /// What failed.
        Error = "error",
    }
}

choice! {
    /// When what was kept is safe on the disk.
    pub enum Fsync {
        /// Once a second.
        Interval = "interval",
        /// With each batch, some 20 ms after the call.
        Always = "always",
        /// Whenever the operating system likes.
        Os = "os",
    }
}

choice! {
    /// Kinds of records.
    pub enum RecordKind {
        /// Calls.
        Call = "call",
        /// Lines of stderr.
        Stderr = "stderr",
        /// What happened to a server or to Pilothouse.
        Event = "event",
        /// Lines of `log_files`.
        File = "file",
        /// Spans that servers sent in.
        Span = "span",
        /// Log records that servers sent in.
        Log = "log",
    }
}

choice! {
    /// What gives way when a sink is too far behind.
    pub enum WhenFull {
        /// Nothing, for as long as the store has the records.
        Block = "block",
        /// The oldest records are skipped, and counted.
        DropOldest = "drop_oldest",
        /// The newest records are skipped, and counted.
        DropNewest = "drop_newest",
    }
}

choice! {
    /// How spans are sent.
    pub enum OtlpProtocol {
        /// Protobuf over HTTP, usually port 4318.
        HttpProtobuf = "http/protobuf",
        /// gRPC, usually port 4317.
        Grpc = "grpc",
    }
}

choice! {
    /// What the calls of a limit are counted apart by.
    pub enum LimitKey {
        /// Who calls.
        Client = "client",
        /// The server.
        Server = "server",
        /// The JSON-RPC method.
        Method = "method",
        /// The tool of a `tools/call`.
        Tool = "tool",
    }
}

/// HTTP status of a refusal by a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefuseWith {
    /// 429, as HTTP has it.
    Status429,
    /// 200, with a JSON-RPC error.
    Status200,
}

impl RefuseWith {
    /// The status as a number.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Status429 => 429,
            Self::Status200 => 200,
        }
    }
}

impl Value for RefuseWith {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        let values = [Self::Status429, Self::Status200];
        read_choice(node, &["429", "200"], &values, reader)
    }

    /// A number is how it is written most often.
    fn schema(_limits: &()) -> Json {
        json!({"anyOf": [{"enum": [429, 200, "429", "200"]}, {"type": "string", "pattern": anchored(REFERENCE)}]})
    }

    fn show(&self) -> Json {
        self.status().into()
    }
}

choice! {
    /// What becomes of calls while what limits share cannot be asked.
    pub enum OnFailure {
        /// They pass.
        Open = "open",
        /// They are refused.
        Closed = "closed",
    }
}

choice! {
    /// Whose `X-Client-Id` is believed.
    pub enum ClientIdFrom {
        /// Nobody's.
        Nobody = "nobody",
        /// That of requests which come from `trusted_proxies`.
        Proxies = "proxies",
        /// Everybody's.
        Everybody = "everybody",
    }
}

choice! {
    /// The header in which proxies say whom a request is from.
    pub enum ForwardedBy {
        /// `X-Forwarded-For`.
        XForwardedFor = "x-forwarded-for",
        /// `Forwarded`, of RFC 7239.
        Forwarded = "forwarded",
    }
}
