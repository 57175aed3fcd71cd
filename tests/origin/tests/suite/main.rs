//! The server from outside, over real sockets, with real clips.

mod contract;
mod faults;
mod log;
mod maker;
mod media;
mod network;
mod program;
mod support;
mod telemetry;
