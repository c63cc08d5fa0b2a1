//! An Auth0 tenant is set up through its Management API, of which `double` is a copy that can be
//! made to fail.

#[cfg(test)]
mod client;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod double;
#[cfg(test)]
mod setup;
