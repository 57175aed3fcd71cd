//! What the errors of the rooms mean to an app.

use unspool_media::{MediaError, TlsError};

use crate::error::Error;
use crate::outbox::OutboxError;
use crate::spool::SpoolError;
use crate::store::StoreError;

pub(crate) fn spool_error(error: &SpoolError) -> Error {
    match error {
        SpoolError::InUse => Error::InUse,
        SpoolError::Closed => Error::ShutDown,
        SpoolError::Event(_) => Error::Config { reason: error.to_string() },
        SpoolError::Consent => Error::Internal { reason: error.to_string() },
        _ => Error::Storage { reason: error.to_string() },
    }
}

pub(crate) fn outbox_error(error: &OutboxError) -> Error {
    match error {
        OutboxError::Identifier
        | OutboxError::TooManyInterests
        | OutboxError::Order
        | OutboxError::Insufficient
        | OutboxError::Words
        | OutboxError::NoSuchComment
        | OutboxError::TooLate => Error::Config { reason: error.to_string() },
        OutboxError::Full => Error::Storage { reason: error.to_string() },
        OutboxError::Store(e) => spool_error(e),
    }
}

pub(crate) fn media_error(error: &MediaError) -> Error {
    match error {
        MediaError::Store(unspool_media::StoreError::InUse) => Error::InUse,
        MediaError::Store(e) => Error::Storage { reason: e.to_string() },
        MediaError::Closed => Error::ShutDown,
        MediaError::NotProbed | MediaError::Incomplete | MediaError::NotOneFile => {
            Error::NotComplete { reason: error.to_string() }
        }
        MediaError::InMemory => Error::Storage { reason: error.to_string() },
        MediaError::Client(_) => Error::Internal { reason: error.to_string() },
        MediaError::Tls(e) => tls_error(e),
    }
}

pub(crate) fn tls_error(error: &TlsError) -> Error {
    match error {
        TlsError::Platform(_) => Error::Internal { reason: error.to_string() },
        TlsError::Roots(_) | TlsError::Pin | TlsError::Pins | TlsError::NoContext => {
            Error::Config { reason: error.to_string() }
        }
    }
}

pub(crate) fn store_error(error: &StoreError) -> Error {
    Error::Storage { reason: error.to_string() }
}
