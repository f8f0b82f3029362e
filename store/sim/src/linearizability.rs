//! Is a history of one key explained by a single register? Wing and Gong's search with Lowe's memory of visited states,
//! as in the checker "porcupine".
//!
//! An operation without an answer may take effect at any later time, or never.

use std::collections::HashSet;

use crate::history::{Action, Operation};

/// Search steps before the verdict is [`Verdict::Unknown`].
pub const STEPS_MAX: usize = 5_000_000;

/// What the search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order that explains every answer.
    Linearizable,
    /// There is none. Holds the longest explained prefix's length.
    Illegal {
        /// How many operations the best attempt explained.
        explained: usize,
    },
    /// The search was given up.
    Unknown,
}

/// The register's next value, or `None` when the operation cannot have seen this one.
fn step(value: u64, action: Action, answered: bool) -> Option<u64> {
    match action {
        Action::Read { found } => (found == value).then_some(value),
        Action::Write { value: written } => Some(written),
        Action::Swap { expected, value: written, swapped } => {
            let swaps = expected == value;
            match swapped {
                Some(swapped) if answered && swapped != swaps => None,
                _ if swaps => Some(written),
                _ => Some(value),
            }
        }
    }
}

/// Judges the operations of one key. The key is absent at first.
pub fn check(operations: &[Operation]) -> Verdict {
    let mut search = Search::new(operations);
    search.run(STEPS_MAX)
}

#[derive(Debug, Clone, Copy)]
struct Event {
    operation: usize,
    is_call: bool,
}

/// Doubly linked list over events, by index; 0 is the head.
struct Search<'a> {
    operations: &'a [Operation],
    events: Vec<Event>,
    next: Vec<usize>,
    previous: Vec<usize>,
    answer_of: Vec<usize>,
    done: Vec<u64>,
}

