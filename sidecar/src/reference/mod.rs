//! The reference, made from what is described: the filter's configuration from its own reader, the
//! commands from the command line. `make docs` writes it to `docs/reference`; a test holds it fresh.

mod commands;
mod filter;

pub use self::{
    commands::commands,
    filter::{filter_configuration, filter_schema},
};
