//! Opens the listening socket.

use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
};

/// Connections the kernel holds for us until they are accepted: a crowd that reconnects after a restart
/// must not be turned away.
const BACKLOG: i32 = 4096;

/// Listens on `address` (`host:port`; a name is looked up now, once, and IPv4 is preferred as a name
/// like `localhost` has both).
pub(super) fn listen(address: &str) -> io::Result<TcpListener> {
    let found: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    let address = found.iter().find(|it| it.is_ipv4()).or(found.first());
    let address = *address.ok_or_else(|| io::Error::other("the name has no address"))?;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for connections of the previous process to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
