// The AWS SDK that this Node.js has among its global packages, which stands for the one in Lambda's runtimes.
'use strict';

const fs = require('fs');
const Module = require('module');
const path = require('path');

// What a stem loads ahead, as far as it is installed: what functions use most.
const CLIENTS = [
  'client-dynamodb', 'client-eventbridge', 'client-lambda', 'client-s3', 'client-secrets-manager', 'client-sfn',
  'client-sns', 'client-sqs', 'client-ssm', 'client-sts', 'lib-dynamodb', 'util-dynamodb',
];
// Variables that the SDK may read when it is loaded, by the start of their names: functions that set one are not
// forked from such a stem. Those that Lambda sets itself, of which the stem is told, are not among them.
const READABLE = ['AWS_', 'FORCE_COLOR', 'HOME'];

// The folder of global packages with the SDK.
function folder() {
  const prefix = path.dirname(path.dirname(process.execPath));
  const folders = [path.join(prefix, 'lib/node_modules')];
  if (prefix === '/usr') folders.push('/usr/local/lib/node_modules');
  return folders.find((each) => fs.existsSync(path.join(each, '@aws-sdk')));
}

// Lets `require` find it after all other places. `NODE_PATH`, which functions may look at, stays as on AWS.
function offer() {
  const own = folder();
  if (!own) return;
  const { NODE_PATH } = process.env;
  process.env.NODE_PATH = NODE_PATH ? `${NODE_PATH}:${own}` : own;
  Module._initPaths();
  if (NODE_PATH === undefined) delete process.env.NODE_PATH;
  else process.env.NODE_PATH = NODE_PATH;
}

// Loads it. What is left behind must be what a function would leave that loads it itself.
function load() {
  const setByLambda = process.env._KOBEL_SET_BY_LAMBDA.split(',');
  delete process.env._KOBEL_SET_BY_LAMBDA;
  const replaced = [
    replace(Math, 'random', { value: () => { throw new Error('the SDK draws random numbers when it is loaded'); } }),
    // Node.js itself asks, for `assert`, whether it has colours. Opening it would bind the stem's own to its children.
    replace(process, 'stderr', { value: {} }),
  ];
  const read = namesReadBy(() => {
    const from = Module.createRequire(path.join(folder(), 'index.js'));
    for (const client of CLIENTS) {
      if (fs.existsSync(path.join(folder(), '@aws-sdk', client))) from(`@aws-sdk/${client}`);
    }
  });
  replaced.forEach((restore) => restore());
  const starts = (name, names) => names.some((each) => name.startsWith(each));
  const captured = read.filter((name) => !starts(name, READABLE) || starts(name, setByLambda));
  if (captured.length > 0) throw new Error(`the SDK reads ${captured.join(', ')} when it is loaded`);
  const active = process.getActiveResourcesInfo ? process.getActiveResourcesInfo() : [];
  if (active.length > 0) throw new Error(`the SDK holds ${active.join(', ')} when it is loaded`);
}

// Replaces a property; gives what restores it.
function replace(object, name, property) {
  const original = Object.getOwnPropertyDescriptor(object, name);
  Object.defineProperty(object, name, { ...property, configurable: true });
  return () => Object.defineProperty(object, name, original);
}

// The variables that are read while `action` runs.
function namesReadBy(action) {
  const { env } = process;
  const read = new Set();
  const note = (name) => { if (typeof name === 'string') read.add(name); };
  process.env = new Proxy(env, {
    get: (target, name) => { note(name); return target[name]; },
    has: (target, name) => { note(name); return name in target; },
  });
  try {
    action();
  } finally {
    process.env = env;
  }
  return [...read];
}

module.exports = { offer, load };
