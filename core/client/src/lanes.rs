//! The tasks that send what is queued on the device to the backend: records, wishes, comments and payments.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Url;
use tokio::runtime::Handle;
use unspool_engine::{Circumstances, Conditions, DeliveryConfig, Millis};
use unspool_media::Wire;

use crate::auth::Auth;
use crate::config::Config;
use crate::meter::Meter;
use crate::outbox::{Outbox, OutboxSender, OutboxSenderConfig, Teller, TellerConfig, TellerHandle};
use crate::owner;
use crate::spool::{Spool, SpoolLimits};
use crate::telemetry::{Uploader, UploaderConfig, UploaderHandle};

/// Longest random wait before telemetry goes out after a start: a push to a million phones spreads over five seconds, on
/// top of the thirty that records wait for company anyway. Flushes, nudges and going to the background do not wait.
const START_JITTER: Millis = Millis(5_000);

/// The tasks that send.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// Records, wishes and comments.
    couriers: [UploaderHandle; 3],
    teller: TellerHandle,
}

impl Lanes {
    /// Starts them; they end with their handles.
    pub(crate) fn start(
        base: Url,
        config: &Config,
        auth: &Auth,
        rooms: (&Spool, &Outbox),
        (client, meter): (Wire, &Meter),
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
        let hidden = owner::hidden(&account);
        // Intents of another account wait until a session of that account is opened.
        let tokens = Arc::new(move |of: &str| (of == account || of == hidden).then(|| auth.clone()));
        let sender_config = OutboxSenderConfig {
            request_timeout: config.request_timeout,
            online,
            meter: meter.clone(),
            ..OutboxSenderConfig::new(base.clone(), Arc::clone(&tokens) as _)
        };
        let wishes = OutboxSender::spawn(rooms.1.clone(), sender_config.clone(), client.clone(), handle);
        let comments = OutboxSender::spawn_comments(rooms.1.clone(), sender_config, client.clone(), handle);
        let teller_config = TellerConfig {
            request_timeout: config.request_timeout,
            seed,
            meter: meter.clone(),
            ..TellerConfig::new(base, tokens)
        };
        let teller = Teller::spawn(rooms.1.clone(), teller_config, client, online, handle);
        Lanes { couriers: [uploader, wishes, comments], teller }
    }

    /// What was just decided is sent soon.
    pub(crate) fn nudge(&self) {
        let [_, wishes, comments] = &self.couriers;
        wishes.nudge();
        comments.nudge();
        self.teller.nudge();
    }

    pub(crate) fn set_conditions(&self, conditions: Conditions) {
        for courier in &self.couriers {
            courier.set_online(conditions.online);
            courier.set_foreground(conditions.foreground);
        }
        self.teller.set_online(conditions.online);
    }

    pub(crate) fn set_cost(&self, cost: Circumstances) {
        for courier in &self.couriers {
            courier.set_circumstances(cost);
        }
    }

    /// There is a new token, or somebody signed in.
    pub(crate) fn refreshed(&self) {
        for courier in &self.couriers {
            courier.refreshed();
        }
        self.teller.nudge();
    }

    /// Sends what can be sent, for at most `within`.
    pub(crate) async fn flush(&self, within: Duration) {
        let couriers = join_all(self.couriers.iter().map(|courier| courier.flush(within)));
        tokio::join!(couriers, self.teller.flush(within));
    }

    /// The same, and ends every task.
    pub(crate) async fn stop(&self, within: Duration) {
        let couriers = join_all(self.couriers.iter().map(|courier| courier.stop(within)));
        let teller = async {
            self.teller.flush(within / 2).await;
            if !self.teller.stop(within / 2).await {
                tracing::warn!("a payment is under way; the next session asks what became of it");
            }
        };
        tokio::join!(couriers, teller);
    }
}
