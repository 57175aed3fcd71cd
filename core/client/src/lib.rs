//! .

pub mod outbox;
pub mod spool;
pub mod telemetry;
