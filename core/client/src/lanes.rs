//! The two tasks that send what is queued on the device to the backend: records, and what the person wants.

use std::sync::Arc;

use reqwest::{Client, Url};
use tokio::runtime::Handle;
use unspool_engine::{DeliveryConfig, Millis};

use crate::auth::Auth;
use crate::config::Config;
use crate::meter::Meter;
use crate::outbox::{Outbox, OutboxSender, OutboxSenderConfig};
use crate::spool::{Spool, SpoolLimits};
use crate::telemetry::{Uploader, UploaderConfig, UploaderHandle};

/// Longest random wait before telemetry goes out after a start: a push to a million phones spreads over five seconds, on
/// top of the thirty that records wait for company anyway. Flushes, nudges and going to the background do not wait.
const START_JITTER: Millis = Millis(5_000);

/// The two tasks that send.
#[derive(Debug)]
pub(crate) struct Lanes {
    pub(crate) uploader: UploaderHandle,
    pub(crate) sender: UploaderHandle,
}

impl Lanes {
    /// Starts both; they end with their handles.
    pub(crate) fn start(
        base: Url,
        config: &Config,
        auth: &Auth,
        rooms: (&Spool, &Outbox),
        (client, meter): (Client, &Meter),
        seed: u64,
        handle: &Handle,
    ) -> Self {
        let delivery = DeliveryConfig {
            close_age: Millis(u64::try_from(config.telemetry.send_every.as_millis()).unwrap_or(u64::MAX)),
            close_rows: u32::try_from(config.telemetry.batch_records).unwrap_or(u32::MAX),
            seed,
            start_jitter: START_JITTER,
            patient: true,
            cap_bytes: SpoolLimits::default().max_bytes,
            ..DeliveryConfig::default()
        };
        let online = config.conditions.online;
        let uploader_config = UploaderConfig {
            auth: Some(auth.clone()),
            delivery,
            request_timeout: config.request_timeout,
            online,
            meter: meter.clone(),
            ..UploaderConfig::new(base.clone())
        };
        let uploader = Uploader::spawn(rooms.0.clone(), uploader_config, client.clone(), handle);
        let (account, auth) = (config.account.clone(), auth.clone());
        // Intents of another account wait until a session of that account is opened.
        let tokens = Arc::new(move |of: &str| (of == account).then(|| auth.clone()));
        let sender_config = OutboxSenderConfig {
            request_timeout: config.request_timeout,
            online,
            meter: meter.clone(),
            ..OutboxSenderConfig::new(base, tokens)
        };
        let sender = OutboxSender::spawn(rooms.1.clone(), sender_config, client, handle);
        Lanes { uploader, sender }
    }
}
