//! Random commands on several cells, with commits that fail, answers that are lost, callers that leave, and power
//! that goes at any moment; all from one seed. `SEED=7 cargo test -p kobel-cell --test simulation` repeats one.

mod simulation {
    pub mod model;
    pub mod world;
}

use simulation::world::World;

const SEEDS: u64 = 400;

#[test]
fn what_was_acknowledged_or_seen_outlasts_every_failure() {
    let seed = std::env::var("SEED").ok().map(|seed| seed.parse().expect("SEED is a number"));
    let seeds = seed.map_or(0..SEEDS, |seed: u64| seed..seed + 1);
    let mut totals = simulation::world::Totals::default();
    for seed in seeds.clone() {
        // The seed of a failure is the last one that is printed.
        println!("SEED={seed}");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        totals.add(&runtime.block_on(World::new(seed).run()));
    }
    println!("{totals:?}");
    if seeds.end - seeds.start > 1 {
        totals.assert_everything_happened();
    }
}

#[test]
fn the_same_seed_makes_the_same_history() {
    let totals = |seed| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(World::new(seed).run())
    };
    for seed in 0..10 {
        assert_eq!(totals(seed), totals(seed));
    }
}
