//! The reference server of Unspool: a real peer for tests and for the demo.
//!
//! It speaks native contract v1 (feed, interactions, comments, payments, signed media, OTLP logs), keeps what it was told in SQLite, and
//! writes an access log that is the truth about bytes: a line per request, written when the last byte of the answer was
//! handed to the socket or the connection ended. The network in front of it can be shaped and scripted faults can be
//! queued through a second, unshaped listener.
//!
//! How a request passes: [`conn`] accepts and counts bytes at the socket, [`gate`] applies the network and the faults and
//! opens the log line, a handler ([`api`], [`logs`], [`media`]) answers, [`exchange`] paces the body and closes the line.
//! What is served comes from [`catalogue`], which [`maker`] fills with real clips, and [`feed`] orders.

pub mod access;
pub mod api;
pub mod captions;
pub mod catalogue;
pub mod cli;
pub mod clock;
pub mod comments;
pub mod conn;
pub mod contract;
pub mod control;
pub mod digests;
pub mod error;
pub mod exchange;
pub mod faults;
pub mod feed;
pub mod folder;
pub mod gate;
pub mod logs;
pub mod maker;
pub mod media;
pub mod moderation;
pub mod network;
pub mod parent;
pub mod playlist;
pub mod ranges;
pub mod recipes;
pub mod reports;
pub mod serve;
pub mod shaper;
pub mod sign;
pub mod store;
pub mod thumbnails;
pub mod tls;
pub mod tokens;
pub mod wallets;

pub use error::OriginError;
pub use serve::{Config, Media, Running, serve};
