//! A handful of fixed seeds. More: `SIM_SEEDS=100..200 cargo test -p store-sim --test seeds more_seeds -- --nocapture`.

use std::time::Duration;

use store_sim::{Plan, Report, run};

fn plan(seed: u64) -> Plan {
    Plan { seed, members: 3, clients: 5, safety: Duration::from_secs(20), liveness: Duration::from_secs(3) }
}

fn passes(plan: Plan) -> Report {
    let report = run(plan).unwrap_or_else(|violation| panic!("{violation}"));
    println!(
        "seed {}: {} operations, {} acknowledged writes, {} faults, {} observations",
        plan.seed,
        report.operations,
        report.acknowledged,
        report.trace.len(),
        report.observations
    );
    assert!(report.acknowledged > 100, "only {} writes were acknowledged", report.acknowledged);
    assert!(report.trace.len() > 10, "hardly anything went wrong");
    report
}

// proves: ST-37
#[test]
fn three_members_survive_seed_1() {
    passes(plan(1));
}

#[test]
fn three_members_survive_seed_2() {
    passes(plan(2));
}

#[test]
fn three_members_survive_seed_3() {
    passes(plan(3));
}

#[test]
fn five_members_survive_seed_4() {
    passes(Plan { members: 5, ..plan(4) });
}

#[test]
fn a_single_member_survives_seed_5() {
    passes(Plan { members: 1, ..plan(5) });
}

#[test]
fn more_seeds_can_be_asked_for() {
    let Ok(range) = std::env::var("SIM_SEEDS") else { return };
    let (from, to) = range.split_once("..").expect("SIM_SEEDS=FROM..TO");
    for seed in from.parse().expect("a number")..to.parse().expect("a number") {
        passes(Plan { members: if seed % 4 == 0 { 5 } else { 3 }, ..plan(seed) });
    }
}
