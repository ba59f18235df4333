// What a process that was forked does before it goes on: siblings have the same memory and must not stay alike.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const SPECIALISE = 0x50;
const PREFIX_BYTES = 9;
const OWN_FLAGS = ['--single-threaded', '--v8-pool-size=0', '--no-memory-reducer'];

// The state of `Math.random`: xoshiro128** by Blackman and Vigna.
const state = new Uint32Array(4);

// Without the event loop: it is not yet known which function this is.
function readExactly(addon, descriptor, length) {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const count = fs.readSync(descriptor, bytes, at, length - at, null);
    if (count === 0) addon.exit(1);
    at += count;
  }
  return bytes;
}

// The frame that tells a fork what it becomes: its header and the function's variables.
function beTold(addon, descriptor) {
  const prefix = readExactly(addon, descriptor, PREFIX_BYTES);
  const rest = readExactly(addon, descriptor, prefix.readUInt32BE(0) - 5);
  if (prefix.readUInt8(4) !== SPECIALISE) addon.exit(1);
  const headerLength = prefix.readUInt32BE(5);
  return { header: JSON.parse(rest.toString('utf8', 0, headerLength)), variables: JSON.parse(rest.toString('utf8', headerLength)) };
}

function rotate(word, bits) {
  return (word << bits) | (word >>> (32 - bits));
}

function next() {
  const result = Math.imul(rotate(Math.imul(state[1], 5), 7), 9) >>> 0;
  const shifted = state[1] << 9;
  state[2] ^= state[0];
  state[3] ^= state[1];
  state[1] ^= state[2];
  state[0] ^= state[3];
  state[2] ^= shifted;
  state[3] = rotate(state[3], 11);
  return result;
}

const { random } = { random: () => ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992 };

// V8 seeded its generator before the fork. Whoever has got hold of this function gets new numbers after the next one too.
function renewRandomness() {
  crypto.randomFillSync(state);
  if (!state.some((word) => word !== 0)) state[0] = 1;
  if (Math.random !== random) {
    Object.defineProperty(Math, 'random', { value: random, writable: true, configurable: true, enumerable: false });
  }
}

// What Node.js keeps of its process from before the fork.
function makeProcessOwn(addon) {
  const pid = Number(fs.readlinkSync('/proc/self'));
  Object.defineProperty(process, 'pid', { value: pid, writable: false, configurable: true, enumerable: true });
  process.reallyExit = (status) => addon.exit(status === undefined ? 0 : status);
  process.execArgv = process.execArgv.filter((flag) => !OWN_FLAGS.includes(flag));
  process.argv[1] = path.join(__dirname, 'bootstrap.js');
  process.chdir('/var/task');
}

module.exports = { beTold, renewRandomness, makeProcessOwn };
