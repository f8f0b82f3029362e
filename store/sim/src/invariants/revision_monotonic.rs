//! The revision in the answers never goes back in real time: an answer that came before a request was sent has no higher
//! revision than that request's answer. All requests are linearizable ones.

use super::Outcome;

pub(super) fn judge(outcome: &Outcome) -> Result<(), String> {
    let mut answers: Vec<(u64, i64)> =
        outcome.operations.iter().filter_map(|operation| Some((operation.answer?, operation.revision))).collect();
    answers.sort_unstable();
    // The highest revision of all answers up to each one.
    let mut highest = 0;
    for (_, revision) in &mut answers {
        highest = highest.max(*revision);
        *revision = highest;
    }
    for operation in outcome.operations.iter().filter(|operation| operation.answer.is_some()) {
        let before = answers.partition_point(|(answer, _)| *answer < operation.call);
        let floor = before.checked_sub(1).map_or(0, |last| answers[last].1);
        if operation.revision < floor {
            return Err(format!("revision {floor} had been answered before {operation:?}"));
        }
    }
    Ok(())
}
