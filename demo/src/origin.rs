//! The reference server as a process of its own, and its control address.

use std::error::Error;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use crate::DemoArgs;

/// Making the clips takes minutes on a slow machine; a server that says nothing for this long hangs.
const READY_WITHIN: Duration = Duration::from_secs(900);
const CONTROL_WITHIN: Duration = Duration::from_secs(10);
/// Invented items that moderators labelled: one of about twelve, so that a person meets one soon and not at once.
const LABELLED: [(u32, &str); 6] = [
    (7, "graphic-media"),
    (18, "conspiracy"),
    (31, "graphic-media"),
    (42, "scam"),
    (55, "graphic-media"),
    (66, "state_media"),
];

/// A server this demo talks to.
pub struct Origin {
    /// Where the contract is spoken.
    pub url: String,
    control: Option<String>,
    client: reqwest::Client,
    child: Mutex<Option<Child>>,
    own: bool,
}

#[derive(Deserialize)]
struct Ready {
    listening: String,
    control: String,
}

impl Origin {
    /// Starts this binary again as the server, or takes the running one that was named.
    pub async fn start(args: &DemoArgs, state: &Path) -> Result<Self, Box<dyn Error>> {
        let client = reqwest::Client::builder().timeout(CONTROL_WITHIN).build()?;
        if let Some(url) = &args.origin {
            return Ok(Origin {
                url: url.clone(),
                control: args.control.clone(),
                client,
                child: Mutex::new(None),
                own: false,
            });
        }
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("origin").args(["--listen", &preferred_address(state)]).arg("--state").arg(state);
        command.args(["--clips", &args.clips.to_string(), "--parent-pid", &std::process::id().to_string()]);
        if let Some(media) = &args.media {
            command.arg("--media").arg(media);
        }
        if let Some(network) = &args.network {
            command.args(["--network", network]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
        // A Ctrl-C is for this process, which ends the server when everything was sent.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().ok_or("the server has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(READY_WITHIN, lines.next_line()).await??;
        let line = line.ok_or("the server ended before it was ready; its reason stands above")?;
        let ready: Ready = serde_json::from_str(&line)?;
        std::fs::write(state.join("address"), ready.listening.trim_start_matches("http://"))?;
        Ok(Origin {
            url: ready.listening,
            control: Some(ready.control),
            client,
            child: Mutex::new(Some(child)),
            own: true,
        })
    }

    /// Whether this demo started the server, so that its logs are at hand.
    pub fn is_own(&self) -> bool {
        self.own
    }

    /// The network's settings, and its trace from the start.
    pub async fn restart_network(&self) -> Result<Value, Box<dyn Error>> {
        self.set_down(false).await?;
        match &self.control {
            Some(control) => self.get(control, "/control/network").await,
            None => Err("the server has no control address".into()),
        }
    }

    /// Takes the network away, or brings it back as it was shaped.
    pub async fn set_down(&self, down: bool) -> Result<(), Box<dyn Error>> {
        let Some(control) = &self.control else { return Ok(()) };
        let mut network = self.get(control, "/control/network").await?;
        network["down"] = json!(down);
        let request = self.client.put(format!("{control}/control/network")).json(&network);
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// Distinct events of one installation and kind in the server's database; `None` without a control address.
    pub async fn distinct(&self, installation: &str, name: &str) -> Result<Option<u64>, Box<dyn Error>> {
        let Some(control) = &self.control else { return Ok(None) };
        let answer = self.get(control, &format!("/control/events?installation={installation}")).await?;
        let events = answer["events"].as_array().ok_or("the server listed no events")?;
        Ok(Some(events.iter().filter(|e| e["event_name"] == name).count() as u64))
    }

    /// Likes the server holds for a person; `None` without a control address.
    pub async fn likes(&self, actor: &str) -> Result<Option<u64>, Box<dyn Error>> {
        let Some(control) = &self.control else { return Ok(None) };
        let answer = self.get(control, &format!("/control/interactions?actor={actor}")).await?;
        let states = answer["interactions"].as_array().ok_or("the server listed no likes")?;
        Ok(Some(states.iter().filter(|e| e["verb"] == "like" && e["state"] == true).count() as u64))
    }

    /// The network's settings.
    pub async fn network(&self) -> Result<Value, Box<dyn Error>> {
        match &self.control {
            Some(control) => self.get(control, "/control/network").await,
            None => Ok(json!({})),
        }
    }

    /// Replaces the network's settings, and gives those that hold now.
    pub async fn set_network(&self, settings: &Value) -> Result<Value, Box<dyn Error>> {
        let control = self.control.as_ref().ok_or("the server has no control address")?;
        let answer = self.client.put(format!("{control}/control/network")).json(settings).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// What the server's books say of one client: bytes, requests, records and likes; null without a control address.
    pub async fn books(&self, client: &str, installation: &str) -> Result<Value, Box<dyn Error>> {
        let Some(control) = &self.control else { return Ok(Value::Null) };
        let stats = self.get(control, "/control/stats").await?;
        let events = self.get(control, &format!("/control/events?installation={installation}")).await?;
        let events = events["events"].as_array().ok_or("the server listed no events")?;
        Ok(json!({
            "bytes": stats["bytes_by_client"][client].as_u64().unwrap_or(0),
            "requests": stats["answered"],
            "inFlight": stats["in_flight"],
            "records": events.len(),
            "impressions": events.iter().filter(|e| e["event_name"] == unspool::IMPRESSION).count(),
            "likes": self.likes(client).await?,
        }))
    }

    /// Puts a label on an item, as a moderator does.
    pub async fn label(&self, item: &str, label: &str) -> Result<(), Box<dyn Error>> {
        let control = self.control.as_ref().ok_or("the server has no control address")?;
        let labelled = json!({ "id": item, "labels": [label], "creator_labels": [], "gone": false });
        let request = self.client.post(format!("{control}/control/labels")).json(&labelled);
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// Labels some of the invented items, so that there is something to be covered.
    pub async fn moderate(&self) -> Result<(), Box<dyn Error>> {
        if self.control.is_some() {
            for (number, label) in LABELLED {
                self.label(&format!("item-{number:05}"), label).await?;
            }
        }
        Ok(())
    }

    /// Ends the server this demo started.
    pub async fn stop(&self) {
        let child = self.child.lock().await.take();
        if let (Some(mut child), Some(control)) = (child, &self.control) {
            let asked = self.client.post(format!("{control}/control/shutdown")).send().await;
            if asked.is_err() || tokio::time::timeout(CONTROL_WITHIN, child.wait()).await.is_err() {
                // It is told to end by force; if that fails too it ends with this process, which it watches.
                let _ = child.kill().await;
            }
        }
    }

    async fn get(&self, control: &str, path: &str) -> Result<Value, Box<dyn Error>> {
        let answer = self.client.get(format!("{control}{path}")).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }
}

/// The address of the last run in this state directory if it is free, so that addresses in a saved feed stay good.
fn preferred_address(state: &Path) -> String {
    let last = std::fs::read_to_string(state.join("address")).unwrap_or_default();
    match std::net::TcpListener::bind(last.trim()) {
        Ok(_) => last.trim().to_owned(),
        Err(_) => "127.0.0.1:0".to_owned(),
    }
}
