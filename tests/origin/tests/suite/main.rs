//! The server from outside, over real sockets, with real clips.
#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap like tests do")]

mod contract;
mod faults;
mod log;
mod maker;
mod media;
mod network;
mod program;
mod social;
mod support;
mod telemetry;
mod tls;
