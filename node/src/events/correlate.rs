//! Which events are posted, which only count an earlier one up, and which are too many. Pure.
//!
//! As upstream's correlator: equal events are one object with a count, and an object that causes a flood of different
//! ones is cut off for a while.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use std::collections::HashMap;

/// Events that are remembered; beyond, everything is forgotten and equal events become new objects (upstream: 4096).
const KNOWN_EVENTS_MAX: usize = 4096;
/// Events about one object at once; further ones wait for the refill (upstream: 25).
const BURST_EVENTS: f64 = 25.0;
/// Until one more event about an object is let through (upstream: 5 min).
const REFILL_SECONDS: f64 = 300.0;

/// What to do with an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is new.
    Create,
    /// It happened before, under this name; this is its count now.
    Repeat(String, i32),
    /// There are too many about this object.
    Drop,
}

/// What was posted.
#[derive(Debug, Default)]
pub(super) struct Correlator {
    known: HashMap<String, (String, i32)>,
    /// Events that are left, and as of when, by the uid of the object.
    budgets: HashMap<String, (f64, Timestamp)>,
}

impl Correlator {
    /// Decides, and remembers the event.
    pub(super) fn decide(&mut self, event: &Event, now: Timestamp) -> Decision {
        if self.known.len() >= KNOWN_EVENTS_MAX || self.budgets.len() >= KNOWN_EVENTS_MAX {
            *self = Self::default();
        }
        let object = event.involved_object.uid.clone().unwrap_or_default();
        let budget = self.budgets.entry(object.clone()).or_insert((BURST_EVENTS, now));
        let refilled = now.duration_since(budget.1).as_secs_f64() / REFILL_SECONDS;
        *budget = ((budget.0 + refilled).min(BURST_EVENTS), now);
        if budget.0 < 1.0 {
            return Decision::Drop;
        }
        budget.0 -= 1.0;
        let texts = [&event.involved_object.field_path, &event.type_, &event.reason, &event.message];
        let key = texts.iter().fold(object, |key, text| format!("{key}\n{}", text.as_deref().unwrap_or_default()));
        match self.known.get_mut(&key) {
            Some((name, count)) => {
                *count = count.saturating_add(1);
                Decision::Repeat(name.clone(), *count)
            }
            None => {
                self.known.insert(key, (event.metadata.name.clone().unwrap_or_default(), 1));
                Decision::Create
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, message: &str) -> Event {
        let mut event = Event { message: Some(message.into()), ..Event::default() };
        event.metadata.name = Some(name.into());
        event.involved_object.uid = Some("u".into());
        event
    }

    #[test]
    fn equal_events_count_up_and_a_flood_is_cut_off_until_there_is_room_again() {
        let mut correlator = Correlator::default();
        let now = Timestamp::from_second(1_000).unwrap();
        assert_eq!(correlator.decide(&event("a", "x"), now), Decision::Create);
        assert_eq!(correlator.decide(&event("b", "x"), now), Decision::Repeat("a".into(), 2));
        assert_eq!(correlator.decide(&event("c", "y"), now), Decision::Create);
        for turn in 3..25 {
            assert_ne!(correlator.decide(&event("d", &turn.to_string()), now), Decision::Drop);
        }
        assert_eq!(correlator.decide(&event("a", "x"), now), Decision::Drop);
        let later = Timestamp::from_second(1_300).unwrap();
        assert_eq!(correlator.decide(&event("a", "x"), later), Decision::Repeat("a".into(), 3));
        assert_eq!(correlator.decide(&event("a", "x"), later), Decision::Drop);
    }
}
