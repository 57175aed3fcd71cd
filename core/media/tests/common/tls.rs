//! A certificate authority of the test's own, and a listener that speaks TLS and counts connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::serve::Listener;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use unspool_media::Pin;

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// HTTP/1.1 in plain text.
    Plain,
    /// HTTP/2 over TLS, or HTTP/1.1 over TLS for a client that cannot do better.
    Tls,
}

/// An authority that signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

/// What a server shows: its certificate, those it sends along, and its key.
pub struct Identity {
    chain: Vec<Certificate>,
    key: KeyPair,
}

/// What the server's certificate says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// The truth.
    Good,
    /// The name of another host.
    OtherHost,
    /// That its time is over.
    Expired,
}

impl Authority {
    pub fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let params = Self::params("an authority of a test");
        let certificate = params.self_signed(&key).unwrap();
        Authority { issuer: Issuer::new(params, key), certificate }
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    pub fn pin(&self) -> Pin {
        Pin::of_key(&self.issuer.key().subject_public_key_info())
    }

    /// An authority below this one.
    pub fn below(&self) -> Authority {
        let key = KeyPair::generate().unwrap();
        let params = Self::params("an authority in the middle");
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Authority { issuer: Issuer::new(params, key), certificate }
    }

    /// A server on this machine.
    pub fn identity(&self, says: Says) -> Identity {
        let names: &[&str] =
            if says == Says::OtherHost { &["other.example"] } else { &["localhost", "127.0.0.1"] };
        let mut params =
            CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap();
        if says == Says::Expired {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { chain: vec![certificate], key }
    }
}

impl Identity {
    pub fn pin(&self) -> Pin {
        Pin::of_key(&self.key.subject_public_key_info())
    }

    /// The same, and sends `authority` along.
    pub fn with(mut self, authority: &Authority) -> Identity {
        self.chain.push(authority.certificate.clone());
        self
    }

    fn acceptor(&self, h2: bool) -> TlsAcceptor {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let chain = self.chain.iter().map(|certificate| certificate.der().clone()).collect();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if h2 {
            config.alpn_protocols.insert(0, b"h2".to_vec());
        }
        TlsAcceptor::from(Arc::new(config))
    }
}

pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Accepts connections, counts them, and shakes hands where an identity is given.
pub struct Counting {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    accepted: Arc<AtomicUsize>,
    shaking: JoinSet<Option<(Box<dyn Io>, SocketAddr)>>,
}

impl Counting {
    pub fn new(
        listener: TcpListener,
        identity: Option<(&Identity, bool)>,
        accepted: Arc<AtomicUsize>,
    ) -> Counting {
        let tls = identity.map(|(identity, h2)| identity.acceptor(h2));
        Counting { listener, tls, accepted, shaking: JoinSet::new() }
    }

    fn greet(&mut self, stream: TcpStream, address: SocketAddr) -> Option<(Box<dyn Io>, SocketAddr)> {
        self.accepted.fetch_add(1, Ordering::SeqCst);
        stream.set_nodelay(true).unwrap();
        let Some(tls) = self.tls.clone() else { return Some((Box::new(stream), address)) };
        self.shaking.spawn(async move {
            let shaken = tokio::time::timeout(Duration::from_secs(5), tls.accept(stream)).await;
            Some((Box::new(shaken.ok()?.ok()?) as Box<dyn Io>, address))
        });
        None
    }
}

impl Listener for Counting {
    type Io = Box<dyn Io>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Box<dyn Io>, SocketAddr) {
        loop {
            let greeted = tokio::select! {
                Ok((stream, address)) = self.listener.accept() => self.greet(stream, address),
                Some(shaken) = self.shaking.join_next() => shaken.ok().flatten(),
            };
            if let Some(connection) = greeted {
                return connection;
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
