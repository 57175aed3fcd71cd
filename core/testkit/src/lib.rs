//! Test tools of Unspool: byte sources and disks that misbehave on request, and the contracts every byte source keeps.
//!
//! A contract suite is a function that takes a maker and panics with a sentence when a promise is broken, so that
//! every implementation runs the very same checks.

mod contract;
mod faulty_disk;
mod faulty_index;
mod file_source;

pub use contract::{byte_source_contract, byte_source_waiting_contract, pattern};
pub use faulty_disk::{DiskFault, FaultyDisk, Operation, Rule};
pub use faulty_index::FaultyIndex;
pub use file_source::FileSource;