impl<'a> Search<'a> {
    fn new(operations: &'a [Operation]) -> Search<'a> {
        let mut order: Vec<(u64, Event)> = Vec::with_capacity(2 * operations.len());
        for (operation, what) in operations.iter().enumerate() {
            order.push((what.call, Event { operation, is_call: true }));
            order.push((what.answer.unwrap_or(u64::MAX), Event { operation, is_call: false }));
        }
        order.sort_by_key(|(time, event)| (*time, !event.is_call));
        let mut events = vec![Event { operation: usize::MAX, is_call: false }];
        events.extend(order.into_iter().map(|(_, event)| event));
        let count = events.len();
        let mut answer_of = vec![0; operations.len()];
        for (at, event) in events.iter().enumerate().skip(1).filter(|(_, event)| !event.is_call) {
            answer_of[event.operation] = at;
        }
        Search {
            operations,
            next: (1..=count).collect(),
            previous: (0..count + 1).map(|at| at.saturating_sub(1)).collect(),
            events,
            answer_of,
            done: vec![0; operations.len().div_ceil(64)],
        }
    }

    fn run(&mut self, steps_max: usize) -> Verdict {
        let end = self.events.len();
        let answered = self.operations.iter().filter(|operation| operation.answer.is_some()).count();
        let mut visited: HashSet<(Vec<u64>, u64)> = HashSet::new();
        let mut stack: Vec<(usize, u64)> = Vec::new();
        let mut value = 0;
        let mut explained_answers = 0;
        let mut best = 0;
        let mut at = self.next[0];
        for _ in 0..steps_max {
            // What is left has no answer and need not have happened.
            if explained_answers == answered {
                return Verdict::Linearizable;
            }
            best = best.max(stack.len());
            let event = (at < end).then(|| self.events[at]);
            match event {
                Some(event) if event.is_call => {
                    let operation = self.operations[event.operation];
                    let next_value = step(value, operation.action, operation.answer.is_some());
                    let fresh = next_value.is_some_and(|next_value| {
                        self.mark(event.operation, true);
                        let fresh = visited.insert((self.done.clone(), next_value));
                        if !fresh {
                            self.mark(event.operation, false);
                        }
                        fresh
                    });
                    if let Some(next_value) = next_value.filter(|_| fresh) {
                        stack.push((at, value));
                        value = next_value;
                        explained_answers += usize::from(operation.answer.is_some());
                        self.lift(at);
                        at = self.next[0];
                    } else {
                        at = self.next[at];
                    }
                }
                // An answer whose operation is not placed yet, or the end: take the last placement back.
                _ => {
                    let Some((call, before)) = stack.pop() else { return Verdict::Illegal { explained: best } };
                    let operation = self.events[call].operation;
                    value = before;
                    explained_answers -= usize::from(self.operations[operation].answer.is_some());
                    self.mark(operation, false);
                    self.unlift(call);
                    at = self.next[call];
                }
            }
        }
        Verdict::Unknown
    }

    fn mark(&mut self, operation: usize, done: bool) {
        let bit = 1 << (operation % 64);
        match done {
            true => self.done[operation / 64] |= bit,
            false => self.done[operation / 64] &= !bit,
        }
    }

    /// Takes a call and its answer out of the list.
    fn lift(&mut self, call: usize) {
        for at in [call, self.answer_of[self.events[call].operation]] {
            let (previous, next) = (self.previous[at], self.next[at]);
            self.next[previous] = next;
            self.previous[next] = previous;
        }
    }

    /// Puts them back, in the opposite order.
    fn unlift(&mut self, call: usize) {
        for at in [self.answer_of[self.events[call].operation], call] {
            let (previous, next) = (self.previous[at], self.next[at]);
            self.next[previous] = at;
            self.previous[next] = at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(action: Action, call: u64, answer: u64) -> Operation {
        let answer = (answer > 0).then_some(answer);
        Operation { client: 0, key: 0, action, call, answer, revision: 0, wrote: false }
    }

    fn read(found: u64, call: u64, answer: u64) -> Operation {
        operation(Action::Read { found }, call, answer)
    }

    fn write(value: u64, call: u64, answer: u64) -> Operation {
        operation(Action::Write { value }, call, answer)
    }

    fn swap(expected: u64, value: u64, swapped: Option<bool>, call: u64, answer: u64) -> Operation {
        operation(Action::Swap { expected, value, swapped }, call, answer)
    }

    fn is_linearizable(operations: &[Operation]) -> bool {
        match check(operations) {
            Verdict::Linearizable => true,
            Verdict::Illegal { .. } => false,
            Verdict::Unknown => panic!("a short history was not decided"),
        }
    }

    // proves: ST-37
    #[test]
    fn histories_of_a_register_are_told_from_others() {
        assert!(is_linearizable(&[]));
        assert!(is_linearizable(&[write(1, 1, 2), read(1, 3, 4)]));
        assert!(!is_linearizable(&[write(1, 1, 2), read(0, 3, 4)]), "stale read");
        assert!(!is_linearizable(&[read(1, 1, 2), write(1, 3, 4)]), "read from the future");
        assert!(is_linearizable(&[write(1, 1, 10), read(0, 2, 3), read(1, 4, 5)]), "concurrent write");
        assert!(!is_linearizable(&[write(1, 1, 10), read(1, 2, 3), read(0, 4, 5)]), "value goes back");
        assert!(is_linearizable(&[write(1, 1, 2), write(2, 3, 0), read(1, 4, 5), read(2, 6, 7)]), "unknown, late");
        assert!(is_linearizable(&[write(1, 1, 2), write(2, 3, 0), read(1, 4, 5)]), "unknown, never");
        assert!(!is_linearizable(&[write(2, 3, 0), read(2, 4, 5), read(0, 6, 7)]), "unknown write is undone");
        assert!(!is_linearizable(&[read(2, 1, 2), write(2, 3, 0)]), "unknown write before its call");
    }

    #[test]
    fn conditional_writes_are_judged_by_what_they_answered() {
        assert!(is_linearizable(&[swap(0, 1, Some(true), 1, 2), read(1, 3, 4)]));
        assert!(!is_linearizable(&[swap(0, 1, Some(false), 1, 2)]), "refused though the value was there");
        let both = [swap(0, 1, Some(true), 1, 10), swap(0, 2, Some(true), 2, 11)];
        assert!(!is_linearizable(&both), "two winners");
        assert!(is_linearizable(&[write(5, 1, 2), swap(5, 6, None, 3, 0), read(6, 4, 5)]));
        assert!(is_linearizable(&[write(5, 1, 2), swap(4, 6, None, 3, 0), read(5, 4, 5)]));
        assert!(!is_linearizable(&[write(5, 1, 2), swap(4, 6, None, 3, 0), read(6, 4, 5)]));
    }

    #[test]
    fn many_concurrent_writes_are_decided() {
        let mut operations: Vec<_> = (1..=12).map(|value| write(value, value, 100 + value)).collect();
        operations.push(read(7, 200, 201));
        assert!(is_linearizable(&operations));
        operations.push(read(8, 202, 203));
        assert!(!is_linearizable(&operations));
    }
}
