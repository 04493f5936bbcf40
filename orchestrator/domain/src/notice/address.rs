//! Which addresses a notice may be sent to. Whoever may name a receiver could otherwise make this
//! server speak to what only it can reach: services of its own machine and network, the metadata of its cloud.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address that notices are not sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {what}; a channel speaks to such addresses only with `allow_private: true`")]
pub struct Forbidden {
    pub address: IpAddr,
    /// What it is, a few words.
    pub what: &'static str,
}

/// Whether an address is one of the public internet.
///
/// # Errors
/// What it is instead.
pub fn allowed(address: IpAddr) -> Result<(), Forbidden> {
    let what = match address {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => special_v6(v6),
    };
    match what {
        Some(what) => Err(Forbidden { address, what }),
        None => Ok(()),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    let what = match address.octets() {
        [127, ..] => "an address of this machine",
        [169, 254, 169, 254] => "where clouds keep their metadata",
        [0, ..] => "of \"this network\"",
        [10, ..] | [192, 168, ..] => "a private address",
        [172, b, ..] if (16..32).contains(&b) => "a private address",
        [100, b, ..] if (64..128).contains(&b) => "a shared address of a provider",
        [169, 254, ..] => "a link-local address",
        [192, 0, 0, _] | [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] => {
            "a reserved address"
        }
        [198, 18 | 19, ..] => "a reserved address",
        [a, ..] if (224..240).contains(&a) => "a multicast address",
        [a, ..] if a >= 240 => "a reserved address",
        _ => return None,
    };
    Some(what)
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    let what = match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => "no address",
        [0, 0, 0, 0, 0, 0, 0, 1] => "an address of this machine",
        // Forms that carry an IPv4 address are as good as that: mapped, compatible, NAT64, 6to4.
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            return special_v4(embedded(high, low));
        }
        [0x2002, high, low, ..] => return special_v4(embedded(high, low)),
        [0x64, 0xff9b, ..]
        | [0x2001, 0..=0x1ff, ..]
        | [0x2001, 0xdb8, ..]
        | [0x3fff, ..]
        | [0x100, 0, 0, 0, ..] => "a reserved address",
        [a, ..] if a & 0xfe00 == 0xfc00 => "a private address",
        [a, ..] if a & 0xffc0 == 0xfe80 => "a link-local address",
        [a, ..] if a & 0xffc0 == 0xfec0 => "a private address",
        [a, ..] if a & 0xff00 == 0xff00 => "a multicast address",
        [a, ..] if a & 0xe000 != 0x2000 => "a reserved address",
        _ => return None,
    };
    Some(what)
}
