//! The walk: chapters of steps, each printed with its answer, until one goes wrong.
//!
//! A chapter is an async function that takes [`Walk::step`]s; what one step finds out, the next
//! takes as a value. A new chapter is a file under `walk/` and a line in [`run`].

use anyhow::bail;

use crate::args::Options;
use crate::clock::Stopwatch;
use crate::report;
use crate::stack::Stack;

mod client;
mod gateway;
mod mcp;
mod sessions;
mod tokens;

/// What a step that went well has to say, and what later steps need of it.
pub(crate) struct Told<T> {
    pub(crate) text: String,
    pub(crate) found: T,
}

/// Why a step failed.
#[derive(Debug)]
pub(crate) struct Failure {
    expected: String,
    got: String,
}

/// A step has failed and was reported: there is nothing more to walk.
#[derive(Debug)]
pub(crate) struct Stopped;

/// Counts and reports the steps.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    taken: usize,
    passed: usize,
}

/// Starts the stack, takes every chapter, stops the stack, sums up in one line.
///
/// # Errors
/// If the stack does not start or a step fails.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let clock = Stopwatch::start();
    let stack = Stack::start(options).await?;
    let mut walk = Walk::default();
    let walked = chapters(&mut walk).await;
    let logs = stack.logs().to_owned();
    stack.stop().await;

    let Walk { taken, passed } = walk;
    anstream::println!();
    if walked.is_err() {
        bail!("step {taken} failed after {passed} passed; the logs are {}/*.log", logs.display());
    }
    anstream::println!("demo: {passed} of {taken} steps passed in {clock}");
    Ok(())
}

async fn chapters(walk: &mut Walk) -> Result<(), Stopped> {
    tokens::chapter(walk).await?;
    client::chapter(walk).await?;
    sessions::chapter(walk).await
}

impl Walk {
    /// Takes one step and reports what came of it.
    ///
    /// # Errors
    /// [`Stopped`] if it failed, which is reported already.
    pub(crate) async fn step<T>(
        &mut self,
        title: &str,
        step: impl Future<Output = Result<Told<T>, Failure>>,
    ) -> Result<T, Stopped> {
        self.taken += 1;
        report::step(self.taken, title);
        match step.await {
            Ok(Told { text, found }) => {
                self.passed += 1;
                report::answer(&text);
                Ok(found)
            }
            Err(Failure { expected, got }) => {
                report::failed(&expected, &got);
                Err(Stopped)
            }
        }
    }
}

/// A step that has nothing to hand on.
pub(crate) fn told(text: impl Into<String>) -> Told<()> {
    Told { text: text.into(), found: () }
}

impl Failure {
    pub(crate) fn new(expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self { expected: expected.into(), got: got.into() }
    }
}

/// Fails unless what came is what was expected.
pub(crate) fn expect<T: PartialEq + std::fmt::Display>(
    what: &str,
    expected: &T,
    got: &T,
) -> Result<(), Failure> {
    if expected == got {
        return Ok(());
    }
    Err(Failure::new(format!("{what} {expected}"), got.to_string()))
}

/// Turns an error into a failure that says what was expected instead.
pub(crate) trait Expecting<T> {
    fn expecting(self, what: &str) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> Expecting<T> for Result<T, E> {
    fn expecting(self, what: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(what, format!("{:#}", error.into())))
    }
}

impl<T> Expecting<T> for Option<T> {
    fn expecting(self, what: &str) -> Result<T, Failure> {
        self.ok_or_else(|| Failure::new(what, "none"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, Stopped, Told, Walk, told};

    #[tokio::test]
    async fn steps_hand_on_what_they_found_and_a_failure_ends_the_walk() {
        let mut walk = Walk::default();
        let found = walk.step("first", async { Ok(Told { text: "fine".into(), found: 7 }) }).await;
        assert_eq!(found.ok(), Some(7));
        assert!(walk.step("second", async { Ok(told("fine")) }).await.is_ok());
        let failed = walk.step("third", async { Err::<Told<()>, _>(Failure::new("a", "b")) }).await;
        assert!(matches!(failed, Err(Stopped)));
        assert_eq!((walk.taken, walk.passed), (3, 2));
    }
}
