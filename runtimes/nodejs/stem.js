// Boots Node.js and Kobel's bootstrap ahead of any function, to be forked into sandboxes.
//
// The parent stays in `serve`; each child leaves it inside its sandbox, as an unprivileged process.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const { main, PREFIX_BYTES } = require('./bootstrap.js');

const SPECIALISE = 0x50;
const OWN_FLAGS = ['--single-threaded', '--v8-pool-size=0', '--no-memory-reducer'];

const addon = { exports: {} };
process.dlopen(addon, path.join(__dirname, '..', 'stem', 'stem.so'));

// Without the event loop: it is not yet known which function this is.
function readExactly(descriptor, length) {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const count = fs.readSync(descriptor, bytes, at, length - at, null);
    if (count === 0) addon.exports.exit(1);
    at += count;
  }
  return bytes;
}

function readVariables(descriptor) {
  const prefix = readExactly(descriptor, PREFIX_BYTES);
  const rest = readExactly(descriptor, prefix.readUInt32BE(0) - 5);
  if (prefix.readUInt8(4) !== SPECIALISE) addon.exports.exit(1);
  return JSON.parse(rest.toString('utf8', prefix.readUInt32BE(5)));
}

// Siblings would draw the same numbers: V8 seeded its generator in the stem. (xoshiro128** by Blackman and Vigna.)
function makeRandomUnique() {
  const state = crypto.randomFillSync(new Uint32Array(4));
  if (!state.some((word) => word !== 0)) state[0] = 1;
  const rotate = (word, bits) => (word << bits) | (word >>> (32 - bits));
  const next = () => {
    const result = Math.imul(rotate(Math.imul(state[1], 5), 7), 9) >>> 0;
    const shifted = state[1] << 9;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotate(state[3], 11);
    return result;
  };
  const random = { random: () => ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992 }.random;
  Object.defineProperty(Math, 'random', { value: random, writable: true, configurable: true, enumerable: false });
}

// What Node.js keeps of its process from before the fork.
function makeProcessOwn() {
  const pid = Number(fs.readlinkSync('/proc/self'));
  Object.defineProperty(process, 'pid', { value: pid, writable: false, configurable: true, enumerable: true });
  process.reallyExit = (status) => addon.exports.exit(status === undefined ? 0 : status);
  process.execArgv = process.execArgv.filter((flag) => !OWN_FLAGS.includes(flag));
  process.argv[1] = path.join(__dirname, 'bootstrap.js');
  process.chdir('/var/task');
}

const control = Number(process.env._KOBEL_STEM);
const descriptor = addon.exports.serve(control);
const variables = readVariables(descriptor);
for (const name of Object.keys(process.env)) delete process.env[name];
Object.assign(process.env, variables);
makeRandomUnique();
makeProcessOwn();
main(descriptor);
