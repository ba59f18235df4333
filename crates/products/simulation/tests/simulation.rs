//! `make sim` runs the usual seeds, `make sim SEED=7` one.

use kobel_simulation::{History, run};

const SEEDS: u64 = 250;

fn simulate(seed: u64) -> History {
    let outcome = std::panic::catch_unwind(|| run(seed));
    outcome.unwrap_or_else(|_| panic!("seed {seed} fails; repeat it with `make sim SEED={seed}`"))
}

#[test]
fn what_was_acknowledged_outlasts_every_failure() {
    let seed = std::env::var("KOBEL_SIM_SEED").ok().filter(|seed| !seed.is_empty());
    let seed = seed.map(|seed| seed.parse::<u64>().expect("KOBEL_SIM_SEED is a number"));
    let seeds = seed.map_or(0..SEEDS, |seed| seed..seed + 1);
    let mut totals = History::default();
    seeds.for_each(|seed| totals.add(&simulate(seed)));
    println!("{totals:#?}");
    if seed.is_none() {
        let happened = [
            totals.uploads,
            totals.uploads_failed,
            totals.publications,
            totals.publications_failed,
            totals.calls,
            totals.calls_failed,
            totals.receptions,
            totals.repetitions,
            totals.deletions,
            totals.faults,
            totals.power_losses,
            totals.jumps,
        ];
        assert!(happened.iter().all(|count| *count > SEEDS / 10), "too little happened: {totals:#?}");
    }
}

#[test]
fn the_same_seed_makes_the_same_history() {
    for seed in 0..10 {
        assert_eq!(simulate(seed), simulate(seed), "seed {seed}");
    }
}
