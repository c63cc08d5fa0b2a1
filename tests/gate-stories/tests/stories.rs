//! The seeds of the fuzz target `gate` are what they say; and stories made of them, changed a little,
//! get nobody past the model.

use std::{collections::BTreeSet, fs, path::Path};

use auth_core::denial::Denial;
use gate_stories::{
    MOST_STEPS, play,
    seeds::{self, OUT_OF_REACH},
    step::{SIZE, Step},
    tally::Tally,
};
use proptest::prelude::{any, prop, proptest};

#[test]
fn each_seed_comes_to_what_it_is_about() {
    for seed in seeds::all() {
        let tally = play(&seed.bytes());
        assert!(seed.is_reached_by(&tally), "{} came to {tally:?}", seed.name);
    }
}

#[test]
fn the_seeds_that_are_checked_in_reach_everything_that_can_become_of_a_request() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/gate");
    let mut names = BTreeSet::new();
    let mut tally = Tally::default();
    for file in fs::read_dir(&folder).expect("it is checked in") {
        let path = file.expect("it can be listed").path();
        tally += play(&fs::read(&path).expect("it can be read"));
        names.insert(path.file_name().expect("it has one").to_string_lossy().into_owned());
    }
    println!("{} seeds: {tally:#?}", names.len());
    let known: BTreeSet<String> = seeds::all().iter().map(|seed| seed.name.to_owned()).collect();
    assert_eq!(names, known, "cargo run -p gate-stories -- fuzz/seeds/gate");
    for seed in seeds::all() {
        let checked_in = fs::read(folder.join(seed.name)).expect("it is there");
        assert_eq!(checked_in, seed.bytes(), "{}: cargo run -p gate-stories", seed.name);
    }
    assert!(tally.forwarded > 10 && tally.without_identity > 0 && tally.documents > 0);
    assert!(tally.held > 10 && tally.left > 0 && tally.bound > 0);
    let reached: BTreeSet<&str> = tally.denied.keys().copied().collect();
    let out_of_reach = OUT_OF_REACH.map(|(reason, _)| reason);
    let all = Denial::ALL.iter().map(|denial| denial.reason());
    let wanted: BTreeSet<&str> = all.filter(|reason| !out_of_reach.contains(reason)).collect();
    assert_eq!(reached, wanted);
}

#[test]
fn a_step_is_its_bytes() {
    for step in seeds::all().iter().flat_map(|seed| &seed.steps) {
        assert_eq!(Step::read(step.write()), *step);
    }
}

proptest! {
    #[test]
    fn no_story_gets_anybody_past_the_model(
        chosen in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
        changes in prop::collection::vec((0..MOST_STEPS * SIZE, any::<u8>()), 0..6),
    ) {
        let seeds = seeds::all();
        let chosen = chosen.iter().map(|index| index.get(&seeds).bytes());
        let mut story: Vec<u8> = chosen.flatten().collect();
        for (place, byte) in changes {
            let length = story.len();
            story[place % length] = byte;
        }
        play(&story);
    }
}
