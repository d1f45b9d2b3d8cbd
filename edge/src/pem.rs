//! Certificates and keys in PEM, as a config names them.

use anyhow::Context;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::exit::{OrBadInput, bad_input};
use crate::named_file::NamedFile;

/// The certificates of a file, at least one; `what` says in an error what the file is.
///
/// # Errors
/// Bad input, when there is none, or one can't be read.
pub fn certificates(file: &NamedFile, what: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let text = file.read(what)?;
    let found = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| format!("the {what} {file} is no sound PEM"))
        .or_bad_input()?;
    if found.is_empty() {
        return Err(bad_input(format!(
            "the {what} {file} has no certificate in PEM (BEGIN CERTIFICATE)"
        )));
    }
    Ok(found)
}

/// The private key of a file that others can't read.
///
/// # Errors
/// Bad input, when there is none that can be used, or the file isn't kept from others.
pub fn private_key(file: &NamedFile, what: &str) -> anyhow::Result<PrivateKeyDer<'static>> {
    let secret = file.read_secret(what)?;
    // Why it is none isn't passed on: that might quote from it.
    PrivateKeyDer::from_pem_slice(secret.expose().as_bytes()).map_err(|_| {
        bad_input(format!(
            "the {what} {file} has no private key in PEM, or an encrypted one, which nobody could open at start: \
             `openssl pkey` writes it plain"
        ))
    })
}

/// Why a certificate and its key can't be shown together.
pub fn not_together(
    error: rustls::Error,
    certificate: (&str, &NamedFile),
    key: (&str, &NamedFile),
) -> anyhow::Error {
    let (certificate, key) = (
        format!("{} {}", certificate.0, certificate.1),
        format!("{} {}", key.0, key.1),
    );
    match error {
        rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch) => {
            bad_input(format!("the {key} is not that of the {certificate}"))
        }
        error => bad_input(format!(
            "the {certificate} with the {key} cannot be used: {error}"
        )),
    }
}
