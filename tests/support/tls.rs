//! A blocking client of TLS, whose records can be made by hand, and what a server needs.

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
};

/// Trusts an authority (a PEM file), offers these protocols, and shows a certificate if there is one (PEM files of
/// certificate and key).
pub fn client(authority: &Path, protocols: &[&str], shown: Option<(&Path, &Path)>) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(believing(authority));
    let mut config = match shown {
        Some((file, key)) => {
            builder.with_client_auth_cert(vec![certificate(file)], private(key)).expect("a pair")
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// Shows a certificate (PEM files of certificate and key), chooses among these protocols, and asks clients for a
/// certificate of this authority, if there is one.
pub fn server(shown: (&Path, &Path), protocols: &[&str], clients: Option<&Path>) -> Arc<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = match clients {
        Some(authority) => {
            let roots = Arc::new(believing(authority));
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
        None => builder.with_no_client_auth(),
    };
    let (file, key) = shown;
    let mut config = builder.with_single_cert(vec![certificate(file)], private(key)).expect("a pair");
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    Arc::new(config)
}

fn certificate(file: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file).expect("a certificate")
}

fn private(key: &Path) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(key).expect("a key")
}

fn believing(authority: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(authority)).expect("an authority");
    roots
}

/// A connection whose handshake is done, as far as the client is concerned.
pub struct TlsStream(StreamOwned<ClientConnection, TcpStream>);

impl TlsStream {
    /// Shakes hands with whoever is at the socket's other end.
    pub fn new(mut socket: TcpStream, config: &Arc<ClientConfig>) -> io::Result<Self> {
        let peer = socket.peer_addr()?.ip();
        let mut connection =
            ClientConnection::new(config.clone(), ServerName::from(peer)).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        Ok(Self(StreamOwned::new(connection, socket)))
    }

    pub fn get_ref(&self) -> &TcpStream {
        &self.0.sock
    }

    pub fn connection(&self) -> &ClientConnection {
        &self.0.conn
    }

    /// Sends these bytes in one record, as long as they fit one, in one piece.
    pub fn write_record(&mut self, bytes: &[u8]) {
        let records = self.encrypt(bytes);
        self.0.sock.write_all(&records).expect("the router reads");
    }

    /// The record that carries these bytes, to be sent by whoever asks.
    pub fn encrypt(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.0.conn.writer().write_all(bytes).expect("room");
        let mut records = Vec::new();
        while self.0.conn.wants_write() {
            self.0.conn.write_tls(&mut records).expect("memory takes everything");
        }
        records
    }
}

impl Read for TlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
