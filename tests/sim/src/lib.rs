//! A trace-driven simulator of somebody who swipes through a feed.
//!
//! It plays [`session::Session`]s for any [`policy::Policy`]: the planner that ships ([`shipped`]), published ones
//! ([`baselines`]), and oracles that know what no planner can. `README.md` beside this crate describes the commands and the
//! formats of every input.

// Milliseconds and bytes of a session are far below what 53 bits hold, and chunk counts below what 32 bits hold.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures of a simulation, bounded where they are read"
)]

pub mod baselines;
pub mod bridge;
pub mod catalog;
pub mod error;
pub mod knobs;
pub mod markov;
pub mod network;
pub mod people;
pub mod personal;
pub mod plot;
pub mod policy;
pub mod promises;
pub mod replay;
pub mod report;
pub mod roster;
pub mod run;
pub mod score;
pub mod session;
pub mod shipped;
pub mod sim;
pub mod tune;
pub mod world;
