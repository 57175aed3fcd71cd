//! The session's gateway: opened when the first address is asked for, told which card is on the screen.
//!
//! An app that shows cards with the platform's player asks for addresses of the card on the screen and of those around
//! it. Only the one on the screen is watched: what a player prepares beside it outranks nobody.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use unspool_engine::MediaKey;
use unspool_media::{Gateway, GatewayError, GatewayLimits, Media};

use crate::error::Error;

/// The gateway, once somebody wanted it.
#[derive(Debug)]
pub(crate) struct Gate {
    handle: Handle,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    gateway: Option<Arc<Gateway>>,
    shown: Option<MediaKey>,
    closed: bool,
}

impl Gate {
    pub(crate) fn new(handle: &Handle) -> Self {
        Gate { handle: handle.clone(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address of `key`.
    pub(crate) fn url(&self, media: &Arc<Media>, key: &MediaKey) -> Result<String, Error> {
        let mut state = self.state();
        if state.closed {
            return Err(Error::ShutDown);
        }
        let gateway = match &state.gateway {
            Some(gateway) => gateway.clone(),
            None => {
                let limits = GatewayLimits::default();
                let opened = Gateway::open(Arc::clone(media), limits, self.handle.clone()).map_err(public)?;
                state.gateway.insert(Arc::new(opened)).clone()
            }
        };
        let url = match gateway.url(key) {
            // The last resume found no port; perhaps there is one now.
            Err(GatewayError::Closed) => gateway.rebind().and_then(|()| gateway.url(key)),
            url => url,
        };
        if state.shown.as_ref().is_some_and(|shown| shown != key) {
            gateway.set_watched(key, false);
        }
        url.map_err(public)
    }

    /// Says what is on the screen.
    pub(crate) fn show(&self, key: Option<&MediaKey>) {
        let mut state = self.state();
        if state.shown.as_ref() == key {
            return;
        }
        let before = std::mem::replace(&mut state.shown, key.cloned());
        let Some(gateway) = &state.gateway else { return };
        if let Some(before) = before {
            gateway.set_watched(&before, false);
        }
        if let Some(key) = key {
            gateway.set_watched(key, true);
        }
    }

    /// Listens anew after a suspension; addresses given out before are dead. Without a port the next address tries again.
    pub(crate) fn rebind(&self) {
        if let Some(gateway) = self.state().gateway.clone()
            && let Err(error) = gateway.rebind()
        {
            tracing::warn!(%error, "the gateway does not listen");
        }
    }

    pub(crate) async fn close(&self, within: Duration) {
        let gateway = {
            let mut state = self.state();
            state.closed = true;
            state.gateway.take()
        };
        if let Some(gateway) = gateway {
            gateway.shutdown(within).await;
        }
    }
}

fn public(error: GatewayError) -> Error {
    match error {
        GatewayError::Unknown => Error::Config { reason: "no such rendition in the open feed".to_owned() },
        GatewayError::Closed => Error::ShutDown,
        GatewayError::Bind(_) | GatewayError::Random => Error::Internal { reason: error.to_string() },
    }
}
