//! A rendition in several files: HLS on demand whose playlist does not merely cut one.
//!
//! Every file has a row of its own in the store, with its own validators, size and checksums, and travels by its
//! rendition's route. The rest of the core sees one rendition with one address space, the [`Plan`]: a slot per part, in
//! the order of play, as long as the part is expected to be. [`Parts`] translates between the two.

mod assembled;
mod key;
mod parts;
mod plan;
mod relay;

pub(crate) use assembled::Assembled;
pub(crate) use key::{owner, sibling};
pub(crate) use parts::Parts;
pub(crate) use plan::{Plan, Rates, head_of};
pub(crate) use relay::Relay;
