//! `Fn::Cidr`: subnets of a block.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use crate::error::EvalError;
use crate::functions::text;
use crate::limits::CIDR_COUNT_MAX;

/// `[block, count, host bits]`; the bits are optional for IPv4 (then 8).
pub fn apply(argument: &Value) -> Result<Value, EvalError> {
    let parts: Vec<String> = argument.as_array().into_iter().flatten().filter_map(text).collect();
    let (block, count, bits) = match parts.as_slice() {
        [block, count] => (block, count, None),
        [block, count, bits] => (block, count, Some(bits)),
        _ => return Err(misuse()),
    };
    let (address, prefix) = block.split_once('/').ok_or_else(misuse)?;
    let address: IpAddr = address.parse().map_err(|_| misuse())?;
    let prefix: u32 = prefix.parse().map_err(|_| misuse())?;
    let count: u64 = count.parse().ok().filter(|count| (1..=CIDR_COUNT_MAX).contains(count)).ok_or_else(misuse)?;
    let bits = match bits {
        Some(bits) => bits.parse::<u32>().map_err(|_| misuse())?,
        None => 8,
    };
    let width = if address.is_ipv4() { 32 } else { 128 };
    subnets(address, width, prefix, count, bits)
}

fn subnets(address: IpAddr, width: u32, prefix: u32, count: u64, bits: u32) -> Result<Value, EvalError> {
    if prefix > width || bits == 0 || bits > width - prefix {
        return Err(misuse());
    }
    let room = width - prefix - bits;
    if room < 64 && count > 1 << room {
        return Err(misuse());
    }
    let base = match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    let host_bits = width - prefix;
    let network = if host_bits == 128 { 0 } else { base >> host_bits << host_bits };
    let subnet = |index: u64| {
        let offset = u128::from(index).checked_shl(bits).unwrap_or(0);
        let address = network | offset;
        let text = match width {
            32 => Ipv4Addr::from(u32::try_from(address).unwrap_or(u32::MAX)).to_string(),
            _ => Ipv6Addr::from(address).to_string(),
        };
        Value::String(format!("{text}/{}", width - bits))
    };
    Ok((0..count).map(subnet).collect())
}

fn misuse() -> EvalError {
    EvalError::new(
        "Template error: every Fn::Cidr object requires two parameters, (1) a valid CIDR and (2) a count of subnets \
         that fit it, with (3) the subnets' host bits where they are not 8",
    )
}
