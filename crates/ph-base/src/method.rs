//! MCP methods as a closed set, because they are a metric label.

macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// A JSON-RPC method of MCP, in either direction; what is not known is [`Method::Other`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Method {
            $($(#[$doc])* $variant,)*
            /// Any method not listed here; forwarded untouched.
            Other,
        }

        impl Method {
            /// Every variant, `Other` last; the index of a variant is its `as usize`.
            pub const ALL: &[Self] = &[$(Self::$variant,)* Self::Other];

            /// The method named by `text`.
            pub fn parse(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    _ => Self::Other,
                }
            }

            /// The value of the `method` label.
            pub fn as_label(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other => "_OTHER",
                }
            }
        }
    };
}

methods! {
    /// Legacy handshake.
    Initialize = "initialize",
    /// Legacy liveness, either direction.
    Ping = "ping",
    /// Modern capabilities.
    ServerDiscover = "server/discover",
    /// Tools of a server.
    ToolsList = "tools/list",
    /// A tool call.
    ToolsCall = "tools/call",
    /// Prompts of a server.
    PromptsList = "prompts/list",
    /// One prompt.
    PromptsGet = "prompts/get",
    /// Resources of a server.
    ResourcesList = "resources/list",
    /// Resource templates.
    ResourcesTemplatesList = "resources/templates/list",
    /// One resource.
    ResourcesRead = "resources/read",
    /// Legacy subscription.
    ResourcesSubscribe = "resources/subscribe",
    /// Legacy unsubscription.
    ResourcesUnsubscribe = "resources/unsubscribe",
    /// Argument completion.
    CompletionComplete = "completion/complete",
    /// Legacy log level.
    LoggingSetLevel = "logging/setLevel",
    /// Modern subscription stream.
    SubscriptionsListen = "subscriptions/listen",
    /// State of a task.
    TasksGet = "tasks/get",
    /// Result of a task; blocks until it is done.
    TasksResult = "tasks/result",
    /// Tasks of a session.
    TasksList = "tasks/list",
    /// Ends a task.
    TasksCancel = "tasks/cancel",
    /// Answers a task's question.
    TasksUpdate = "tasks/update",
    /// Server to client: sample the model.
    SamplingCreateMessage = "sampling/createMessage",
    /// Server to client: ask the user.
    ElicitationCreate = "elicitation/create",
    /// Server to client: the client's roots.
    RootsList = "roots/list",
}

impl Method {
    /// How many values the `method` label can take.
    pub const COUNT: usize = Self::ALL.len();

    /// `true` for requests that stay open by design: counted and logged, but
    /// outside timeouts and every latency figure.
    pub fn is_stream(self) -> bool {
        matches!(self, Self::SubscriptionsListen | Self::TasksResult)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_round_trip_and_indices_are_dense() {
        for (i, m) in Method::ALL.iter().enumerate() {
            assert_eq!(*m as usize, i);
            assert_eq!(Method::parse(m.as_label()), *m);
        }
        assert_eq!(Method::parse("tools/call\n"), Method::Other);
    }
}
