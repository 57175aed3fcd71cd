//! .

pub mod spool;
pub mod telemetry;
