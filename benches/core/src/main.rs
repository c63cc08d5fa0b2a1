//! `core-bench SCENARIO COUNT`: decides COUNT requests of a scenario and says nothing. Run under
//! valgrind by `make bench-instructions`. Without arguments it lists the scenarios.

use anyhow::{Context as _, Result, bail};
use core_bench::{Bench, Scenario};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, count] = arguments.as_slice() else {
        if !arguments.is_empty() {
            bail!("usage: core-bench [SCENARIO COUNT]");
        }
        Scenario::ALL.iter().for_each(|scenario| println!("{}", scenario.name()));
        return Ok(());
    };
    let scenario = Scenario::ALL.into_iter().find(|scenario| scenario.name() == name);
    let mut bench = Bench::new(scenario.with_context(|| format!("no scenario {name}"))?);
    let count: usize = count.parse().context("COUNT is a whole number")?;
    for _ in 0..count {
        std::hint::black_box(bench.decide());
    }
    Ok(())
}
