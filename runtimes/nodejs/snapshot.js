// A function's runtime after its init, which is forked into environments.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const { beTold, renewRandomness, makeProcessOwn } = require('./fork.js');

const TEMPLATE = 0x54;
// The threads that libuv has, once it needed one, for work that blocks. They are made anew in a fork.
const POOL_THREADS = 4;

// What a process becomes that was asked to be a template. Call it before the function's code is loaded.
// `told` are the variables that it was told.
function template(addon, told) {
  keepNoRandomness();
  return (channel) => {
    const { descriptor } = channel;
    const reason = obstacle();
    writeAll(descriptor, channel.constructor.frame(TEMPLATE, { reason }, Buffer.alloc(0)));
    if (reason) addon.exit(0);
    const tmp = addon.template(descriptor);
    // From here on in a fork.
    // What the function's code has set stays as it is.
    for (const [name, value] of Object.entries(beTold(addon, descriptor).variables)) {
      if (told[name] !== value) process.env[name] = value;
    }
    renewRandomness();
    makeProcessOwn(addon);
    if (tmp >= 0) {
      copyFolder(`/proc/self/fd/${tmp}`, '/tmp');
      fs.closeSync(tmp);
    }
  };
}

// Node.js keeps numbers that it drew ahead. Forks would give out the same ones, also to those who imported the
// functions before the fork.
function keepNoRandomness() {
  const { randomUUID, randomBytes } = crypto;
  const fresh = (options) => randomUUID({ ...options, disableEntropyCache: true });
  crypto.randomUUID = fresh;
  Object.defineProperty(Object.getPrototypeOf(crypto.webcrypto), 'randomUUID', {
    value: { randomUUID: () => fresh() }.randomUUID,
    writable: true,
    configurable: true,
    enumerable: true,
  });
  const { randomInt } = crypto;
  crypto.randomInt = (min, max, callback) => {
    if (typeof callback === 'function' || typeof max === 'function') return randomInt(min, max, callback);
    const [low, high] = max === undefined ? [0, min] : [min, max];
    // Refuses what is no range, as it does itself.
    if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || high <= low || high - low > 2 ** 48 - 1) return randomInt(min, max);
    const range = high - low;
    const limit = 2 ** 48 - (2 ** 48 % range);
    for (;;) {
      const drawn = randomBytes(6).readUIntBE(0, 6);
      if (drawn < limit) return low + (drawn % range);
    }
  };
  require('module').syncBuiltinESMExports();
}

// Why this process cannot be forked; null if it can.
function obstacle() {
  const threads = fs.readdirSync('/proc/self/task').length - 1;
  if (threads !== 0 && threads !== POOL_THREADS) return `its init left threads behind (${threads})`;
  const processes = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name) && !['1', String(process.pid)].includes(name));
  return processes.length === 0 ? null : `its init left ${processes.length} processes behind`;
}

function writeAll(descriptor, bytes) {
  for (let at = 0; at < bytes.length; ) at += fs.writeSync(descriptor, bytes, at);
}

function copyFolder(source, target) {
  for (const entry of fs.readdirSync(source, { withFileTypes: true })) {
    const [from, to] = [path.join(source, entry.name), path.join(target, entry.name)];
    if (entry.isSymbolicLink()) {
      fs.symlinkSync(fs.readlinkSync(from), to);
      continue;
    }
    const facts = fs.statSync(from);
    if (entry.isDirectory()) {
      fs.mkdirSync(to, 0o700);
      copyFolder(from, to);
    } else if (entry.isFile()) {
      fs.copyFileSync(from, to);
    } else {
      continue;
    }
    fs.chmodSync(to, facts.mode & 0o7777);
    fs.utimesSync(to, facts.atime, facts.mtime);
  }
}

module.exports = { template };
