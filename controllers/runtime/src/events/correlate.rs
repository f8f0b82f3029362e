//! Which events are posted, which count an earlier one up, and which are too many. Pure.
//!
//! As upstream's correlator (client-go `tools/record`): equal events are one object with a count; many that differ in
//! their message only become one that says so; and an object about which there is too much to say is cut off for a while.
//! Events of the newer form (client-go `tools/events`) are only counted, whatever they say.

use super::Note;
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};

/// Entries that each of the memories holds; one that is full starts anew, and equal events become new objects (upstream:
/// 4,096).
const REMEMBERED_MAX: usize = 4096;
/// Messages about one object, for one reason, that are told apart; from then on they are combined (upstream: 10).
const MESSAGES_MAX: usize = 10;
/// Until messages are told apart again (upstream: 10 min).
const COMBINED_SECONDS: i64 = 600;
/// Until an event of the newer form that repeats itself is a new one (upstream: 6 min).
const SERIES_SECONDS: i64 = 360;
/// Events of one source and type about one object at once; further ones wait for the refill (upstream: 25).
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
    known: HashMap<String, Known>,
    /// Messages by what they are about, and when the last was heard.
    messages: HashMap<String, (HashSet<String>, Timestamp)>,
    /// Events that are left, and as of when.
    budgets: HashMap<String, (f64, Timestamp)>,
}

#[derive(Debug)]
struct Known {
    name: String,
    count: i32,
    last: Timestamp,
}

impl Correlator {
    /// Decides, and remembers the event under the name that it would get. The message may become that of a combined one.
    pub(super) fn decide(&mut self, note: &mut Note, name: &str, now: Timestamp) -> Decision {
        self.forget_what_is_too_much();
        let object = &note.object;
        let texts = [&object.kind, &object.namespace, &object.name, &object.uid, &object.api_version];
        let texts = texts.map(|text| text.as_deref().unwrap_or_default()).join("\n");
        let about = format!("{}\n{texts}", note.component);
        let similar = format!("{about}\n{:?}\n{}", note.level, note.reason);
        if note.action.is_some() {
            let version = object.resource_version.as_deref().unwrap_or_default();
            return self.count(format!("{similar}\n{version}"), name, now, Some(SERIES_SECONDS));
        }
        let (messages, last) = self.messages.entry(similar.clone()).or_insert_with(|| (HashSet::new(), now));
        if now.as_second() - last.as_second() > COMBINED_SECONDS {
            messages.clear();
        }
        *last = now;
        let key = if messages.contains(&note.message) || messages.len() + 1 < MESSAGES_MAX {
            messages.insert(note.message.clone());
            format!("{similar}\n{}", note.message)
        } else {
            note.message.insert_str(0, COMBINED);
            note.is_combined = true;
            similar
        };
        let decision = self.count(key, name, now, None);
        if self.is_too_much(format!("{about}\n{:?}", note.level), now) { Decision::Drop } else { decision }
    }

    fn count(&mut self, key: String, name: &str, now: Timestamp, seconds_max: Option<i64>) -> Decision {
        let is_old = |known: &Known| seconds_max.is_some_and(|max| now.as_second() - known.last.as_second() > max);
        match self.known.get_mut(&key) {
            Some(known) if !is_old(known) => {
                known.count = known.count.saturating_add(1);
                known.last = now;
                Decision::Repeat(known.name.clone(), known.count)
            }
            _ => {
                self.known.insert(key, Known { name: name.to_owned(), count: 1, last: now });
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
    use super::super::Level;
    use super::*;
    use k8s_openapi::api::core::v1::ObjectReference;

    fn note(message: &str, action: Option<&'static str>) -> Note {
        Note {
            component: "replicaset-controller",
            level: Level::Normal,
            reason: "SuccessfulCreate".to_owned(),
            message: message.to_owned(),
            object: ObjectReference { uid: Some("u".to_owned()), ..ObjectReference::default() },
            action,
            is_combined: false,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn decide(correlator: &mut Correlator, message: &str, second: i64) -> (Decision, String) {
        let mut note = note(message, None);
        let decision = correlator.decide(&mut note, message, at(second));
        (decision, note.message)
    }

    #[test]
    fn equal_events_count_up() {
        let mut correlator = Correlator::default();
        assert_eq!(decide(&mut correlator, "x", 0).0, Decision::Create);
        assert_eq!(decide(&mut correlator, "y", 0).0, Decision::Create);
        assert_eq!(decide(&mut correlator, "x", 9).0, Decision::Repeat("x".to_owned(), 2));
    }

    #[test]
    fn from_the_tenth_message_on_they_are_combined_and_beyond_the_burst_dropped() {
        let mut correlator = Correlator::default();
        let decisions: Vec<_> = (1..=27).map(|turn| decide(&mut correlator, &turn.to_string(), 0)).collect();
        assert_eq!(decisions[8], (Decision::Create, "9".to_owned()));
        assert_eq!(decisions[9], (Decision::Create, "(combined from similar events): 10".to_owned()));
        let repeated = Decision::Repeat("10".to_owned(), 16);
        assert_eq!(decisions[24], (repeated, "(combined from similar events): 25".to_owned()));
        assert_eq!((&decisions[25].0, &decisions[26].0), (&Decision::Drop, &Decision::Drop));
        assert_eq!(decide(&mut correlator, "28", 300).0, Decision::Repeat("10".to_owned(), 19));
        assert_eq!(decide(&mut correlator, "29", 1000), (Decision::Create, "29".to_owned()));
    }

    #[test]
    fn each_type_has_a_burst_of_its_own_and_a_combined_event_says_that_it_is_one() {
        let mut correlator = Correlator::default();
        for turn in 1..=26 {
            let last = decide(&mut correlator, &turn.to_string(), 0).0;
            assert_eq!(last == Decision::Drop, turn == 26, "{turn}");
        }
        let mut other = Note { level: Level::Warning, ..note("w", None) };
        assert_eq!(correlator.decide(&mut other, "w", at(0)), Decision::Create);
        assert!(!other.is_combined);
        let mut late = note("27", None);
        correlator.decide(&mut late, "27", at(0));
        assert!(late.is_combined);
    }

    #[test]
    fn an_event_of_the_newer_form_repeats_itself_whatever_it_says() {
        let mut correlator = Correlator::default();
        let mut decide =
            |message: &str, second| correlator.decide(&mut note(message, Some("Scheduling")), message, at(second));
        assert_eq!(decide("0/1 nodes", 0), Decision::Create);
        assert_eq!(decide("0/2 nodes", 60), Decision::Repeat("0/1 nodes".to_owned(), 2));
        assert_eq!(decide("0/3 nodes", 500), Decision::Create, "a series ends when nothing comes for six minutes");
    }
}
