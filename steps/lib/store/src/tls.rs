//! The cryptography of TLS.

use object_store::ClientOptions;

/// What the client of a bucket or a web server starts from.
///
/// Its TLS asks the program for the cryptography: ring, which compiles in a quarter of the time of the usual AWS-LC.
pub(crate) fn client_options() -> ClientOptions {
    // Refused where a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    ClientOptions::new()
}
