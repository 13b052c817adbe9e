//! TLS towards clients: from files to what the HTTP front shakes hands with, at the start and whenever the files
//! change.

use super::{StartError, stats::TlsStats};
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
    time::Duration,
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
    /// How often the files are looked at. Zero: never again after the start.
    pub reload_interval: Duration,
}

impl TlsOptions {
    /// Whether the router could start with these files; `Err` names the one to put right.
    pub fn check(&self) -> Result<(), String> {
        Contents::read(self)?.config(self).map(drop)
    }
}

/// What the files held when they were read.
#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_authorities: Option<Vec<u8>>,
}

/// A certificate that is in use, and its files.
pub(super) struct Files {
    options: TlsOptions,
    /// What was found at the last look, good or bad.
    seen: Result<Contents, String>,
    configs: watch::Sender<Arc<ServerConfig>>,
}

impl Files {
    /// Reads the files, at the start: what is wrong with them is wrong with the configuration.
    pub(super) fn open(options: &TlsOptions) -> Result<Self, StartError> {
        let contents = Contents::read(options).map_err(StartError::Tls)?;
        let config = contents.config(options).map_err(StartError::Tls)?;
        let (configs, _) = watch::channel(Arc::new(config));
        Ok(Self { options: options.clone(), seen: Ok(contents), configs })
    }

    pub(super) fn configs(&self) -> TlsConfigs {
        self.configs.subscribe()
    }

    /// Looks at the files for as long as the router runs. Nobody who is connected notices: what changed holds for
    /// handshakes from then on.
    pub(super) async fn watch(mut self, stats: Arc<TlsStats>) {
        if self.options.reload_interval.is_zero() {
            return;
        }
        loop {
            tokio::time::sleep(self.options.reload_interval).await;
            self.look(&stats).await;
        }
    }

    /// Takes over what has changed since the last look. What is wrong is told once, and leaves everything as it was:
    /// certificate and key are most often replaced one after the other.
    async fn look(&mut self, stats: &TlsStats) {
        let found = Contents::read_again(&self.options).await;
        if found == self.seen {
            return;
        }
        let config = found.as_ref().map_err(Clone::clone).and_then(|it| it.config(&self.options));
        match config {
            Ok(config) => {
                self.configs.send_replace(Arc::new(config));
                stats.reloads.increment();
                tracing::info!("new connections get the certificate that was put in place");
            }
            Err(error) => {
                stats.reloads_failed.increment();
                tracing::error!("the certificate in use stays, the new one cannot be used: {error}");
            }
        }
        self.seen = found;
    }
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

    /// The same without holding up whoever else is on the thread.
    async fn read_again(options: &TlsOptions) -> Result<Self, String> {
        let read = async |file: &Path| tokio::fs::read(file).await.map_err(|error| about(file, &error));
        Ok(Self {
            certificate: read(&options.cert_file).await?,
            key: read(&options.key_file).await?,
            client_authorities: match &options.client_authorities_file {
                Some(file) => Some(read(file).await?),
                None => None,
            },
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
