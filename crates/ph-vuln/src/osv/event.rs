//! Where versions begin or cease to be affected.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// One event of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Affected from this version on; `0` is before all.
    Introduced(String),
    /// No longer affected from this version on.
    Fixed(String),
    /// No longer affected beyond this version.
    LastAffected(String),
    /// The range says nothing of this version and those beyond; `*` is beyond all.
    Limit(String),
}

/// An object has one event by the schema; those of old databases have several.
#[derive(Debug, Default)]
pub(super) struct Events(pub(super) Vec<Event>);

impl<'de> Deserialize<'de> for Events {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EventsVisitor)
    }
}

struct EventsVisitor;

impl<'de> Visitor<'de> for EventsVisitor {
    type Value = Events;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event, `{\"introduced\": \"1.0\"}`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Events, A::Error> {
        let mut events = Vec::with_capacity(1);
        while let Some(key) = map.next_key::<String>()? {
            let make = match key.as_str() {
                "introduced" => Event::Introduced,
                "fixed" => Event::Fixed,
                "last_affected" => Event::LastAffected,
                "limit" => Event::Limit,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            events.push(make(map.next_value()?));
        }
        Ok(Events(events))
    }
}
