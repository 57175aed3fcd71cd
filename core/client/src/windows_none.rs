//! A build without pipelines: players of the platform keep their own windows.

use std::time::Duration;

use unspool_engine::PlayerId;

use crate::error::Error;
use crate::players::Opened;

/// No windows.
#[derive(Debug)]
pub(crate) struct Windows;

impl Windows {
    pub(crate) fn new(_: Option<u64>) -> Self {
        Windows
    }

    pub(crate) fn attach(&self, _: &Opened) {}

    pub(crate) fn end(&self, _: Duration) {}

    pub(crate) fn prepared(&self, _: u64, _: PlayerId) {}

    pub(crate) fn playing(&self, _: PlayerId) {}

    pub(crate) fn released(&self, _: PlayerId) {}

    pub(crate) fn set_shared(&self, _: Option<u64>) -> Result<(), Error> {
        Ok(())
    }

    pub(crate) fn set_card(&self, _: u64, _: Option<u64>) -> Result<(), Error> {
        Ok(())
    }
}
