//! What is abnormal about how somebody calls: its kinds, of whom, and the evidence.

use crate::ToolIdx;
use core::net::{Ipv4Addr, Ipv6Addr};
use std::fmt;
use std::sync::Arc;

/// What is abnormal. Closed: it is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum AnomalyKind {
    /// Many requests that could not show who they are from.
    AuthFailures,
    /// Far more calls than this client is used to make.
    Rate,
    /// A tool that this client has never called, long after it came.
    FirstUse,
    /// One tool or resource after the other is tried.
    Enumeration,
    /// Far more of its calls fail than did, and than those of others do.
    Errors,
    /// A message far larger than those of this client.
    Size,
    /// A path that climbs out of its directory, or to where secrets are.
    PathTraversal,
    /// SQL that breaks out of a value.
    SqlInjection,
    /// A command of a shell behind a value.
    CommandInjection,
    /// An expression of a template engine.
    TemplateInjection,
    /// An address that only the server can reach.
    Ssrf,
    /// Arguments larger than configured.
    Oversized,
}

impl AnomalyKind {
    /// Every value, in index order.
    pub const ALL: [Self; 12] = [
        Self::AuthFailures,
        Self::Rate,
        Self::FirstUse,
        Self::Enumeration,
        Self::Errors,
        Self::Size,
        Self::PathTraversal,
        Self::SqlInjection,
        Self::CommandInjection,
        Self::TemplateInjection,
        Self::Ssrf,
        Self::Oversized,
    ];

    /// The value of the `kind` label.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::AuthFailures => "auth_failures",
            Self::Rate => "rate",
            Self::FirstUse => "first_use",
            Self::Enumeration => "enumeration",
            Self::Errors => "errors",
            Self::Size => "size",
            Self::PathTraversal => "path_traversal",
            Self::SqlInjection => "sql_injection",
            Self::CommandInjection => "command_injection",
            Self::TemplateInjection => "template_injection",
            Self::Ssrf => "ssrf",
            Self::Oversized => "oversized",
        }
    }

    /// The kind of a label's value.
    pub fn parse(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_label() == label)
    }

    /// It is seen in the arguments of one call, before the server has it.
    pub fn is_of_arguments(self) -> bool {
        self as u8 >= Self::PathTraversal as u8
    }
}

/// Who a request is from, as far as it can be told apart from others.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Caller {
    /// The name of its principal: shown by a key or a token.
    Shown(Arc<str>),
    /// Its `X-Client-Id`, where that is believed; visible ASCII.
    Named(Box<str>),
    /// Its address.
    V4(u32),
    /// Its network.
    V6 {
        /// The address, with zeros behind the prefix.
        network: Ipv6Addr,
        /// Leading bits that count.
        prefix: u8,
    },
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shown(name) => f.write_str(name),
            Self::Named(name) => f.write_str(name),
            Self::V4(bits) => Ipv4Addr::from_bits(*bits).fmt(f),
            Self::V6 {
                network,
                prefix: 128,
            } => network.fmt(f),
            Self::V6 { network, prefix } => write!(f, "{network}/{prefix}"),
        }
    }
}

/// What was found in the arguments of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What it looks like.
    pub kind: AnomalyKind,
    /// The argument's name; capped.
    pub argument: Box<str>,
    /// What stands there; capped, not yet redacted.
    pub excerpt: Box<str>,
}

impl Shape {
    /// Most bytes of a name and of an excerpt.
    pub const TEXT_BYTES_MAX: usize = 96;
}

/// Something abnormal, with the evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    /// What it is.
    pub kind: AnomalyKind,
    /// Of whom; `None`: of all together.
    pub caller: Option<Caller>,
    /// The tool of the call that showed it.
    pub tool: ToolIdx,
    /// What was usual.
    pub usual: Box<str>,
    /// What was seen.
    pub seen: Box<str>,
    /// Over which time.
    pub over: Box<str>,
    /// Such events of this caller that were counted since the last line and not told.
    pub untold: u64,
    /// For how many seconds the caller is refused now.
    pub blocked_s: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_back() {
        for (at, kind) in AnomalyKind::ALL.into_iter().enumerate() {
            assert_eq!(AnomalyKind::parse(kind.as_label()), Some(kind));
            assert_eq!(kind as usize, at);
        }
        assert_eq!(AnomalyKind::parse("nothing"), None);
        assert!(
            !AnomalyKind::Size.is_of_arguments() && AnomalyKind::PathTraversal.is_of_arguments()
        );
    }
}
