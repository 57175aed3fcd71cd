//! The TLS leg: an authority made at the start, a listener that shakes hands off the accept loop, HTTP/2 where asked for.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::conn::{Conn, ConnInfo, ConnIo};
use crate::error::OriginError;
use crate::shaper::Shaper;

/// How long a client may take to shake hands.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at once; further connections wait to be accepted.
const HANDSHAKES: usize = 256;
/// Name of the authority's certificate in the state folder.
const CA_FILE: &str = "ca.pem";

/// What clients of the TLS leg need to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The authority's certificate (PEM), new at every start.
    pub ca: PathBuf,
    /// `sha256/<base64>` of the server's own key, as clients pin it.
    pub pin: String,
}

/// Makes an authority and a certificate for this machine's loopback names; writes the authority's certificate into `state`.
///
/// # Errors
/// When the certificates cannot be made or written.
pub fn acceptor(state: &Path) -> Result<(TlsAcceptor, Credentials), OriginError> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    ca.distinguished_name.push(DnType::CommonName, "unspool-origin, for tests only");
    let authority = ca.self_signed(&ca_key)?;
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate()?;
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;

    let path = state.join(CA_FILE);
    std::fs::write(&path, authority.pem()).map_err(OriginError::io("cannot write", &path))?;
    let pin = format!("sha256/{}", STANDARD.encode(Sha256::digest(key.subject_public_key_info())));

    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), Credentials { ca: path, pin }))
}

/// Accepts TLS connections unless the network is down.
pub struct TlsListener {
    listener: TcpListener,
    shaper: Arc<Shaper>,
    acceptor: TlsAcceptor,
    shaking: JoinSet<Option<(ConnIo, SocketAddr)>>,
}

impl TlsListener {
    /// Wraps a bound listener.
    #[must_use]
    pub fn new(listener: TcpListener, shaper: Arc<Shaper>, acceptor: TlsAcceptor) -> Self {
        TlsListener { listener, shaper, acceptor, shaking: JoinSet::new() }
    }

    fn greet(&mut self, stream: tokio::net::TcpStream, address: SocketAddr) {
        let _ = stream.set_nodelay(true);
        let conn = Arc::new(Conn::new(true));
        if !self.shaper.admit(&conn) {
            let _ = stream.set_zero_linger();
            return;
        }
        let acceptor = self.acceptor.clone();
        self.shaking.spawn(async move {
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => Some((ConnIo::over_tls(stream, conn), address)),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "a handshake failed");
                    None
                }
                Err(_) => None,
            }
        });
    }
}

impl Listener for TlsListener {
    type Io = ConnIo;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (ConnIo, SocketAddr) {
        loop {
            tokio::select! {
                (stream, address) = Listener::accept(&mut self.listener), if self.shaking.len() < HANDSHAKES => {
                    self.greet(stream, address);
                }
                Some(shaken) = self.shaking.join_next() => {
                    if let Ok(Some(connection)) = shaken {
                        return connection;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for ConnInfo {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        ConnInfo(stream.io().conn())
    }
}
