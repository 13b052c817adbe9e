//! Which node of a cluster has which key.

use redis::{Cmd, Value, cmd};
use std::{collections::HashMap, fmt, sync::Arc};

/// Slots of a cluster; every key is in one of them.
const SLOTS: u16 = 16_384;

/// Where a node listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Address {
    pub(super) host: Arc<str>,
    pub(super) port: u16,
}

impl Address {
    /// Reads `HOST:PORT`; without a host it is that of whoever said so.
    pub(super) fn read(text: &str, said_by: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = if host.is_empty() { said_by } else { host.trim_matches(['[', ']']) };
        Some(Self { host: host.into(), port: port.parse().ok()? })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Who has which slots, as far as somebody said.
#[derive(Default)]
pub(super) struct Owners {
    /// First and last slot.
    ranges: Vec<(u16, u16, Address)>,
    /// Newer word about single slots.
    moved: HashMap<u16, Address>,
}

impl Owners {
    /// Reads an answer to [`question`].
    pub(super) fn read(answer: &Value, said_by: &str) -> Self {
        let range = |range: &Value| match list(range) {
            [Value::Int(first), Value::Int(last), master, ..] => {
                let (host, port) = node(master)?;
                let address = Address { host: host.unwrap_or(said_by).into(), port };
                Some((u16::try_from(*first).ok()?, u16::try_from(*last).ok()?, address))
            }
            _ => None,
        };
        Self { ranges: list(answer).iter().filter_map(range).collect(), moved: HashMap::new() }
    }

    pub(super) fn of(&self, key: &str) -> Option<&Address> {
        let slot = slot(key.as_bytes());
        let range = || self.ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&slot));
        self.moved.get(&slot).or_else(|| range().map(|(_, _, address)| address))
    }

    /// A node said that a key's slot is another's.
    pub(super) fn moved(&mut self, key: &str, to: Address) {
        self.moved.insert(slot(key.as_bytes()), to);
    }
}

/// The slot of a key: of what stands in its first braces, if anything does.
fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|it| *it == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|it| *it == b'}')?;
        (close > 0).then(|| &rest[..close])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

/// CRC-16/XMODEM, as the cluster's specification has it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte) << 8,
            |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
            },
        )
    })
}

/// What tells who has which slots: a list of first slot, last slot, and nodes, the master first.
pub(super) fn question() -> Cmd {
    cmd("CLUSTER").arg("SLOTS").to_owned()
}

/// Hosts and ports that an answer to [`question`] names, as often as it does.
pub(super) fn nodes(answer: &Value) -> impl Iterator<Item = (&str, u16)> {
    let all = list(answer).iter().flat_map(|range| list(range).iter().skip(2));
    all.filter_map(node).filter_map(|(host, port)| Some((host?, port)))
}

/// A node's host, unless it is that of whoever says so, and port.
fn node(value: &Value) -> Option<(Option<&str>, u16)> {
    let [host, Value::Int(port), ..] = list(value) else { return None };
    let host = match host {
        Value::BulkString(host) if !host.is_empty() => Some(std::str::from_utf8(host).ok()?),
        _ => None,
    };
    Some((host, u16::try_from(*port).ok()?))
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str, port: i64) -> Value {
        Value::Array(vec![Value::BulkString(host.into()), Value::Int(port)])
    }

    fn range(first: i64, last: i64, nodes: Vec<Value>) -> Value {
        Value::Array([vec![Value::Int(first), Value::Int(last)], nodes].concat())
    }

    fn at(host: &str, port: u16) -> Address {
        Address { host: host.into(), port }
    }

    #[test]
    fn keys_have_the_slots_that_servers_say() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        for (key, expected) in [("foo", 12_182), ("bar", 5_061), ("", 0)] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
        for (key, same) in [("a{foo}b", "foo"), ("{foo}{bar}", "foo"), ("a{{foo}}", "{foo")] {
            assert_eq!(slot(key.as_bytes()), slot(same.as_bytes()), "{key}");
        }
        for whole in ["{}foo", "a{foo"] {
            assert_eq!(slot(whole.as_bytes()), crc16(whole.as_bytes()) % SLOTS, "{whole}");
        }
    }

    #[test]
    fn slots_belong_to_masters_until_somebody_says_otherwise() {
        let slots = Value::Array(vec![
            range(0, 8000, vec![node("a", 1), node("replica", 2)]),
            range(8001, 16_000, vec![node("", 3)]),
            range(16_001, 16_383, vec![node("c", 70_000)]),
            Value::Nil,
        ]);
        let mut owners = Owners::read(&slots, "seed");
        assert_eq!(owners.of("bar"), Some(&at("a", 1)));
        assert_eq!(owners.of("foo"), Some(&at("seed", 3)), "without a host it is the one that was asked");
        owners.moved("foo", at("d", 4));
        assert_eq!(owners.of("{foo}x"), Some(&at("d", 4)));
        assert_eq!(owners.of("bar"), Some(&at("a", 1)));
        assert_eq!(Owners::default().of("foo"), None);
    }

    #[test]
    fn addresses_are_read_as_servers_write_them() {
        assert_eq!(Address::read("10.0.0.1:7000", "x"), Some(at("10.0.0.1", 7000)));
        assert_eq!(Address::read(":7000", "x"), Some(at("x", 7000)));
        assert_eq!(Address::read("[::1]:7000", "x"), Some(at("::1", 7000)));
        assert_eq!(Address::read("::1:7000", "x"), Some(at("::1", 7000)));
        assert_eq!(Address::read("h", "x"), None);
        assert_eq!(Address::read("h:70000", "x"), None);
    }
}
