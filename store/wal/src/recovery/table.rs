//! What to do with a segment, given what its bytes show. The whole policy is in [`ROWS`]; a test walks all combinations
//! and wants exactly one row for each.
//!
//! The argument behind it: one batch is in flight at a time, a batch is written behind the last one and synced before
//! the next, and a segment is sealed before its successor gets a batch. So a crash can spoil only bytes that nothing
//! valid follows. Whatever does not verify and has a valid batch behind it, in this segment or in a later one, had been
//! acknowledged: that is damage, and the log refuses to open.

use crate::error::Damage;

/// Is the file as long as its header says?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Yes, or the header does not say.
    Full,
    /// No, or it does not even hold a header.
    Short,
}

/// Does the first block verify?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// Yes.
    Good,
    /// Wrong magic or checksum.
    Bad,
    /// Another format version.
    OtherVersion,
    /// Of another log, or under another segment's name.
    Foreign,
}

/// Does the segment follow the one before it?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// It is the first one there, or its sequence and first batch are the next ones.
    Follows,
    /// Something is missing between.
    Gap,
}

/// What stands where the next batch would stand?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The last batch was the seal.
    Sealed,
    /// A block of zeroes.
    Zero,
    /// No batch header of this segment, in a recycled file: bytes of its earlier use, or a header that was torn.
    Stale,
    /// No batch header of this segment, in a file that was zeroes: a header that was torn.
    TornHeader,
    /// A batch header of this segment whose records do not verify.
    TornBody,
    /// A batch header of this segment with another sequence.
    OtherBatch,
}

/// Does a valid batch header stand anywhere behind that place?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Later {
    /// No.
    No,
    /// Yes.
    Yes,
}

/// Which segments follow?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Following {
    /// None.
    None,
    /// One, whole, without a batch: a rotation that was cut short.
    Empty,
    /// Segments with batches, or ones that cannot be judged.
    Batches,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The segment is complete; go on with the following one.
    Next,
    /// The log ends here; writing goes on at this place.
    End,
    /// A batch that was never acknowledged was torn here: clear its header, say so, go on writing at this place.
    Cut,
    /// Set the empty following segment aside, then [`Decision::End`].
    EndAndUnrotate,
    /// Set the empty following segment aside, then [`Decision::Cut`].
    CutAndUnrotate,
    /// Change nothing and do not open.
    Refuse(Damage),
}

/// What was seen of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Length of the file.
    pub length: Length,
    /// First block.
    pub header: Header,
    /// Place in the log.
    pub chain: Chain,
    /// Where its batches stop.
    pub stop: Stop,
    /// Behind that.
    pub later: Later,
    /// The segments after it.
    pub following: Following,
}

/// One row: a combination matches when each fact is in its cell.
#[derive(Debug)]
pub struct Row {
    length: &'static [Length],
    header: &'static [Header],
    chain: &'static [Chain],
    stop: &'static [Stop],
    later: &'static [Later],
    following: &'static [Following],
    /// What is done.
    pub decision: Decision,
}

impl Row {
    /// Whether the row speaks about these facts.
    pub fn matches(&self, facts: &Facts) -> bool {
        self.length.contains(&facts.length)
            && self.header.contains(&facts.header)
            && self.chain.contains(&facts.chain)
            && self.stop.contains(&facts.stop)
            && self.later.contains(&facts.later)
            && self.following.contains(&facts.following)
    }
}

/// The decision for what was seen.
pub fn decide(facts: &Facts) -> Decision {
    ROWS.iter().find(|row| row.matches(facts)).expect("a test proves that the table is complete").decision
}

// Legend: `_` any value; the words are the variants above, in the order of the columns.
const ANY_LENGTH: &[Length] = &[Length::Full, Length::Short];
const FULL: &[Length] = &[Length::Full];
const SHORT: &[Length] = &[Length::Short];
#[cfg(test)]
const ANY_HEADER: &[Header] = &[Header::Good, Header::Bad, Header::OtherVersion, Header::Foreign];
const GOOD: &[Header] = &[Header::Good];
const BAD: &[Header] = &[Header::Bad];
const OTHER_VERSION: &[Header] = &[Header::OtherVersion];
const FOREIGN: &[Header] = &[Header::Foreign];
const ANY_CHAIN: &[Chain] = &[Chain::Follows, Chain::Gap];
const FOLLOWS: &[Chain] = &[Chain::Follows];
const GAP: &[Chain] = &[Chain::Gap];
const ANY_STOP: &[Stop] = &[Stop::Sealed, Stop::Zero, Stop::Stale, Stop::TornHeader, Stop::TornBody, Stop::OtherBatch];
const SEALED: &[Stop] = &[Stop::Sealed];
const CLEAN: &[Stop] = &[Stop::Zero, Stop::Stale];
const TORN: &[Stop] = &[Stop::TornHeader, Stop::TornBody];
const CLEAN_OR_TORN: &[Stop] = &[Stop::Zero, Stop::Stale, Stop::TornHeader, Stop::TornBody];
const OTHER_BATCH: &[Stop] = &[Stop::OtherBatch];
const ANY_LATER: &[Later] = &[Later::No, Later::Yes];
const NO: &[Later] = &[Later::No];
const YES: &[Later] = &[Later::Yes];
const ANY_FOLLOWING: &[Following] = &[Following::None, Following::Empty, Following::Batches];
const NONE: &[Following] = &[Following::None];
const EMPTY: &[Following] = &[Following::Empty];
const BATCHES: &[Following] = &[Following::Batches];
const SOME: &[Following] = &[Following::Empty, Following::Batches];

