//! TLS towards clients: from files to what the HTTP front shakes hands with.

use super::StartError;
use crate::http::{self, TlsConfigs};
use rustls::{
    ConfigBuilder, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{WantsServerCert, WebPkiClientVerifier},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::watch;

/// What clients are shown, and what they have to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// The certificate, and behind it those that lead to its authority (PEM).
    pub cert_file: PathBuf,
    /// Its key (PEM).
    pub key_file: PathBuf,
    /// Authorities of clients' certificates (PEM). `None`: nobody is asked for one.
    pub client_authorities_file: Option<PathBuf>,
    /// Without a certificate of theirs, nobody is served.
    pub client_certificate_required: bool,
}

/// What the files held when they were read.
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_authorities: Option<Vec<u8>>,
}

/// Reads the files, at the start: what is wrong with them is wrong with the configuration.
pub(super) fn open(options: &TlsOptions) -> Result<TlsConfigs, StartError> {
    let config = Contents::read(options).and_then(|it| it.config(options)).map_err(StartError::Tls)?;
    let (_, configs) = watch::channel(Arc::new(config));
    Ok(configs)
}

impl Contents {
    fn read(options: &TlsOptions) -> Result<Self, String> {
        let read = |file: &Path| fs::read(file).map_err(|error| about(file, &error));
        Ok(Self {
            certificate: read(&options.cert_file)?,
            key: read(&options.key_file)?,
            client_authorities: options.client_authorities_file.as_deref().map(read).transpose()?,
        })
    }

    /// What the front shakes hands with; `Err` names the file to put right.
    fn config(&self, options: &TlsOptions) -> Result<ServerConfig, String> {
        let chain = certificates(&options.cert_file, &self.certificate)?;
        let key =
            PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| about(&options.key_file, &error))?;
        let pair =
            |error| format!("{} with {}: {error}", options.cert_file.display(), options.key_file.display());
        let mut config = self.asking(options)?.with_single_cert(chain, key).map_err(pair)?;
        config.alpn_protocols = http::PROTOCOLS.iter().map(|it| it.to_vec()).collect();
        Ok(config)
    }

    /// A configuration that asks clients for certificates, or does not.
    fn asking(&self, options: &TlsOptions) -> Result<ConfigBuilder<ServerConfig, WantsServerCert>, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        match (&options.client_authorities_file, &self.client_authorities) {
            (Some(file), Some(pem)) => {
                let verifier = verifier(file, pem, options.client_certificate_required, provider)?;
                Ok(builder.with_client_cert_verifier(verifier))
            }
            _ => Ok(builder.with_no_client_auth()),
        }
    }
}

fn verifier(
    file: &Path,
    pem: &[u8],
    is_required: bool,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file, pem)? {
        roots.add(certificate).map_err(|error| about(file, &error))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if is_required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| about(file, &error))
}

fn certificates(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| about(file, &error))?;
    if all.is_empty() { Err(format!("{} holds no certificate", file.display())) } else { Ok(all) }
}

fn about(file: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", file.display())
}
