//! Gives clients up that take nothing of what is sent to them.
//!
//! Nobody but the kernel knows how much of what was written a client has taken, so the kernel is told (RFC 5482's
//! user timeout). It counts while the other machine is silent as well as while it says that it has no room.

use socket2::SockRef;
use std::{io, time::Duration};
use tokio::net::TcpStream;

/// For an HTTP connection; zero leaves it to the system. Does nothing where the system has no such option.
pub(super) fn begin(socket: &TcpStream, timeout: Duration) {
    if !timeout.is_zero() {
        // A connection without it is served all the same.
        _ = set(&SockRef::from(socket), Some(timeout));
    }
}

/// For a socket that was handed over: who takes it has means of its own.
pub(super) fn end(socket: &std::net::TcpStream) {
    _ = set(&SockRef::from(socket), None);
}

#[cfg(target_os = "linux")]
fn set(socket: &SockRef<'_>, timeout: Option<Duration>) -> io::Result<()> {
    socket.set_tcp_user_timeout(timeout)
}

#[cfg(not(target_os = "linux"))]
fn set(_: &SockRef<'_>, _: Option<Duration>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