const fn row(
    length: &'static [Length],
    header: &'static [Header],
    chain: &'static [Chain],
    stop: &'static [Stop],
    later: &'static [Later],
    following: &'static [Following],
    decision: Decision,
) -> Row {
    Row { length, header, chain, stop, later, following, decision }
}

/// The policy.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    //  length      header         chain      stop           later      following      decision
    row(ANY_LENGTH, BAD,           ANY_CHAIN, ANY_STOP,      ANY_LATER, ANY_FOLLOWING, Decision::Refuse(Damage::SegmentHeader)),
    row(ANY_LENGTH, OTHER_VERSION, ANY_CHAIN, ANY_STOP,      ANY_LATER, ANY_FOLLOWING, Decision::Refuse(Damage::Version)),
    row(ANY_LENGTH, FOREIGN,       ANY_CHAIN, ANY_STOP,      ANY_LATER, ANY_FOLLOWING, Decision::Refuse(Damage::ForeignSegment)),
    row(SHORT,      GOOD,          ANY_CHAIN, ANY_STOP,      ANY_LATER, ANY_FOLLOWING, Decision::Refuse(Damage::ShortFile)),
    row(FULL,       GOOD,          GAP,       ANY_STOP,      ANY_LATER, ANY_FOLLOWING, Decision::Refuse(Damage::MissingSegment)),
    row(FULL,       GOOD,          FOLLOWS,   OTHER_BATCH,   ANY_LATER, ANY_FOLLOWING, Decision::Refuse(Damage::BatchSequence)),
    row(FULL,       GOOD,          FOLLOWS,   SEALED,        YES,       ANY_FOLLOWING, Decision::Refuse(Damage::AfterSeal)),
    row(FULL,       GOOD,          FOLLOWS,   SEALED,        NO,        NONE,          Decision::Refuse(Damage::MissingNextSegment)),
    row(FULL,       GOOD,          FOLLOWS,   SEALED,        NO,        SOME,          Decision::Next),
    row(FULL,       GOOD,          FOLLOWS,   CLEAN_OR_TORN, YES,       ANY_FOLLOWING, Decision::Refuse(Damage::MiddleBatch)),
    row(FULL,       GOOD,          FOLLOWS,   CLEAN_OR_TORN, NO,        BATCHES,       Decision::Refuse(Damage::LostTail)),
    row(FULL,       GOOD,          FOLLOWS,   CLEAN,         NO,        NONE,          Decision::End),
    row(FULL,       GOOD,          FOLLOWS,   CLEAN,         NO,        EMPTY,         Decision::EndAndUnrotate),
    row(FULL,       GOOD,          FOLLOWS,   TORN,          NO,        NONE,          Decision::Cut),
    row(FULL,       GOOD,          FOLLOWS,   TORN,          NO,        EMPTY,         Decision::CutAndUnrotate),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn all_facts() -> Vec<Facts> {
        let mut all = Vec::new();
        for &length in ANY_LENGTH {
            for &header in ANY_HEADER {
                for &chain in ANY_CHAIN {
                    for &stop in ANY_STOP {
                        for &later in ANY_LATER {
                            for &following in ANY_FOLLOWING {
                                all.push(Facts { length, header, chain, stop, later, following });
                            }
                        }
                    }
                }
            }
        }
        all
    }

    #[test]
    fn every_combination_of_facts_matches_exactly_one_row() {
        let all = all_facts();
        assert_eq!(all.len(), 2 * 4 * 2 * 6 * 2 * 3);
        for facts in all {
            let rows: Vec<_> = ROWS.iter().filter(|row| row.matches(&facts)).map(|row| row.decision).collect();
            assert_eq!(rows.len(), 1, "{facts:?}: {rows:?}");
        }
    }

    #[test]
    fn every_row_is_needed() {
        let all = all_facts();
        for row in ROWS {
            assert!(all.iter().any(|facts| row.matches(facts)), "{row:?}");
        }
    }

    #[test]
    fn nothing_with_a_valid_batch_behind_it_is_ever_cut() {
        for facts in all_facts() {
            let decision = decide(&facts);
            if facts.later == Later::Yes || facts.following == Following::Batches {
                assert!(matches!(decision, Decision::Refuse(_) | Decision::Next), "{facts:?}: {decision:?}");
                assert!(decision != Decision::Next || facts.stop == Stop::Sealed, "{facts:?}");
            }
        }
    }
}
