//! How long a decision takes natively, without a host: `cargo bench -p core-bench`.

use core_bench::{Bench, Scenario};
use divan::Bencher;

fn main() {
    divan::main();
}

#[divan::bench(args = Scenario::ALL.map(Scenario::name))]
fn decide(bencher: Bencher<'_, '_>, name: &str) {
    let scenario = Scenario::ALL.into_iter().find(|scenario| scenario.name() == name);
    let mut bench = Bench::new(scenario.expect("it is one of them"));
    bencher.bench_local(|| bench.decide());
}
