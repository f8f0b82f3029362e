//! Which events are posted, which only count an earlier one up, and which are too many. Pure.
//!
//! As upstream's correlator (client-go `tools/record`): equal events are one object with a count; many that differ in
//! their message only become one that says so; and an object about which there is too much to say is cut off for a while.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use std::collections::{HashMap, HashSet};

/// Entries that each of the memories holds; one that is full starts anew, and equal events become new objects (upstream:
/// 4,096).
const REMEMBERED_MAX: usize = 4096;
/// Messages about one object, for one reason, that are told apart; from then on they are combined (upstream: 10).
const MESSAGES_MAX: usize = 10;
/// Until messages are told apart again (upstream: 10 min).
const COMBINED_SECONDS: i64 = 600;
/// Events of one type about one object at once; further ones wait for the refill (upstream: 25).
const BURST_EVENTS: f64 = 25.0;
/// Until one more of them is let through (upstream: 5 min).
const REFILL_SECONDS: f64 = 300.0;
/// What stands before the message of an event that stands for several.
const COMBINED: &str = "(combined from similar events): ";

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
    /// Messages by what they are about, and when the last was heard.
    messages: HashMap<String, (HashSet<String>, Timestamp)>,
    /// Events that are left, and as of when.
    budgets: HashMap<String, (f64, Timestamp)>,
}

impl Correlator {
    /// Decides, and remembers the event. It may become one that stands for several, which names no reporter.
    pub(super) fn decide(&mut self, event: &mut Event, now: Timestamp) -> Decision {
        self.forget_what_is_too_much();
        let object = &event.involved_object;
        let texts = [&object.uid, &event.type_].map(|text| text.as_deref().unwrap_or_default());
        let about = texts.join("\n");
        let similar = format!("{about}\n{}", event.reason.as_deref().unwrap_or_default());
        let message = event.message.clone().unwrap_or_default();
        let (messages, last) = self.messages.entry(similar.clone()).or_insert_with(|| (HashSet::new(), now));
        if now.as_second() - last.as_second() > COMBINED_SECONDS {
            messages.clear();
        }
        *last = now;
        let key = if messages.contains(&message) || messages.len() + 1 < MESSAGES_MAX {
            let key = format!("{similar}\n{}\n{message}", object.field_path.as_deref().unwrap_or_default());
            messages.insert(message);
            key
        } else {
            event.message = Some(format!("{COMBINED}{message}"));
            (event.reporting_component, event.reporting_instance) = (None, None);
            similar
        };
        let decision = self.count(key, event.metadata.name.as_deref().unwrap_or_default());
        if self.is_too_much(about, now) { Decision::Drop } else { decision }
    }

    fn count(&mut self, key: String, name: &str) -> Decision {
        match self.known.get_mut(&key) {
            Some((name, count)) => {
                *count = count.saturating_add(1);
                Decision::Repeat(name.clone(), *count)
            }
            None => {
                self.known.insert(key, (name.to_owned(), 1));
                Decision::Create
            }
        }
    }

    fn is_too_much(&mut self, about: String, now: Timestamp) -> bool {
        let budget = self.budgets.entry(about).or_insert((BURST_EVENTS, now));
        let refilled = now.duration_since(budget.1).as_secs_f64() / REFILL_SECONDS;
        *budget = ((budget.0 + refilled).min(BURST_EVENTS), now);
        if budget.0 < 1.0 {
            return true;
        }
        budget.0 -= 1.0;
        false
    }

    fn forget_what_is_too_much(&mut self) {
        if self.known.len() >= REMEMBERED_MAX {
            self.known.clear();
        }
        if self.messages.len() >= REMEMBERED_MAX {
            self.messages.clear();
        }
        if self.budgets.len() >= REMEMBERED_MAX {
            self.budgets.clear();
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
        event.reporting_component = Some("kubelet".into());
        event
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn equal_events_count_up_and_a_flood_of_one_type_is_cut_off_until_there_is_room_again() {
        let mut correlator = Correlator::default();
        let mut decide = |name: &str, kind: &str, second| {
            let mut event = event(name, "x");
            event.type_ = Some(kind.to_owned());
            correlator.decide(&mut event, at(second))
        };
        assert_eq!(decide("a", "Warning", 0), Decision::Create);
        for count in 2..=25 {
            assert_eq!(decide("b", "Warning", 0), Decision::Repeat("a".into(), count));
        }
        assert_eq!(decide("b", "Warning", 0), Decision::Drop);
        assert_eq!(decide("n", "Normal", 0), Decision::Create, "the other type has a budget of its own");
        assert_eq!(decide("b", "Warning", 300), Decision::Repeat("a".into(), 27));
        assert_eq!(decide("b", "Warning", 300), Decision::Drop);
    }

    #[test]
    fn from_the_tenth_message_on_they_are_combined_and_name_no_reporter() {
        let mut correlator = Correlator::default();
        let mut decide = |turn: i64, second| {
            let mut event = event(&turn.to_string(), &turn.to_string());
            (correlator.decide(&mut event, at(second)), event.message.unwrap(), event.reporting_component)
        };
        let kubelet = || Some("kubelet".to_owned());
        for turn in 1..=9 {
            assert_eq!(decide(turn, 0), (Decision::Create, turn.to_string(), kubelet()));
        }
        let combined = |turn: i64| format!("(combined from similar events): {turn}");
        assert_eq!(decide(10, 0), (Decision::Create, combined(10), None));
        assert_eq!(decide(11, 0), (Decision::Repeat("10".into(), 2), combined(11), None));
        assert_eq!(decide(12, 1000), (Decision::Create, "12".into(), kubelet()));
    }
}
